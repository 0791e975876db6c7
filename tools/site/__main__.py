"""`python -m singleshot.tools.site` builds the site; needs the extra `docs` and a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .outside import outside_resources
from .pages import gather_pages

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "build" / "pages"
SITE = ROOT / "site"


def main() -> int:
    """Gather the pages, build them strictly, and look for what would be loaded from elsewhere."""
    gather_pages(ROOT, PAGES)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", "mkdocs.yml"]
    done = subprocess.run(
        [*command, "--site-dir", str(SITE)], cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=False
    )
    if done.returncode:
        return done.returncode
    outside = outside_resources(SITE)
    if outside:
        print("\n".join(["The site would load from elsewhere:", *outside]), file=sys.stderr)
        return 1
    print(f"{SITE / 'index.html'}: open it, or see it with its search by python3 -m http.server --directory {SITE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

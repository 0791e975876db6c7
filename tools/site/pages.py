"""The pages of the site: those of `docs/`, those of the root, and what is generated."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from .commands import commands_page

ROOT_PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "runtime/shipped/ORIGIN.md": "shipped-detector.md",
}
"""Pages of the site that lie outside of `docs/`, by their paths from the root."""

GENERATED = ("commands.md",)

_LINK = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)]*)?\))")


def gather_pages(root: Path, folder: Path) -> None:
    """Copy and write all pages into a folder that is made anew, with links as they are there.

    Args:
        root: of the repository.
        folder: is emptied first.

    Raises:
        ValueError: a page links to a file that is no page.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(root / "docs", folder, ignore=shutil.ignore_patterns("runs"))
    for source, name in ROOT_PAGES.items():
        text = (root / source).read_text(encoding="utf-8")
        (folder / name).write_text(with_links(text, root, Path(source).parent, source), encoding="utf-8")
    for path in sorted(folder.glob("*.md")):
        if path.name not in ROOT_PAGES.values():
            text = path.read_text(encoding="utf-8")
            path.write_text(with_links(text, root, Path("docs"), path.name), encoding="utf-8")
    (folder / "commands.md").write_text(commands_page(), encoding="utf-8")


def with_links(text: str, root: Path, place: Path, name: str) -> str:
    """Turn links between files of the repository into links between pages.

    Args:
        text: Markdown.
        root: of the repository.
        place: the folder of the file, from the root.
        name: of the file, for the error.

    Raises:
        ValueError: a link leads to no page.
    """

    def turned(match: re.Match[str]) -> str:
        opening, target, closing = match.groups()
        path = (root / place / target).resolve().relative_to(root.resolve()).as_posix()
        if path in ROOT_PAGES:
            return f"{opening}{ROOT_PAGES[path]}{closing}"
        if path.startswith("docs/"):
            return f"{opening}{path.removeprefix('docs/')}{closing}"
        raise ValueError(f"{name}: links to {target}, which is no page of the site")

    return _LINK.sub(turned, text)

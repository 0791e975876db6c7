"""`python -m singleshot.tools.site.live_picture FILE.jpg`: the live page over the demo's clips, in a browser."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from ...runtime.errors import InputError
from ...runtime.files import whole_file
from ...runtime.require import require
from ..terminal.exits import exit_codes

DEMO = Path(__file__).resolve().parents[2] / "demo"
_CAMERAS = """live = "127.0.0.1:0"

[cameras.door]
source = "{demo}/dog.mp4"

[cameras.door.zones]
entry = [[0.1, 0.2], [0.7, 0.2], [0.7, 0.95], [0.1, 0.95]]

[cameras.yard]
source = "{demo}/bottle.mp4"

[rules.visitor]
what = "dog"
when = "enters"
place = "entry"

[rules.left]
what = "dog"
when = "leaves"
place = "entry"
"""
_WIDTH_PX, _HEIGHT_PX = 1240, 750
_SEEN_AFTER_MS = 5000.0
"""So long the charts grow; the clips are at their end after twice that."""


def photograph(url: str, path: Path) -> None:
    """Save what a browser shows of a page once it has pictures of two cameras and an event.

    Raises:
        InputError: there is no browser.
    """
    require("playwright", extra="dev", why="a browser")
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise InputError("chromium: expected one to look at the page with, got none. tests/apt.txt lists it.")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": _WIDTH_PX, "height": _HEIGHT_PX})
        page.goto(url)
        page.wait_for_selector("text=dog enters entry")
        page.wait_for_timeout(_SEEN_AFTER_MS)
        with whole_file(path) as temporary:
            temporary.write_bytes(page.screenshot(type="jpeg", quality=85))
        browser.close()


def main(path: Annotated[Path, typer.Argument(metavar="FILE.jpg")]) -> None:
    """Start a run, look at its page, end it."""
    with exit_codes(), TemporaryDirectory() as folder:
        config = Path(folder) / "cameras.toml"
        config.write_text(_CAMERAS.format(demo=DEMO.as_posix()), encoding="utf-8")
        command = [sys.executable, "-m", "singleshot", "rt-detect", "--config", str(config)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
            try:
                said = []
                for line in run.stderr or ():
                    said.append(line)
                    if line.startswith("live: "):
                        photograph(line.split()[1].rstrip(","), path)
                        break
                else:
                    raise InputError(f"rt-detect: expected a live page, got {''.join(said)}")
            finally:
                run.kill()
        print(path)


if __name__ == "__main__":
    typer.run(main)

"""What a page would load from elsewhere while it is viewed."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

_LOADING = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "img": ("src", "srcset"),
    "input": ("src",),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "video": ("src", "poster"),
}
"""Attributes by which an element loads something; a link to click on, `a`, loads nothing."""

_NEVER_LOADED = {"canonical", "next", "prev", "alternate"}
"""What `rel` of a `link` says where it only names another page."""

_ELSEWHERE = re.compile(r"^\s*(?:https?:)?//", re.IGNORECASE)
_STYLE = re.compile(r"(?:@import\s+(?:url\()?|url\()\s*[\"']?\s*((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)


def outside_resources(folder: Path) -> list[str]:
    """List what pages and styles below a folder load from elsewhere, as `page: what`."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".html", ".css", ".svg"):
            text = path.read_text(encoding="utf-8")
            told = _of_page(text) if path.suffix == ".html" else []
            found += [f"{path.relative_to(folder)}: {what}" for what in (*told, *_STYLE.findall(text))]
    return found


def _of_page(text: str) -> list[str]:
    page = _Page()
    page.feed(text)
    return page.found


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "link" and set(values.get("rel", "").split()) & _NEVER_LOADED:
            return
        for name in _LOADING.get(tag, ()):
            self.found += [part for part in values.get(name, "").split(",") if _ELSEWHERE.match(part)]

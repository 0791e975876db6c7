"""The files of the page, as they lie in the package."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

from starlette.responses import Response

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, kw_only=True)
class PageFile:
    """One of them.

    Args:
        content: as it is sent.
        media_type: with its encoding.
    """

    content: bytes
    media_type: str

    def response(self, status: int = 200) -> Response:
        """Send it."""
        return Response(self.content, status_code=status, media_type=self.media_type)


@cache
def page_files() -> dict[str, PageFile]:
    """Read all of them, by name."""
    folder = resources.files(__package__).joinpath("page")
    return {
        item.name: PageFile(content=item.read_bytes(), media_type=_TYPES[suffix])
        for item in folder.iterdir()
        if (suffix := "." + item.name.rpartition(".")[2]) in _TYPES
    }


def page_file(name: str) -> PageFile:
    """Return one of them."""
    return page_files()[name]

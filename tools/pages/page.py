"""Pages of HTML that need no other file: pictures are inside."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ...runtime.files import whole_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_STYLE = """body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:72em;padding:0 1em;color:#222}
h2{border-top:1px solid #ccc;padding-top:.6em}figure{display:inline-block;margin:0 .6em .6em 0;vertical-align:top}
figcaption{font-size:12px;overflow-wrap:anywhere}pre{white-space:pre-wrap}
.plots{display:flex;flex-wrap:wrap;gap:2em}"""
_JPEG_QUALITY = 80


def save_page(path: Path, *, title: str, parts: Iterable[str], style: str = "") -> None:
    """Write a page whole or not at all.

    Args:
        path: of the page.
        title: plain text.
        parts: of the body, HTML.
        style: CSS beside that of every page.

    Raises:
        InputError: the file cannot be written.
    """
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}{style}</style>'
    page = f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def shrunk(image: NDArray[np.uint8], side_px: int) -> tuple[NDArray[np.uint8], float]:
    """Bring an image's longer side to so many pixels; the second value is by how much it became larger."""
    import cv2
    import numpy as np

    scale = side_px / max(image.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=how), np.uint8), scale


def picture(image: NDArray[np.uint8], caption: str) -> str:
    """Show an image [h, w, 3] uint8 BGR over a line of plain text."""
    import cv2

    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    source = base64.b64encode(encoded.tobytes()).decode()
    return (
        f'<figure style="width:{image.shape[1]}px"><img src="data:image/jpeg;base64,{source}" alt="">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )

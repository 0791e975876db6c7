"""The one way to make a page: a template and values for it become one file that needs no other."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...runtime.errors import InputError
from ...runtime.files import whole_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_JPEG_QUALITY = 80


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image that stands in a page.

    Args:
        source: the image itself, as a data URI.
        width_px: that it is shown in.
        caption: plain text.
    """

    source: str
    width_px: int
    caption: str


def check_page_name(path: Path) -> None:
    """Refuse a name whose suffix is not a page's, before any time is spent.

    Raises:
        InputError: it is.
    """
    if path.suffix.lower() not in {".html", ".htm"}:
        raise InputError(f"{path}: expected a name that ends in .html, got {path.suffix or 'none'}.")


def save_page(path: Path, template: str, **values: object) -> None:
    """Write a page whole or not at all.

    Args:
        path: of the page, .html.
        template: name of a file in `templates/`, without its suffixes.
        values: what the template names; all that is not `Markup` is escaped.

    Raises:
        InputError: the name is not a page's, or the file cannot be written.
    """
    check_page_name(path)
    text = page_text(template, **values)
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def page_text(template: str, **values: object) -> str:
    """Fill a template; the arguments are those of `save_page`."""
    return _templates().get_template(f"{template}.html.j2").render(values)


def picture(image: NDArray[np.uint8], caption: str) -> Picture:
    """Take an image [h, w, 3] uint8 BGR into a page, over a line of plain text."""
    import cv2

    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    source = f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"
    return Picture(source=source, width_px=image.shape[1], caption=caption)


def shrunk(image: NDArray[np.uint8], side_px: int) -> tuple[NDArray[np.uint8], float]:
    """Bring an image's longer side to so many pixels; the second value is by how much it became larger."""
    import cv2
    import numpy as np

    scale = side_px / max(image.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=how), np.uint8), scale


@cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["three"] = lambda value: "-" if value is None else f"{value:.3f}"
    return made

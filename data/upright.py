"""Labels of the upright picture, which is what every part decodes, where they were made on the pixels as stored."""

from __future__ import annotations

from dataclasses import replace

from ..runtime.image_files import ImageHeader
from .readers.reader import Annotation, Edges

_ROUNDING_PX = 1.0


def upright_annotation(annotation: Annotation, header: ImageHeader) -> tuple[Annotation, str]:
    """Bring the labels of a picture that was annotated in its stored, sideways size to the upright one.

    Tools that do not look at EXIF show the pixels as stored: size and boxes are of those, and the boxes are turned as
    the picture is. Some show the picture upright and write down the stored size: their boxes show it where one does
    not fit into that size, and stay.

    Args:
        annotation: its size is `header.stored_hw_px`, its boxes in pixels.
        header: of an image file whose orientation exchanges height and width.

    Returns:
        The annotation in the upright size, and what was done, for the report.
    """
    height, width = header.stored_hw_px
    if any(_reaches_out(item.box_xyxy, width=width, height=height) for item in annotation.objects):
        return replace(annotation, size_hw_px=header.hw_px), "its boxes fit the upright picture alone and stay"
    objects = tuple(
        replace(item, box_xyxy=_turned(item.box_xyxy, header, width=width, height=height))
        for item in annotation.objects
    )
    return replace(annotation, size_hw_px=header.hw_px, objects=objects), "its boxes are turned with the picture"


def is_annotated_in(annotation: Annotation, hw_px: tuple[int, int]) -> bool:
    """Whether a box shows that it is of a picture of this size: it fits there, and not with height and width exchanged.

    Args:
        annotation: its boxes in pixels.
        hw_px: height and width.
    """
    width, height = hw_px
    return any(_reaches_out(item.box_xyxy, width=width, height=height) for item in annotation.objects)


def _reaches_out(box: Edges, *, width: int, height: int) -> bool:
    """Whether a box goes beyond the stored picture on one side, and would not beyond the upright one."""
    _, _, xmax, ymax = box
    beyond = xmax >= width + _ROUNDING_PX or ymax >= height + _ROUNDING_PX
    return beyond and xmax < height + _ROUNDING_PX and ymax < width + _ROUNDING_PX


def _turned(box: Edges, header: ImageHeader, *, width: int, height: int) -> Edges:
    xmin, ymin, xmax, ymax = box
    mirrored = {  # what of the stored pixel's x and y counts from the other end before the two are exchanged
        5: (False, False),
        6: (False, True),
        7: (True, True),
        8: (True, False),
    }
    mirror_x, mirror_y = mirrored[header.orientation]
    if mirror_x:
        xmin, xmax = width - xmax, width - xmin
    if mirror_y:
        ymin, ymax = height - ymax, height - ymin
    return ymin, xmin, ymax, xmax

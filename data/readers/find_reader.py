"""Which layout of labelled images lies below a folder."""

from __future__ import annotations

from pathlib import Path

from ...runtime.errors import InputError
from ...runtime.files import StrPath
from .coco import CocoLayout
from .csv_boxes import CsvLayout
from .kaggle import KaggleLayout
from .merged import MergedLayout
from .reader import Layout
from .voc import VocLayout
from .xml_files import XmlFilesLayout
from .yolo import YoloLayout

LAYOUTS: tuple[type[Layout], ...] = (KaggleLayout, VocLayout, XmlFilesLayout, CocoLayout, YoloLayout, CsvLayout)
"""All that are known, in the order in which an error names them."""


def find_layout(*roots: StrPath) -> Layout:
    """Find the one layout below a folder, or around it if it is one of the layout's own folders.

    Args:
        roots: the folder that holds one of the layouts; `ILSVRC`, `VOCdevkit`, a VOC year, COCO's `annotations`,
            YOLO's `labels` and a CSV file will also do. Several are taken as one data set.

    Raises:
        InputError: there is no layout, or more than one to choose from.
    """
    layouts = [_found(Path(root)) for root in roots]
    return layouts[0] if len(layouts) == 1 else MergedLayout(layouts)


def _found(root: Path) -> Layout:
    if not root.exists():
        raise InputError(f"{root}: expected a folder with labelled images, got none. Check the path of --data.")
    places = [place for layout in LAYOUTS for place in layout.places(root)]
    if not places:
        raise InputError(
            f"{root}: expected one of these below it: {'; '.join(layout.form for layout in LAYOUTS)}; got none. "
            f"Name the folder that holds one of them with --data."
        )
    if len(places) > 1:
        names = ", ".join(str(place.path) for place in places)
        raise InputError(f"{root}: expected one data set, got several. Name one of {names} with --data.")
    return places[0].open()

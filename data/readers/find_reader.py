"""Which layout of labelled images lies below a folder."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

from ...runtime.errors import InputError
from ...runtime.files import StrPath
from .coco import CocoLayout
from .csv_boxes import CsvLayout
from .kaggle import KaggleLayout
from .kitti import KittiLayout
from .labelme import LabelMeLayout
from .merged import MergedLayout
from .reader import Layout, Place, is_split_name
from .supervisely import SuperviselyLayout
from .text_lines import text_lines
from .tool_file import ToolFileLayout
from .voc import VocLayout
from .xml_files import XmlFilesLayout
from .yolo import YoloLayout

LAYOUTS: tuple[type[Layout], ...] = (
    KaggleLayout,
    VocLayout,
    XmlFilesLayout,
    CocoLayout,
    YoloLayout,
    CsvLayout,
    LabelMeLayout,
    SuperviselyLayout,
    KittiLayout,
    ToolFileLayout,
)
"""All that are known, in the order in which an error names them."""

_NOT_READ = {
    "labelTxt": "DOTA's turned boxes",
    "*/labelTxt": "DOTA's turned boxes",
    "wider_face_split": "WIDER FACE's lists",
    "*wider_face*bbx_gt.txt": "WIDER FACE's lists",
    "gt/gt.txt": "MOT's tracks",
    "*/gt/gt.txt": "MOT's tracks",
    "*/*/gt/gt.txt": "MOT's tracks",
    "*.tfrecord*": "TFRecords",
    "*/*.tfrecord*": "TFRecords",
}
"""Where forms lie that are common and not read: pattern -> what it is."""

_MOST_LOOKED_AT = 10_000
_KINDS_NAMED = 4
_LINE_SHOWN = 80


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


def _places(root: Path) -> list[Place]:
    return [place for layout in LAYOUTS for place in layout.places(root)]


def _what_is_there(root: Path) -> str:
    """Count the files by suffix, the most frequent first."""
    if root.is_file():
        return "a file of another form"
    if known := next((name for pattern, name in _NOT_READ.items() if any(root.glob(pattern))), None):
        return f"{known}, which are not read (convert them to COCO's or YOLO's with the tools that they come with)"
    files = (path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    kinds = Counter(path.suffix.lower() or "no suffix" for path in islice(files, _MOST_LOOKED_AT))
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))[:_KINDS_NAMED]
    there = ", ".join(f"{count} {kind}" for kind, count in ordered) or "an empty folder"
    table = next(iter(sorted(root.glob("*.csv"))), None)
    if table is None:
        return there
    try:
        return f"{there} ({table.name} begins with {next(text_lines(table), '')[:_LINE_SHOWN].strip()!r})"
    except InputError:
        return f"{there} ({table.name} is not UTF-8: save it so)"


def _found(root: Path) -> Layout:
    if not root.exists():
        raise InputError(f"{root}: expected a folder with labelled images, got none. Check the path of --data.")
    places = _places(root)
    if not places and root.is_dir():
        seen = [path for path in sorted(root.iterdir()) if path.name[0] != "."]
        inner = [path for path in seen if path.is_dir() and _places(path)]
        if len(inner) > 1 and all(is_split_name(path.name) for path in inner):
            return MergedLayout([_found(path) for path in inner], split_folders=root)
        if len(inner) == 1 or (len(seen) == 1 and seen[0].is_dir()):  # as archives are unpacked
            return _found(*(inner or seen))
    if not places:
        raise InputError(
            f"{root}: expected labelled images, got {_what_is_there(root)}. Name by --data what holds one of these: "
            f"{'; '.join(layout.form for layout in LAYOUTS)}."
        )
    beside = [place for place in places if place.is_beside]
    if len(beside) == 1 and len(places) > 1:
        # Where pictures have a file each, a table or texts are what was made of those.
        layout = beside[0].open()
        others = ", ".join(str(place.path) for place in places if place is not beside[0])
        layout.notes = (*layout.notes, f"passed over, as the pictures have files of labels: {others} (--data names it)")
        return layout
    if len(places) > 1:
        names = ", ".join(str(place.path) for place in places)
        raise InputError(f"{root}: expected one data set, got several. Name one of {names} with --data.")
    return places[0].open()

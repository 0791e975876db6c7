"""Which layout of labelled images lies below a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...runtime.errors import InputError
from .coco import CocoLayout, is_coco_folder
from .csv_boxes import CsvLayout, box_files
from .kaggle import KaggleLayout, is_kaggle_folder
from .reader import Layout
from .voc import VocLayout, is_voc_folder
from .yolo import YoloLayout, is_yolo_folder

LAYOUTS = (
    "ILSVRC/ImageSets/CLS-LOC (Kaggle's layout)",
    "VOCdevkit/VOC2012/ with Annotations and ImageSets/Main (PASCAL VOC's)",
    "annotations/*.json (COCO's)",
    "images/ and labels/ (YOLO's)",
    "a CSV file with the columns image,label,xmin,ymin,xmax,ymax",
)


def find_layout(root: Path) -> Layout:
    """Find the one layout below a folder, or around it if it is one of the layout's own folders.

    Args:
        root: the folder that holds one of the layouts; `ILSVRC`, `VOCdevkit`, a VOC year, COCO's `annotations`,
            YOLO's `labels` and a CSV file will also do.

    Raises:
        InputError: there is no layout, or more than one to choose from.
    """
    if root.suffix.lower() == ".csv" and root.is_file():
        return CsvLayout(root.parent, files=[root])
    if not root.is_dir():
        raise InputError(f"{root}: expected a folder with labelled images, got none. Check the path of --data.")
    kaggle, voc = _kaggle_folders(root), _voc_folders(root)
    coco, yolo = _around(root, "annotations", is_coco_folder), _around(root, "labels", is_yolo_folder)
    csv_files = box_files(root)
    found = [
        *(folder / "ILSVRC" for folder in kaggle),
        *voc,
        *(folder / "annotations" for folder in coco),
        *(folder / "labels" for folder in yolo),
        *csv_files[:1],
    ]
    if not found:
        raise InputError(
            f"{root}: expected one of these below it: {'; '.join(LAYOUTS)}; got none. "
            f"Name the folder that holds one of them with --data."
        )
    if len(found) > 1:
        names = ", ".join(map(str, found))
        raise InputError(f"{root}: expected one data set, got several. Name one of {names} with --data.")
    if kaggle:
        return KaggleLayout(kaggle[0])
    if voc:
        return VocLayout(voc[0])
    if coco:
        return CocoLayout(coco[0])
    return YoloLayout(yolo[0]) if yolo else CsvLayout(root)


def _around(root: Path, own_folder: str, is_layout: Callable[[Path], bool]) -> list[Path]:
    """The folder itself, or the one around it if it is the layout's own and the layout cannot be seen from inside."""
    if is_layout(root):
        return [root]
    whole = root.resolve()
    return [whole.parent] if whole.name == own_folder and is_layout(whole.parent) else []


def _kaggle_folders(root: Path) -> list[Path]:
    if is_kaggle_folder(root):
        return [root]
    whole = root.resolve()
    return [whole.parent] if whole.name == "ILSVRC" and is_kaggle_folder(whole.parent) else []


def _voc_folders(root: Path) -> list[Path]:
    if is_voc_folder(root):
        return [root]
    return [
        path for devkit in (root / "VOCdevkit", root) for path in sorted(devkit.glob("VOC*")) if is_voc_folder(path)
    ]

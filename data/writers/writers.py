"""Writes labelled images in the layouts that others read; the conventions are those of the readers."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import yaml

from ..readers.csv_dialects import COLUMNS, DIFFICULT
from ..readers.yolo import label_path
from ..report import DataReport
from ..sample import Sample

LabelledFiles = Iterator[tuple[Sample, str]]
"""Samples, each with its image's path below the images' folder."""


class LayoutWriter(Protocol):
    """Writes labels; the images themselves are brought by others."""

    images: Path
    """Folder of the images."""

    def write_split(self, split: str, files: LabelledFiles) -> None:
        """Write one split; images may come again in a later one."""

    def finish(self) -> None:
        """Write what stands for the whole."""

    def cannot_hold(self, report: DataReport) -> list[str]:
        """Say what of the data is lost, a line each."""


class CocoWriter:
    """Writes `images` and `annotations/instances_SPLIT.json`."""

    def __init__(self, folder: Path, class_names: Sequence[str]) -> None:
        self.images = folder / "images"
        self._annotations = folder / "annotations"
        self._annotations.mkdir()
        self._class_names = class_names

    def write_split(self, split: str, files: LabelledFiles) -> None:
        """Annotations stream to the file; the images' entries are kept until its end."""
        images: list[str] = []
        written = 0
        with (self._annotations / f"instances_{split}.json").open("w", encoding="utf-8") as file:
            file.write('{"annotations": [')
            for image_number, (sample, name) in enumerate(files, 1):
                size = {"width": sample.width_px, "height": sample.height_px}
                images.append(json.dumps({"id": image_number, "file_name": name, **size}))
                for entry in _coco_objects(sample):
                    identity = {"id": written + 1, "image_id": image_number}
                    file.write((",\n" if written else "\n") + json.dumps({**identity, **entry}))
                    written += 1
            categories = [{"id": at, "name": name} for at, name in enumerate(self._class_names, 1)]
            file.write('],\n"images": [' + ",\n".join(images) + "],\n")
            file.write('"categories": ' + json.dumps(categories, ensure_ascii=False) + "}\n")

    def finish(self) -> None:
        """Each JSON says everything."""

    def cannot_hold(self, report: DataReport) -> list[str]:  # noqa: ARG002 - the protocol's
        """Nothing is lost: difficult objects are marked as crowds, which COCO's tools leave out, to be ignored."""
        return []


class YoloWriter:
    """Writes `images`, `labels`, a list of images for each split, and `data.yaml`."""

    def __init__(self, folder: Path, class_names: Sequence[str]) -> None:
        self.images = folder / "images"
        self._folder = folder
        self._class_names = class_names
        self._splits: list[str] = []

    def write_split(self, split: str, files: LabelledFiles) -> None:
        """Lists rather than folders say what is in a split, since splits may share images."""
        self._splits.append(split)
        with (self._folder / f"{split}.txt").open("w", encoding="utf-8") as listed:
            for sample, name in files:
                listed.write(f"./images/{name}\n")
                path = label_path(self.images / name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("".join(_yolo_lines(sample)), encoding="utf-8")

    def finish(self) -> None:
        """Write the YAML file."""
        content = {**{split: f"{split}.txt" for split in self._splits}, "names": dict(enumerate(self._class_names))}
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        (self._folder / "data.yaml").write_text(text, encoding="utf-8")

    def cannot_hold(self, report: DataReport) -> list[str]:
        """YOLO knows no difficult objects, and no crowds, which as objects would teach a herd to be one animal."""
        count, crowds = report.difficult_objects - report.crowds, report.crowds
        lost = [f"difficult: {count} objects so marked become ordinary ones"] if count else []
        return [*lost, f"crowds: {crowds} regions so marked are left out"] if crowds else lost


class VocWriter:
    """Writes `JPEGImages`, `Annotations`, `ImageSets/Main` and `labelmap.txt`."""

    def __init__(self, folder: Path, class_names: Sequence[str]) -> None:
        self._folder = folder
        self.images = folder / "JPEGImages"
        self._annotations = folder / "Annotations"
        self._lists = folder / "ImageSets" / "Main"
        self._lists.mkdir(parents=True)
        self._annotations.mkdir()
        self._class_names = class_names

    def write_split(self, split: str, files: LabelledFiles) -> None:
        """An image's annotation is the same in every split."""
        with (self._lists / f"{split}.txt").open("w", encoding="utf-8") as listed:
            for sample, name in files:
                image_id = name[: -len(Path(name).suffix)]
                listed.write(f"{image_id}\n")
                path = self._annotations / f"{image_id}.xml"
                path.parent.mkdir(parents=True, exist_ok=True)
                tree = ET.ElementTree(_voc_annotation(sample, name, self._class_names))
                ET.indent(tree)
                tree.write(path, encoding="utf-8")

    def finish(self) -> None:
        """Write the classes as CVAT does; VOC's own are agreed on, not written down."""
        lines = ["# label:color_rgb:parts:actions", *(f"{name}:::" for name in self._class_names)]
        (self._folder / "labelmap.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def cannot_hold(self, report: DataReport) -> list[str]:
        """VOC knows no crowds."""
        return _lost_crowds(report)


class CsvWriter:
    """Writes `images`, `SPLIT.csv` and `classes.txt`."""

    def __init__(self, folder: Path, class_names: Sequence[str]) -> None:
        self.images = folder / "images"
        self._folder = folder
        self._class_names = class_names

    def write_split(self, split: str, files: LabelledFiles) -> None:
        """The column `difficult` is there only where an object is; that is known at the end."""
        path = self._folder / f"{split}.csv"
        whole = path.with_suffix(".whole")
        any_difficult = False
        with whole.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow([*COLUMNS, DIFFICULT])
            for sample, name in files:
                any_difficult |= bool(sample.difficult.any())
                rows.writerows(_csv_rows(sample, name, self._class_names))
        if any_difficult:
            whole.replace(path)
            return
        with whole.open(encoding="utf-8", newline="") as file, path.open("w", encoding="utf-8", newline="") as short:
            csv.writer(short, lineterminator="\n").writerows(row[:-1] for row in csv.reader(file))
        whole.unlink()

    def finish(self) -> None:
        """Write the classes, in their order."""
        (self._folder / "classes.txt").write_text("".join(f"{name}\n" for name in self._class_names), encoding="utf-8")

    def cannot_hold(self, report: DataReport) -> list[str]:
        """CSV knows no crowds."""
        return _lost_crowds(report)


def _lost_crowds(report: DataReport) -> list[str]:
    return [f"crowds: {report.crowds} regions so marked become difficult objects"] if report.crowds else []


def _coco_objects(sample: Sample) -> Iterator[dict[str, object]]:
    for at, ((xmin, ymin, xmax, ymax), class_id, difficult) in enumerate(_objects(sample)):
        box = [xmin, ymin, xmax - xmin, ymax - ymin]
        area = box[2] * box[3] if sample.areas_px is None else float(sample.areas_px[at])
        is_crowd = sample.crowd is not None and bool(sample.crowd[at])
        marks = {"iscrowd": int(difficult), **({"ignore": 1} if difficult and not is_crowd else {})}
        yield {"category_id": class_id + 1, "bbox": box, "area": area, **marks}


def _yolo_lines(sample: Sample) -> Iterator[str]:
    width, height = sample.width_px, sample.height_px
    for at, ((xmin, ymin, xmax, ymax), class_id, _) in enumerate(_objects(sample)):
        if sample.crowd is not None and sample.crowd[at]:
            continue
        shares = ((xmin + xmax) / 2 / width, (ymin + ymax) / 2 / height, (xmax - xmin) / width, (ymax - ymin) / height)
        yield " ".join([str(class_id), *map(_number, shares)]) + "\n"


def _voc_annotation(sample: Sample, name: str, class_names: Sequence[str]) -> ET.Element:
    root = ET.Element("annotation")
    ET.SubElement(root, "filename").text = name
    size = ET.SubElement(root, "size")
    for tag, pixels in (("width", sample.width_px), ("height", sample.height_px), ("depth", 3)):
        ET.SubElement(size, tag).text = str(pixels)
    for (xmin, ymin, xmax, ymax), class_id, difficult in _objects(sample):
        item = ET.SubElement(root, "object")
        ET.SubElement(item, "name").text = class_names[class_id]
        ET.SubElement(item, "difficult").text = str(int(difficult))
        box = ET.SubElement(item, "bndbox")
        # 1-based, both corners inside the box.
        for tag, corner in (("xmin", xmin + 1), ("ymin", ymin + 1), ("xmax", xmax), ("ymax", ymax)):
            ET.SubElement(box, tag).text = _number(corner)
    return root


def _csv_rows(sample: Sample, name: str, class_names: Sequence[str]) -> Iterator[list[str]]:
    if not len(sample):
        yield [name, *[""] * (len(COLUMNS) - 1), ""]
    for (xmin, ymin, xmax, ymax), class_id, difficult in _objects(sample):
        # 0-based, both corners inside the box.
        corners = map(_number, (xmin, ymin, xmax - 1, ymax - 1))
        yield [name, class_names[class_id], *corners, str(int(difficult))]


def _objects(sample: Sample) -> Iterator[tuple[tuple[float, float, float, float], int, bool]]:
    """Give boxes in double precision, in which a shift by one pixel is exact."""
    for box, class_id, difficult in zip(sample.boxes_xyxy_px, sample.class_ids, sample.difficult, strict=True):
        xmin, ymin, xmax, ymax = (float(corner) for corner in box)
        yield (xmin, ymin, xmax, ymax), int(class_id), bool(difficult)


def _number(value: float) -> str:
    """Write as short as the very same number can be read back; 48 rather than 48.0."""
    return repr(value).removesuffix(".0")

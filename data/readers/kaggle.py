"""Kaggle's *ImageNet Object Localization Challenge* layout: `ILSVRC/` with the `LOC_*` files beside it."""

from __future__ import annotations

import csv
import difflib
from collections import Counter
from functools import cached_property, partial
from pathlib import Path

from ...runtime.errors import InputError
from .annotation_xml import read_annotation_xml
from .reader import (
    Annotation,
    AnnotationBrokenError,
    AnnotationMissingError,
    Edges,
    FilesLayout,
    LabelledObject,
    Place,
    folder_around,
    shifted,
)
from .text_lines import filled_lines, text_lines

# Written 0-based with both corners inside the box: the right edge of the last pixel is its number plus one.
_TO_EDGES = (0.0, 0.0, 1.0, 1.0)
_FIELDS_OF_A_BOX = 5


class KaggleLayout(FilesLayout):
    """Reads the challenge's folders."""

    kind = "kaggle"
    form = "ILSVRC/ImageSets/CLS-LOC (Kaggle's layout)"

    def __init__(self, root: Path) -> None:
        """Open the folder that holds `ILSVRC`.

        Raises:
            InputError: the lists of images or the class names are missing or cannot be understood.
        """
        super().__init__(root, base=root / "ILSVRC" / "Data" / "CLS-LOC")
        self._root = root
        self._annotations = root / "ILSVRC" / "Annotations" / "CLS-LOC"
        self.name = "ILSVRC CLS-LOC"
        self._name_from_wnid = _names(root / "LOC_synset_mapping.txt")
        self.class_names = tuple(self._name_from_wnid.values())
        self.lists = _lists(root / "ILSVRC" / "ImageSets" / "CLS-LOC")

    @classmethod
    def places(cls, root: Path) -> list[Place]:
        """The folder that holds `ILSVRC`."""
        folder = folder_around(root, "ILSVRC", lambda path: (path / "ILSVRC" / "ImageSets" / "CLS-LOC").is_dir())
        return [Place(path=folder / "ILSVRC", open=partial(cls, folder))] if folder else []

    @property
    def seeded_lists(self) -> tuple[str, ...]:
        """`train`, which is all that the challenge gives to train on."""
        return ("train",) if "train" in self.lists else tuple(self.lists)

    def listed_ids(self, split: str) -> list[str]:
        """First column of the list; the second is a running number."""
        return [line.split()[0] for line in filled_lines(self.lists[split])]

    def image_path(self, image_id: str) -> Path:
        """`Data/CLS-LOC/train/WNID/ID.JPEG`, or `val/ID.JPEG` and `test/ID.JPEG` for ids without a WNID."""
        return self._base / _part(image_id) / f"{image_id}.JPEG"

    def read_annotation(self, image_id: str) -> Annotation:
        """Read the XML file; where there is none, the row of `LOC_train_solution.csv` or `LOC_val_solution.csv`."""
        path = self._annotations / _part(image_id) / f"{image_id}.xml"
        if path.exists():
            return read_annotation_xml(path, to_edges=_TO_EDGES, names=self._name_from_wnid)
        prediction = self._predictions.get(image_id.rsplit("/", maxsplit=1)[-1])
        if prediction is None:
            raise AnnotationMissingError(f"{path}: expected an annotation here or in LOC_*_solution.csv, got neither")
        return self._annotation_from_csv(prediction, image_id=image_id)

    def class_names_of(self, image_id: str) -> tuple[str, ...]:
        """The class's folder tells for training images; nothing else needs to be opened."""
        wnid, slash, _ = image_id.partition("/")
        if slash:
            return (self._name_from_wnid.get(wnid, wnid),)
        return super().class_names_of(image_id)

    def speaks_of_others(self, image_id: str) -> bool:  # noqa: ARG002 - so it is of every image
        """No: one class is labelled in each image, whatever else it shows."""
        return False

    def resolve_class(self, name: str) -> str:
        """Accept a class by name or by wnid.

        Raises:
            InputError: it is neither.
        """
        name = self._name_from_wnid.get(name, name)
        if name in self.class_names:
            return name
        near = difflib.get_close_matches(name, [*self.class_names, *self._name_from_wnid], n=3)
        hint = f"Near: {', '.join(near)}." if near else "LOC_synset_mapping.txt lists them."
        raise InputError(f"{name}: expected one of the {len(self.class_names)} classes of {self.name}. {hint}")

    @cached_property
    def _predictions(self) -> dict[str, str]:
        """Image id without folder -> `WNID xmin ymin xmax ymax …`; read only when an XML file is missing."""
        predictions = {}
        for part in ("train", "val"):
            path = self._root / f"LOC_{part}_solution.csv"
            if path.exists():
                rows = csv.reader(text_lines(path))
                next(rows, None)  # ImageId,PredictionString
                predictions.update({row[0]: row[1] for row in rows if len(row) > 1})
        return predictions

    def _annotation_from_csv(self, prediction: str, *, image_id: str) -> Annotation:
        fields = prediction.split()
        objects = []
        for at in range(0, len(fields), _FIELDS_OF_A_BOX):
            wnid, *corners = fields[at : at + _FIELDS_OF_A_BOX]
            try:
                xmin, ymin, xmax, ymax = (float(int(corner)) for corner in corners)
            except ValueError:
                raise AnnotationBrokenError(
                    f"LOC_*_solution.csv, {image_id}: expected groups of `wnid xmin ymin xmax ymax`, got {prediction!r}"
                ) from None
            box: Edges = (xmin, ymin, xmax, ymax)
            name = self._name_from_wnid.get(wnid, wnid)
            objects.append(LabelledObject(name=name, box_xyxy=shifted(box, _TO_EDGES), difficult=False))
        return Annotation(objects=tuple(objects), size_hw_px=None)


def _part(image_id: str) -> str:
    """Training images lie in a folder per class, which their ids begin with; the others carry their part's name."""
    if "/" in image_id:
        return "train"
    return "test" if "_test_" in image_id else "val"


def _names(path: Path) -> dict[str, str]:
    """Read wnid -> readable name: the first synonym, with the wnid where two classes share it (two are a `crane`)."""
    try:
        lines = filled_lines(path)
    except OSError as error:
        raise InputError(
            f"{path}: expected the names of the classes, got: {error.strerror}. It belongs beside the ILSVRC folder."
        ) from error
    first_synonym = {}
    for line in lines:
        wnid, _, synonyms = line.partition(" ")
        first_synonym[wnid] = synonyms.split(",")[0].strip() or wnid
    shared = Counter(first_synonym.values())
    return {wnid: name if shared[name] == 1 else f"{name} ({wnid})" for wnid, name in first_synonym.items()}


def _lists(folder: Path) -> dict[str, Path]:
    """Give every list under its own name, and `train` for the one that localization trains on."""
    lists = {path.stem: path for path in sorted(folder.glob("*.txt"))}
    if not lists:
        raise InputError(f"{folder}: expected lists of images such as train_loc.txt, got none. Unpack them here.")
    for name in ("train_loc", "train_cls"):
        if name in lists:
            return {"train": lists[name], **lists}
    return lists

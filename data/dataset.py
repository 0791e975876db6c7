"""A data set: a layout seen through a list of classes, streamed as samples, with one report of its problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..runtime.errors import InputError
from ..runtime.files import StrPath
from ..runtime.image_files import ImageHeader, image_header, image_hw, read_image_bgr
from .class_choice import spelled_alike
from .parts import Parts
from .readers.coco import CocoIds, CocoLayout
from .readers.find_reader import find_layout
from .readers.reader import (
    Annotation,
    AnnotationBrokenError,
    AnnotationMissingError,
    Edges,
    LabelledObject,
    Layout,
    LayoutKind,
    is_split_name,
)
from .report import DataReport, Problem
from .sample import Sample
from .splits import SEEDED_SPLITS, SEEDED_TRAIN, SEEDED_VAL, seeded_split, strata_from_classes
from .upright import is_annotated_in, upright_annotation

ROUNDING_PX = 1.0
"""A box that reaches out of its image by less than this is cut to it and not reported: corners are rounded."""

_FAR = 0.05
"""Of the image's side: what nobody draws beyond an edge, but numbers of another convention do."""

_SMALL = 8
"""Pixels: in a larger image nothing that is as small as one is an object."""

_NAMED = 20
"""How many of many classes an error names."""

_LOOKED_AT = 2000
"""Images looked at for what holds for all."""

_TAKEN_AS_BACKGROUND = "images without a file of labels (taken as background)"

_WITHOUT_END = "JPEGs without an end marker (read; the picture is whole)"
_LABELLED_TWICE = "objects labelled again by the same box and class (read once)"

_PROBLEM_FROM_ERROR: dict[type[Exception], Problem] = {
    AnnotationMissingError: Problem.MISSING_ANNOTATION,
    AnnotationBrokenError: Problem.BROKEN_ANNOTATION,
}
"""Any other is one of the image: broken, or in a format whose decoder is not installed."""


class Dataset:
    """Streams samples. Of what was read it keeps image ids, sizes and boxes, so that no file is read a second time.

    An image without objects is a background image and is kept. Not so one of Kaggle's without an object of the list:
    its labels name one class alone and say nothing of the others, so it is no image of this data set. What is wrong
    is mended or left out as `Problem` says and counted in `report`; a strict data set raises instead, at the first
    case.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        class_names: Sequence[str],
        strict: bool = False,
        missing_is_background: bool = False,
        anyway: bool = False,
        has_chosen_classes: bool = True,
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        """See `open_dataset`, which checks the class names against the layout's; here they are taken as they are."""
        self.class_names = tuple(class_names)
        self.report = DataReport()
        self._layout = layout
        self._strict = strict
        self._missing_is_background = missing_is_background
        self.goes_on_anyway = anyway
        """Whether half of the images are enough, see `check_enough`."""
        self.has_chosen_classes = has_chosen_classes
        """Whether the list of classes is somebody's choice; otherwise it is the data's, and covers all objects."""
        self._renamed = renamed or {}
        self.parts = Parts(layout, self.class_names, renamed=self._renamed)
        """Of several data sets."""
        self._class_ids = {name: class_id for class_id, name in enumerate(self.class_names)}
        self._strata: dict[str, str] | None = None
        self._counted: set[str] = set()
        self._left_out: set[str] = set()
        """Image ids whose labels or files cannot be used."""
        self._unusable: set[str] = set()
        """Image ids whose labels can be used and whose pixels cannot, as somebody found who looked at them."""
        self._headers: dict[str, ImageHeader] = {}
        self._distinct_headers: dict[ImageHeader, ImageHeader] = {}
        """One of each, as most images have the size of another."""
        self._repetitions_counted: set[str] = set()

    @property
    def layout(self) -> LayoutKind:
        """Which layout was found."""
        return self._layout.kind

    @property
    def found(self) -> str:
        """What was found, for a person: `voc layout (without lists): mine`."""
        dialect = f" ({self._layout.dialect})" if self._layout.dialect else ""
        return f"{self.layout} layout{dialect}: {self.name}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What else a person should know of what was found, a line each."""
        twins = [" and ".join(names) for names in spelled_alike(self.class_names)]
        hint = "convert-data --rename OLD=NEW makes them one"
        alike = [f"classes {names} differ by capital letters alone ({hint})" for names in twins]
        return (*self._layout.notes, *self.parts.notes, *alike)

    @property
    def name(self) -> str:
        """The data set's name: `VOC2012`."""
        return self._layout.name

    def split_names(self) -> tuple[str, ...]:
        """The official lists, those that all parts have, then the two seeded splits."""
        return (*self._layout.common_lists, *SEEDED_SPLITS)

    def official_splits(self) -> tuple[str, ...]:
        """The official lists, each once, under its first name."""
        return self._layout.official_lists

    def split_meant_by(self, split: str) -> str:
        """Take `val` for the seeded one, as training does, where no list is called as splits are.

        A folder of photos has none, and a tool's one file may have any name, `result.json` for example.
        """
        is_without_lists = not any(map(is_split_name, self._layout.lists))
        return SEEDED_VAL if split == "val" and is_without_lists else split

    def sample_ids(self, split: str, *, seed: int = 0) -> list[str]:
        """List a split's image ids, official lists in their own order, seeded splits sorted.

        Args:
            split: one of `split_names()`.
            seed: of the seeded splits; official lists do not depend on it.

        Raises:
            InputError: there is no such split.
        """
        if split in SEEDED_SPLITS:
            halves = seeded_split(self._strata_of_union(), seed=seed)
            return self._meant(halves.train if split == SEEDED_TRAIN else halves.val)
        return self._meant(self._listed_ids(split))

    def coco_ids(self, split: str, *, seed: int = 0) -> CocoIds:
        """Tell the ids that COCO's own tools know a split's images and classes by.

        Those of its JSON; where there is none, as in another layout or a seeded split of several files, those that
        `convert_data` gives.

        Raises:
            InputError: there is no such split.
        """
        files = dict.fromkeys(self._layout.lists[name] for name in self._layout.seeded_lists)
        if isinstance(self._layout, CocoLayout) and (split not in SEEDED_SPLITS or len(files) == 1):
            self.sample_ids(split, seed=seed)
            return self._layout.ids(self._layout.seeded_lists[0] if split in SEEDED_SPLITS else split)
        return CocoIds(
            images={sample.image_id: number for number, sample in enumerate(self.labelled(split, seed=seed), 1)},
            categories={name: number for number, name in enumerate(self._layout.class_names, 1)},
        )

    def samples(self, split: str, *, seed: int = 0) -> Iterator[Sample]:
        """Stream a split's samples; images are not decoded.

        Args:
            split: one of `split_names()`.
            seed: of the seeded splits.

        Returns:
            Samples in the order of `sample_ids`, without the images that had to be left out.

        Raises:
            InputError: there is no such split, or the data set is strict and something is wrong.
        """
        return (sample for sample in self.labelled(split, seed=seed) if sample.image_id not in self._unusable)

    def labelled(self, split: str, *, seed: int = 0) -> Iterator[Sample]:
        """Stream samples as `samples` does, and among them those that `leave_out` was told of.

        What it gives depends on the files alone, not on who looked at which pixels before.
        """
        for image_id in self.sample_ids(split, seed=seed):
            if image_id in self._left_out:
                continue
            sample = self._sample(image_id)
            self._counted.add(image_id)
            if sample is not None:
                yield sample

    def sample(self, image_id: str) -> Sample:
        """Read one image's labels.

        Raises:
            InputError: the image was left out, or has to be, for what the report says.
        """
        is_left_out = image_id in self._left_out or image_id in self._unusable
        sample = None if is_left_out else self._sample(image_id)
        if sample is None:
            raise InputError(f"{image_id}: expected a usable image, got one that was left out; the report says why.")
        return sample

    def as_written(self, sample: Sample) -> Sample:
        """Give an image's objects as COCO's own evaluation takes them: nothing is clipped, dropped or read once.

        Args:
            sample: the image, of this data set.

        Returns:
            Boxes may reach out of the image, lie outside it or have no area; none is difficult but crowds.
        """
        annotation, header = self._annotation(sample.image_id), self._headers[sample.image_id]
        if annotation.size_hw_px == header.stored_hw_px != header.hw_px:
            annotation, _ = upright_annotation(annotation, header)
        objects = [item for item in annotation.objects if item.name in self._class_ids]
        boxes = [item.box_xyxy for item in objects]
        crowd = np.asarray([item.iscrowd for item in objects], np.bool_)
        return replace(
            sample,
            boxes_xyxy_px=np.asarray(boxes, np.float32).reshape(-1, 4),
            class_ids=np.asarray([self._class_ids[item.name] for item in objects], np.int64),
            difficult=crowd,
            crowd=crowd,
            areas_px=_areas(objects, boxes),
        )

    def leave_out(self, sample: Sample, problem: Problem, message: str) -> None:
        """Keep an image out of every later stream, because a look at its pixels showed that it cannot be used.

        Args:
            sample: the image, already counted as kept.
            problem: what is wrong with it.
            message: one line, for the report.

        Raises:
            InputError: the data set is strict.
        """
        if sample.image_id in self._unusable:
            return
        self._unusable.add(sample.image_id)
        self._count_kept(sample, sign=-1)
        self._problem(problem, message)

    def _meant(self, image_ids: Sequence[str]) -> list[str]:
        listed, layout = self._class_ids.keys(), self._layout
        if set(layout.class_names) <= listed:
            return list(image_ids)
        meant = [
            image_id
            for image_id in image_ids
            if layout.speaks_of_others(image_id) or not listed.isdisjoint(layout.class_names_of(image_id))
        ]
        return meant or list(image_ids)  # with none at all, whoever asked is told of the classes that there are

    def _listed_ids(self, split: str) -> list[str]:
        if split not in self._layout.lists:
            raise InputError(
                f"{split}: expected a split of {self.name}, one of {', '.join(self.split_names())}. "
                f"Name one of them with --split."
            )
        listed = self._layout.listed_ids(split)
        unique = list(dict.fromkeys(listed))
        if len(unique) < len(listed) and split not in self._repetitions_counted:
            self._repetitions_counted.add(split)
            seen: set[str] = set()
            for image_id in listed:
                if image_id in seen:
                    self._problem(Problem.LISTED_TWICE, f"{image_id}: expected once in {split}, got it again")
                seen.add(image_id)
        return unique

    def _strata_of_union(self) -> dict[str, str]:
        """Strata come from all annotated classes, so that the split does not change with the list of classes."""
        if self._strata is None:
            lists = self._layout.seeded_lists
            union = dict.fromkeys(image_id for name in lists for image_id in self._listed_ids(name))
            self._strata = strata_from_classes({image_id: self._layout.class_names_of(image_id) for image_id in union})
        return self._strata

    def _sample(self, image_id: str) -> Sample | None:
        first_time = image_id not in self._counted
        path = self._layout.image_path(image_id)
        if not path.exists():
            self._drop(image_id, Problem.MISSING_IMAGE, f"{path}: expected an image, got no such file")
            return None
        try:
            annotation = self._annotation(image_id)
            header = self._header(image_id, path, annotated_hw_px=annotation.size_hw_px)
        except (AnnotationMissingError, AnnotationBrokenError, InputError) as error:
            self._drop(image_id, _PROBLEM_FROM_ERROR.get(type(error), Problem.BROKEN_IMAGE), str(error))
            return None
        annotated = annotation.size_hw_px or header.hw_px
        if annotated != header.hw_px:
            (height, width), (seen_height, seen_width) = annotated, header.hw_px
            differs = f"{path}: expected {width} x {height} as annotated, got {seen_width} x {seen_height}"
            if annotated == header.stored_hw_px:
                annotation, done = upright_annotation(annotation, header)
                problem, differs = Problem.SIDEWAYS, f"{differs} as seen upright; {done}"
            elif annotated == header.hw_px[::-1] and self._are_sides_exchanged:
                problem = Problem.EXCHANGED_SIDES
            else:
                self._drop(image_id, Problem.WRONG_SIZE, differs)
                return None
            if first_time:
                self._problem(problem, differs)
        sample = self._sample_from(annotation, image_id=image_id, path=path, hw=header.hw_px, count=first_time)
        if first_time:
            self._count_kept(sample, sign=1)
            self.report.remarks.update([annotation.remark] if annotation.remark else [])
            self.report.remarks.update([] if header.has_end else [_WITHOUT_END])
        return sample

    @cached_property
    def _are_sides_exchanged(self) -> bool:
        """Whether boxes show that a tool wrote width for height, and none that pictures were turned after labelling."""
        listed = (image_id for split in self.official_splits() for image_id in self._layout.listed_ids(split))
        shown = set()
        for image_id in islice(listed, _LOOKED_AT):
            try:
                annotation = self._layout.annotation(image_id)
                header = image_header(self._layout.image_path(image_id))
            except (AnnotationMissingError, AnnotationBrokenError, InputError):
                continue
            if header is not None and annotation.size_hw_px == header.hw_px[::-1] != header.stored_hw_px:
                sizes = (header.hw_px, annotation.size_hw_px)
                shown |= {at for at, size in enumerate(sizes) if is_annotated_in(annotation, size)}
        return shown == {0}

    def _annotation(self, image_id: str) -> Annotation:
        try:
            return self._layout.annotation(image_id)
        except AnnotationMissingError:
            if not self._missing_is_background:
                raise
            return Annotation(objects=(), size_hw_px=None, remark=_TAKEN_AS_BACKGROUND)

    def _header(self, image_id: str, path: Path, *, annotated_hw_px: tuple[int, int] | None) -> ImageHeader:
        """Read the head of an image once; what would have to be decoded for it is taken as annotated."""
        if image_id not in self._headers:
            header = image_header(path) or ImageHeader(stored_hw_px=annotated_hw_px or image_hw(path))
            if not header.has_end:
                read_image_bgr(path)  # refuses one that lacks more than that
            self._headers[image_id] = self._distinct_headers.setdefault(header, header)
        return self._headers[image_id]

    def _sample_from(
        self, annotation: Annotation, *, image_id: str, path: Path, hw: tuple[int, int], count: bool
    ) -> Sample:
        boxes, objects = [], []
        sides = (hw[1], hw[0]) * 2 if annotation.in_shares else (1, 1, 1, 1)
        distinct = tuple(dict.fromkeys(annotation.objects))
        if count and (repeated := len(annotation.objects) - len(distinct)):
            self.report.remarks[_LABELLED_TWICE] += repeated
        for item in distinct:
            xmin, ymin, xmax, ymax = (edge * side for edge, side in zip(item.box_xyxy, sides, strict=True))
            name = self._renamed.get(item.name, item.name)
            box = self._usable_box(name, (xmin, ymin, xmax, ymax), image_id=image_id, hw=hw, count=count)
            if box is not None:
                boxes.append(box)
                objects.append(replace(item, name=name))
                if item.remark and count:
                    self.report.remarks[item.remark] += 1
        crowd = [item.crowd for item in objects]
        return Sample(
            image_id=image_id,
            image_path=path,
            boxes_xyxy_px=np.asarray(boxes, np.float32).reshape(-1, 4),
            class_ids=np.asarray([self._class_ids[item.name] for item in objects], np.int64),
            difficult=np.asarray([item.difficult for item in objects], np.bool_),
            height_px=hw[0],
            width_px=hw[1],
            crowd=np.asarray(crowd, np.bool_) if any(crowd) else None,
            areas_px=_areas(objects, boxes),
            labelled=self.parts.labelled_in(image_id),
        )

    def _usable_box(
        self, name: str, box_xyxy_px: Edges, *, image_id: str, hw: tuple[int, int], count: bool
    ) -> Edges | None:
        """Return the box within the image, or None if the object is dropped; count problems the first time."""
        height, width = hw
        xmin, ymin, xmax, ymax = box_xyxy_px
        got = f"{image_id}: {name} at {box_xyxy_px} in an image of {width} x {height}"
        problem: Problem | None = None
        if name not in self._class_ids:
            problem, got = Problem.UNLISTED_CLASS, f"{image_id}: expected a class of the list, got {name}"
            self.report.unlisted[name] += count
        elif xmax <= xmin or ymax <= ymin:
            problem = Problem.EMPTY_BOX
        elif max(xmax, ymax) <= 1 < min(width, height) / _SMALL and any(round(edge, 3) % 1 for edge in box_xyxy_px):
            problem = Problem.IN_FIRST_PIXEL
        elif xmin >= width or ymin >= height or xmax <= 0 or ymax <= 0:
            problem = Problem.OUTSIDE_BOX
        elif max(-xmin, -ymin, xmax - width, ymax - height) >= ROUNDING_PX:
            problem = Problem.CLIPPED_BOX
        if problem is not None and count:
            self._problem(problem, got)
            beyond = max(-xmin, xmax - width) / width, max(-ymin, ymax - height) / height
            far = problem is Problem.CLIPPED_BOX and max(beyond) > _FAR and min(width, height) * _FAR > ROUNDING_PX
            self.report.far_out += far
        if problem not in (None, Problem.CLIPPED_BOX):
            return None
        return max(xmin, 0.0), max(ymin, 0.0), min(xmax, float(width)), min(ymax, float(height))

    def _drop(self, image_id: str, problem: Problem, message: str) -> None:
        self._left_out.add(image_id)
        self._problem(problem, message)

    def _problem(self, problem: Problem, message: str) -> None:
        self.report.add_problem(problem, message)
        if self._strict:
            raise InputError(f"{message}. Mend the data, or leave out --strict to have such cases counted.")

    def _count_kept(self, sample: Sample, *, sign: int) -> None:
        self.report.images += sign
        self.report.background_images += sign * (len(sample) == 0)
        self.report.difficult_objects += sign * int(sample.difficult.sum())
        self.report.crowds += 0 if sample.crowd is None else sign * int(sample.crowd.sum())
        for class_id in sample.class_ids:
            self.report.objects[self.class_names[class_id]] += sign


def _areas(objects: Sequence[LabelledObject], boxes: Sequence[Edges]) -> NDArray[np.float64] | None:
    """Take the annotated areas, and the box's where only that is annotated; None where no area is."""
    if all(item.area_px is None for item in objects):
        return None
    return np.asarray(
        [
            (xmax - xmin) * (ymax - ymin) if item.area_px is None else item.area_px
            for item, (xmin, ymin, xmax, ymax) in zip(objects, boxes, strict=True)
        ],
        np.float64,
    )


def open_dataset(
    *roots: StrPath,
    class_names: Sequence[str] | None = None,
    strict: bool = False,
    missing_is_background: bool = False,
    anyway: bool = False,
    renamed: Mapping[str, str] | None = None,
) -> Dataset:
    """Find out which layout lies below a folder and open it.

    Args:
        roots: the folder that holds one of the layouts, see `find_layout`; several are read as one data set.
        class_names: the classes to keep, in the order of class ids; None takes all of the layout's own. Kaggle's
            may be given by wnid.
        strict: raise at the first problem instead of counting it.
        missing_is_background: an image without a file of labels has no objects, as YOLO's own tools take it, instead
            of being left out.
        anyway: half of the images or of the objects, or fewer, are enough for whatever works on them.
        renamed: a class of the data -> its name here; several may become one.

    Raises:
        InputError: there is no layout, or more than one, or a class is unknown or named twice.
    """
    layout = find_layout(*roots)
    renamed = renamed or {}
    for name in renamed:
        if name not in layout.class_names:
            there = ", ".join(layout.class_names[:_NAMED])
            raise InputError(f"{name}: expected a class of {layout.name} to rename, one of {there}. Name it so.")
    here = tuple(dict.fromkeys(renamed.get(name, name) for name in layout.class_names))
    if class_names is not None:
        asked = [name.strip() for name in class_names]
        here = tuple(name if name in renamed.values() else layout.resolve_class(name) for name in asked)
    repeated = sorted({name for name in here if here.count(name) > 1})
    if class_names is not None and (not here or repeated):
        got = f"{', '.join(repeated)} twice" if repeated else "none"
        raise InputError(f"class_names: expected a list of different classes, got {got}. Name each class once.")
    return Dataset(
        layout,
        class_names=here,
        strict=strict,
        missing_is_background=missing_is_background,
        anyway=anyway,
        has_chosen_classes=class_names is not None,
        renamed=renamed,
    )

"""Moving objects whose true boxes are known."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .feed import Feed, Picture
from .frame import Frame, SourceKind
from .prefetch import PrefetchedSource
from .source_names import read_source_name

_LEAST_SHARE, _MOST_SHARE = 0.08, 0.3
"""Sides of an object to the picture's height."""

_SLOWEST, _FASTEST = 0.05, 0.4
"""Picture heights a second."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """What is to be seen in a picture; objects that are outside are not in it.

    Args:
        ids: [N] int64, the same object's from picture to picture.
        boxes_px: [N, 4] float32, xyxy, pixels, cut at the picture's edges.
        visible: [N] float32, share of the whole object that is inside and not behind another.
    """

    ids: NDArray[np.int64]
    boxes_px: NDArray[np.float32]
    visible: NDArray[np.float32]


class Scene:
    """Patterned rectangles that move in straight lines before a still background, leave the picture and come back.

    Each picture depends on the arguments and its number alone. Objects of higher ids are in front.

    Args:
        width: of the picture, pixels.
        height: of the picture, pixels.
        fps: pictures a second.
        objects: how many there are.
        seed: chooses sizes, places, speeds and patterns.
    """

    def __init__(self, *, width: int = 640, height: int = 360, fps: int = 30, objects: int = 5, seed: int = 0) -> None:
        self.fps = fps
        self._shape = (height, width)
        random = np.random.default_rng(seed)
        self._background = _pattern(random, height, width, cells=6, least=60, most=150)
        self._sides = np.maximum(4, random.uniform(_LEAST_SHARE, _MOST_SHARE, (objects, 2)) * height).astype(int)
        speed = random.uniform(_SLOWEST, _FASTEST, (objects, 1)) * height
        angle = random.uniform(0, 2 * np.pi, objects)
        self._velocity = np.stack([np.cos(angle), np.sin(angle)], 1) * speed  # [N, 2] pixels a second
        self._start = random.uniform(0, 1, (objects, 2)) * (np.array([width, height]) + self._sides)
        self._patterns = [_pattern(random, h, w, cells=3, least=0, most=255) for w, h in self._sides.tolist()]

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Draw a picture.

        Returns:
            [h, w, 3] uint8, BGR.
        """
        image = self._background.copy()
        for (x1, y1, x2, y2), (left, top), pattern in zip(
            self._clipped(index).tolist(), self._corners(index).tolist(), self._patterns, strict=True
        ):
            if x1 < x2 and y1 < y2:
                image[y1:y2, x1:x2] = pattern[y1 - top : y2 - top, x1 - left : x2 - left]
        return image

    def truth(self, index: int) -> Truth:
        """Say what is to be seen in a picture."""
        boxes = self._clipped(index)
        front = np.full(self._shape, -1, np.int32)
        for object_id, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
            front[y1 : max(y1, y2), x1 : max(x1, x2)] = object_id
        pixels = np.bincount(front[front >= 0], minlength=len(boxes))
        inside = (boxes[:, 0] < boxes[:, 2]) & (boxes[:, 1] < boxes[:, 3])
        return Truth(
            ids=np.flatnonzero(inside).astype(np.int64),
            boxes_px=boxes[inside].astype(np.float32),
            visible=(pixels / self._sides.prod(1))[inside].astype(np.float32),
        )

    def _corners(self, index: int) -> NDArray[np.int64]:
        """Place the upper left corners: [N, 2] int64, reflected one object's size outside of the picture."""
        reach = np.array(self._shape[::-1]) + self._sides  # [N, 2]
        way = (self._start + self._velocity * (index / self.fps)) % (2 * reach)
        corners: NDArray[np.int64] = np.rint(np.where(way < reach, way, 2 * reach - way) - self._sides).astype(np.int64)
        return corners

    def _clipped(self, index: int) -> NDArray[np.int64]:
        corners = self._corners(index)
        limits = np.array(self._shape[::-1])
        return np.concatenate([corners.clip(0, limits), (corners + self._sides).clip(0, limits)], axis=1)


def scene_of(name: str) -> Scene:
    """Give the scene of `synthetic://?...`, for its truth.

    Raises:
        InputError: it is no such name.
    """
    read = read_source_name(name)
    if read.kind != "synthetic":
        raise InputError(f"{read.shown}: expected a source like synthetic://?objects=5, got another.")
    return scene_from_options(read.options)


def scene_from_options(options: Mapping[str, str]) -> Scene:
    """Make the scene that `read_source_name` read."""
    keys = ("width", "height", "fps", "objects", "seed")
    return Scene(**{key: int(options[key]) for key in keys if key in options})


class SyntheticVideo(PrefetchedSource):
    """The pictures of a scene as a file's.

    Args:
        name: of the source.
        scene: is shown.
        frames: how many; without an end where not given.
    """

    kind: SourceKind = "video"

    def __init__(self, name: str, scene: Scene, *, frames: int | None) -> None:
        super().__init__(name)
        self.scene = scene
        self.length = frames

    def reads(self, _path: object) -> bool:
        """Whether it is a file, which it is not."""
        return False

    def _frames(self) -> Generator[Frame, None, None]:
        for index in range(self.length) if self.length is not None else count():
            yield Frame(image=self.scene.picture(index), index=index, time_s=index / self.scene.fps, source=self.name)


class SyntheticFeed(Feed):
    """The pictures of a scene as a camera's: one each interval, stamped when it is due.

    Args:
        scene: is shown.
        frames: how many; without an end where not given.
    """

    comes_back = False

    def __init__(self, scene: Scene, *, frames: int | None) -> None:
        self._scene = scene
        self._frames = frames

    def __iter__(self) -> Iterator[Picture]:
        interval_s, due_s = 1 / self._scene.fps, time.monotonic()
        for index in range(self._frames) if self._frames is not None else count():
            time.sleep(max(0.0, due_s - time.monotonic()))
            if time.monotonic() > due_s + interval_s:
                due_s = time.monotonic()  # a camera does not make up for what it missed
            yield Picture(image=self._scene.picture(index), driver_s=due_s)
            due_s += interval_s


def _pattern(
    random: np.random.Generator, height: int, width: int, *, cells: int, least: int, most: int
) -> NDArray[np.uint8]:
    """Make a soft pattern of so many colours across: [height, width, 3] uint8."""
    colours = random.integers(least, most, (cells, cells, 3), np.uint8)
    return cast("NDArray[np.uint8]", cv2.resize(colours, (width, height), interpolation=cv2.INTER_CUBIC))

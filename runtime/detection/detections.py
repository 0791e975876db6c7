"""The one value that every part speaks: what was found in one frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..require import require

if TYPE_CHECKING:
    import supervision


@dataclass(frozen=True, kw_only=True)
class Detections:
    """Objects found in one frame, in descending order of score.

    Args:
        boxes_xyxy: [n, 4] float32, normalised to the frame they speak of, within [0, 1].
        scores: [n] float32, in [0, 1].
        class_ids: [n] int32, index into the card's class names; background is not counted.

    Raises:
        ValueError: the three do not have the shapes above.
    """

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int32]

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.boxes_xyxy.shape != (count, 4) or self.scores.shape != (count,) or self.class_ids.shape != (count,):
            raise ValueError(
                f"expected boxes [n, 4], scores [n], class_ids [n], got "
                f"{self.boxes_xyxy.shape}, {self.scores.shape}, {self.class_ids.shape}"
            )

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def none(cls) -> Detections:
        """An empty frame."""
        return cls(
            boxes_xyxy=np.zeros((0, 4), np.float32), scores=np.zeros(0, np.float32), class_ids=np.zeros(0, np.int32)
        )

    def at_least(self, thresholds: NDArray[np.float32]) -> Detections:
        """Keep what reaches its class's score threshold.

        Args:
            thresholds: [number of classes] float32, one per class id.
        """
        keep = self.scores >= thresholds[self.class_ids]
        return self.where(keep)

    def unsure(self, thresholds: NDArray[np.float32]) -> Detections:
        """Keep what has half of its class's score threshold or more, but not all; nothing where that is above 1.

        Args:
            thresholds: [number of classes] float32, one per class id.
        """
        asked = thresholds[self.class_ids]
        return self.where((self.scores < asked) & (self.scores >= asked / 2) & (asked <= 1))

    def where(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> Detections:
        """Select rows by mask [n] bool or by index."""
        return Detections(boxes_xyxy=self.boxes_xyxy[keep], scores=self.scores[keep], class_ids=self.class_ids[keep])

    def boxes_xyxy_px(self, *, height: int, width: int) -> NDArray[np.float32]:
        """Return [n, 4] float32 boxes in pixels of a frame of that height and width."""
        return self.boxes_xyxy * np.array([width, height, width, height], np.float32)

    def to_dicts(self, class_names: Sequence[str], *, height: int, width: int) -> list[dict[str, Any]]:
        """Write as plain values, as JSON lines have them.

        Args:
            class_names: in the order of class ids.
            height: of the frame, in pixels.
            width: of the frame, in pixels.

        Returns:
            A dict per object: `label`, `class_id`, `score` and `box_xyxy_px`, four floats in pixels.
        """
        boxes_px = self.boxes_xyxy_px(height=height, width=width).astype(float).tolist()
        return [
            {"label": class_names[class_id], "class_id": class_id, "score": score, "box_xyxy_px": box}
            for class_id, score, box in zip(self.class_ids.tolist(), self.scores.tolist(), boxes_px, strict=True)
        ]

    @classmethod
    def from_dicts(cls, objects: Iterable[Mapping[str, Any]], *, height: int, width: int) -> Detections:
        """Read what `to_dicts` or a JSON line has; the labels play no part.

        Args:
            objects: in any order.
            height: of the frame, in pixels.
            width: of the frame, in pixels.

        Raises:
            InputError: an object lacks a value, or a box is not of four numbers.
        """
        rows = list(objects)
        try:
            boxes_px = np.array([row["box_xyxy_px"] for row in rows], np.float32).reshape(len(rows), 4)
            scores = np.array([row["score"] for row in rows], np.float32)
            class_ids = np.array([row["class_id"] for row in rows], np.int32)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"objects: expected dicts with class_id, score and box_xyxy_px of four numbers, got {rows[0]}."
            ) from error
        return _in_order(boxes_px, scores, class_ids, height=height, width=width)

    def to_supervision(self, class_names: Sequence[str], *, height: int, width: int) -> supervision.Detections:
        """Convert for the package supervision, whose boxes are in pixels.

        Args:
            class_names: in the order of class ids; they go where supervision's annotators look for them.
            height: of the frame, in pixels.
            width: of the frame, in pixels.

        Raises:
            MissingDependencyError: supervision is not installed.
        """
        sv = require("supervision", extra="supervision", why="Detections.to_supervision")
        found: supervision.Detections = sv.Detections(
            xyxy=self.boxes_xyxy_px(height=height, width=width),
            confidence=self.scores.copy(),
            class_id=self.class_ids.astype(int),
            data={"class_name": np.array([class_names[class_id] for class_id in self.class_ids], dtype=str)},
        )
        return found

    @classmethod
    def from_supervision(cls, found: supervision.Detections, *, height: int, width: int) -> Detections:
        """Convert from the package supervision; masks, tracks and other data are left behind.

        Args:
            found: with a score and a class of each object, boxes in pixels.
            height: of the frame, in pixels.
            width: of the frame, in pixels.

        Raises:
            InputError: it has no scores or no classes.
        """
        if found.confidence is None or found.class_id is None:
            lacking = "scores (confidence)" if found.confidence is None else "classes (class_id)"
            raise InputError(f"found: expected supervision.Detections with scores and classes, got none of {lacking}.")
        return _in_order(
            np.asarray(found.xyxy, np.float32),
            np.asarray(found.confidence, np.float32),
            np.asarray(found.class_id, np.int32),
            height=height,
            width=width,
        )


def _in_order(
    boxes_px: NDArray[np.float32], scores: NDArray[np.float32], class_ids: NDArray[np.int32], *, height: int, width: int
) -> Detections:
    """Make a value of rows in any order, boxes in pixels; what reaches beyond the frame is cut off."""
    normalised = boxes_px / np.array([width, height, width, height], np.float32)
    boxes = np.asarray(np.clip(normalised, np.float32(0), np.float32(1)), np.float32)
    order = np.argsort(-scores, kind="stable")
    return Detections(boxes_xyxy=boxes[order], scores=scores[order], class_ids=class_ids[order])

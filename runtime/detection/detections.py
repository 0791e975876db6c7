"""The one value that every part speaks: what was found in one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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

    def where(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> Detections:
        """Select rows by mask [n] bool or by index."""
        return Detections(boxes_xyxy=self.boxes_xyxy[keep], scores=self.scores[keep], class_ids=self.class_ids[keep])

    def boxes_xyxy_px(self, *, height: int, width: int) -> NDArray[np.float32]:
        """Return [n, 4] float32 boxes in pixels of a frame of that height and width."""
        return self.boxes_xyxy * np.array([width, height, width, height], np.float32)

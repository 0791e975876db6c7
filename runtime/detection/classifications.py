"""What a classifier says of one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOP = 5
"""Classes that a classifier names; all of them where it knows fewer."""


@dataclass(frozen=True, kw_only=True)
class Classification:
    """The likeliest classes of one frame, in descending order of score.

    Args:
        scores: [n] float32, in [0, 1]; n is the smaller of TOP and the number of classes.
        class_ids: [n] int32, index into the card's class names.

    Raises:
        ValueError: the two do not have the shapes above.
    """

    scores: NDArray[np.float32]
    class_ids: NDArray[np.int32]

    def __post_init__(self) -> None:
        if self.scores.ndim != 1 or self.scores.shape != self.class_ids.shape:
            raise ValueError(
                f"classification: expected scores and class ids of one shape [n], "
                f"got {self.scores.shape} and {self.class_ids.shape}"
            )

    def __len__(self) -> int:
        return len(self.scores)

    def at_least(self, thresholds: NDArray[np.float32]) -> Classification:
        """Keep the classes whose score reaches their own threshold.

        Args:
            thresholds: [number of classes] float32.
        """
        keep = self.scores >= thresholds[self.class_ids]
        return Classification(scores=self.scores[keep], class_ids=self.class_ids[keep])

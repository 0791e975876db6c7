"""Are these pictures of the kind that the network was trained for? For want of labels, its own answers tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SURE = 0.5
"""Score from which the network is said to recognise something."""
LEAST_SHARE = 0.7
"""Of the images something should be recognised in; the shipped detector does in 0.99 of those it was trained for, and
in 0.62 of thumbnails of other things."""
ENLARGED = 2.0
"""A picture that has to be enlarged more, both ways, has no detail that the network could see."""
MOST_ENLARGED = 0.5
"""Share of the images that may be enlarged so without a warning."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Of one image.

    Args:
        best_score: that the network gives to anything in it; None where the graph gives no scores.
        enlargement: input side by image side, the smaller of height's and width's.
    """

    best_score: float | None
    enlargement: float


@dataclass(frozen=True, kw_only=True)
class DomainGap:
    """How much the network recognises in images.

    Not promised: that pictures of the right kind are not mistaken for others where the network is weak.

    Args:
        images: looked at.
        sure_share: of the images, those with a score of at least 0.5; None where the graph gives no scores.
        median_score: best score of the middle image; None where the graph gives no scores.
        enlarged_share: of the images, those enlarged more than twofold.
    """

    images: int
    sure_share: float | None
    median_score: float | None
    enlarged_share: float

    @classmethod
    def of(cls, evidence: Sequence[Evidence]) -> DomainGap:
        """Sum up images, of which there is at least one."""
        scores = np.asarray([item.best_score for item in evidence if item.best_score is not None])
        return cls(
            images=len(evidence),
            sure_share=float((scores >= SURE).mean()) if len(scores) else None,
            median_score=float(np.median(scores)) if len(scores) else None,
            enlarged_share=float(np.mean([item.enlargement > ENLARGED for item in evidence])),
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each sign of another kind."""
        found = []
        if self.sure_share is not None and self.sure_share < LEAST_SHARE:
            found.append(
                f"these may be pictures of the wrong kind, or the network has hardly been trained: in "
                f"{self.sure_share:.0%} of {self.images} images it recognises something with a score of {SURE} or more "
                f"(median best score {self.median_score:.2f}); {LEAST_SHARE:.0%} and more is usual for what it was "
                f"trained on."
            )
        if self.enlarged_share > MOST_ENLARGED:
            found.append(
                f"{self.enlarged_share:.0%} of {self.images} images are less than half as large as the network's "
                f"input: enlarged pictures lack the detail that it will see. Name full-size ones."
            )
        return tuple(found)

"""Two runs of a classifier, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...runtime.detection.classifications import Classification
from .parity import Parity
from .tolerances import FP32, Tolerances


def compare_classifications(
    expected: Sequence[Classification],
    found: Sequence[Classification],
    *,
    heads_difference: float | None,
    tolerances: Tolerances = FP32,
) -> Parity:
    """Compare the first class of each frame, and the scores of the classes that both sides name.

    Args:
        expected: by the parent.
        found: by the artefact.
        heads_difference: the largest of the class logits, absolute; None where they are not at hand.
        tolerances: what may differ.
    """
    matched = exempt = 0
    unmatched = []
    score_difference = 0.0
    for number, (ours, theirs) in enumerate(zip(expected, found, strict=True)):
        _, left, right = np.intersect1d(ours.class_ids, theirs.class_ids, return_indices=True)
        # numpy's maximum keeps a NaN, which Python's would drop.
        apart = np.abs(ours.scores[left] - theirs.scores[right]).max(initial=0)
        score_difference = float(np.maximum(score_difference, apart))
        first, their_first = int(ours.class_ids[0]), int(theirs.class_ids[0])
        ties = ours.class_ids[ours.scores[0] - ours.scores <= tolerances.tie]
        if first == their_first:
            matched += 1
        elif their_first in ties:
            exempt += 1
        else:
            unmatched.append(f"frame {number}: class {first} by the parent, {their_first} by the artefact")
    return Parity(
        of="first classes",
        frames=len(expected),
        heads_difference=heads_difference,
        matched=matched,
        score_difference=score_difference,
        exempt=exempt,
        unmatched=tuple(unmatched),
        tolerances=tolerances,
    )

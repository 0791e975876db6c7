"""MOTA, IDF1 and id switches, by the package `trackeval`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...runtime.detection.boxes import iou_matrix
from ...runtime.require import require
from .tracking_sequences import Moment


@dataclass(frozen=True, kw_only=True)
class Scores:
    """How well a sequence was followed.

    Args:
        mota: 1 - (missed + false + switches) / true boxes.
        idf1: share of the boxes that have the right id, when each object is given the id that suits it best.
        hota: the geometric mean of how well is found and how well is followed, over thresholds of overlap.
        switches: how often an object got another id.
    """

    mota: float
    idf1: float
    hota: float
    switches: int


def scores_of(moments: Sequence[Moment], ids: Sequence[NDArray[np.int64]]) -> Scores:
    """Compare ids with the truth.

    Args:
        moments: the sequence.
        ids: for each of its moments, of what was found; below 0 where there is none.
    """
    metrics = require("trackeval.metrics", extra="dev", why="the comparison with the truth")
    truth_number = _numbers([moment.truth_ids for moment in moments])
    number = _numbers([found[found >= 0] for found in ids])
    data = {
        "num_timesteps": len(moments),
        "gt_ids": [np.array([truth_number[one] for one in m.truth_ids.tolist()], int) for m in moments],
        "tracker_ids": [np.array([number[one] for one in found[found >= 0].tolist()], int) for found in ids],
        "similarity_scores": [
            iou_matrix(m.truth_boxes, m.found.boxes_xyxy[found >= 0]) for m, found in zip(moments, ids, strict=True)
        ],
        "num_gt_ids": len(truth_number),
        "num_tracker_ids": len(number),
        "num_gt_dets": sum(len(moment.truth_ids) for moment in moments),
        "num_tracker_dets": sum(int((found >= 0).sum()) for found in ids),
    }
    quiet = {"PRINT_CONFIG": False}
    clear = metrics.CLEAR(quiet).eval_sequence(data)
    return Scores(
        mota=float(clear["MOTA"]),
        idf1=float(metrics.Identity(quiet).eval_sequence(data)["IDF1"]),
        hota=float(np.mean(metrics.HOTA(None).eval_sequence(data)["HOTA"])),
        switches=int(clear["IDSW"]),
    )


def _numbers(ids: Sequence[NDArray[np.int64]]) -> dict[int, int]:
    """Number ids from 0 without a gap."""
    return {one: number for number, one in enumerate(sorted({one for some in ids for one in some.tolist()}))}

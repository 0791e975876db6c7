"""What quantizing one block alone does to a network's answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
from numpy.typing import NDArray

from ...calib.records.asking import records_of
from ...calib.records.bootstrap import Interval
from ...calib.records.compare import headline_drop
from ...calib.records.labelled_images import LabelledImages
from ...calib.records.records import Records
from .judge import Judge
from .tried import Tried

_MEASURED_BLOCKS = 12
"""Blocks of the greatest disagreement whose accuracy is measured too."""
_MEASURED_IMAGES = 200
"""Images for that; all of them where these hold too few objects."""

_REPLICATES = 100
"""Resamples at most for a block's interval: it orders blocks and is reported nowhere else."""


@dataclass(frozen=True, kw_only=True)
class BlockHarm:
    """What quantizing one block alone does.

    Args:
        block: its name.
        disagreement: with the parent's answers, 0 to 1.
        drop: points of the headline lost; None where only the disagreement was measured.
        interval: where the drop lies on resamples of the images.
    """

    block: str
    disagreement: float
    drop: float | None = None
    interval: Interval | None = None

    @property
    def sure_drop(self) -> float:
        """Points that are lost beyond what the choice of images explains."""
        return 0.0 if self.interval is None else max(0.0, self.interval.low)


def block_harms(tried: Tried, method: str, among: NDArray[np.bool_] | None = None) -> tuple[BlockHarm, ...]:
    """Order the blocks by what quantizing each alone does, the most harmful first.

    The disagreement with the parent, which needs few frames and no labels, says which blocks are worth measuring; a
    measured drop counts only beyond what the choice of images explains.

    Args:
        tried: gives the answers to the images that choose.
        method: of the graphs' ranges.
        among: [images], which of them choose; None: all, of which the first suffice where they are many.
    """
    judge = tried.judge
    disagreements = tried.disagreements(method)
    harms = sorted((BlockHarm(block=name, disagreement=value) for name, value in disagreements.items()), key=_harmless)
    suspects, others = harms[:_MEASURED_BLOCKS], harms[_MEASURED_BLOCKS:]
    images, parent = _measuring_images(judge) if among is None else (judge.images, judge.parent)
    measured = []
    for number, item in enumerate(suspects, start=1):
        stage = f"block {number} of {len(suspects)} by accuracy: {item.block}"
        if images is judge.images:
            found = tried.found(method, tried.others(item.block), stage=stage)
        else:
            candidate = tried.only(method, item.block)
            with judge.opened(candidate) as session:
                found = records_of(session, images, on_image=_counter(judge, stage, len(images)))
            candidate.path.unlink()
        replicates, seed = min(_REPLICATES, judge.settings.replicates), judge.settings.seed
        drop, interval = headline_drop(parent, found, replicates=replicates, seed=seed, among=among)
        measured.append(replace(item, drop=drop, interval=interval))
    return tuple(sorted((*measured, *others), key=lambda item: (-item.sure_drop, -item.disagreement)))


def _harmless(item: BlockHarm) -> float:
    return -item.disagreement


def _measuring_images(judge: Judge) -> tuple[LabelledImages, Records]:
    """Take the first images if they hold enough objects of some class, else all of them."""
    few = judge.images.first(_MEASURED_IMAGES)
    with judge.opened(judge.itself) as session:
        parent = records_of(session, few)
    return (few, parent) if parent.is_measurable else (judge.images, judge.parent)


def _counter(judge: Judge, stage: str, total: int) -> Callable[[], None]:
    done = count(1)
    return lambda: judge.on_progress(stage, next(done), total)

"""What quantizing one block alone does to a network's answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count, islice

from ...calib.records.asking import records_of
from ...calib.records.bootstrap import Interval
from ...calib.records.compare import headline_drop
from ...calib.records.disagreement import answers_to, disagreement
from ...calib.records.labelled_images import LabelledImages
from ...calib.records.records import Records
from .judge import Candidate, Judge
from .quantizer import Quantizer

_PROXY_FRAMES = 32
"""Frames on which every block's quantization alone is held against the parent's answers."""
_MEASURED_BLOCKS = 12
"""Blocks of the greatest disagreement whose accuracy is measured too."""
_MEASURED_IMAGES = 200
"""Images for that; all of them where these hold too few objects."""


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


def block_harms(judge: Judge, quantizer: Quantizer, method: str) -> tuple[BlockHarm, ...]:
    """Order the blocks by what quantizing each alone does, the most harmful first.

    The disagreement with the parent, which needs few frames and no labels, says which blocks are worth measuring; a
    measured drop counts only beyond what the choice of images explains.

    Args:
        judge: holds the parent's answers to the images that choose.
        quantizer: makes the graphs.
        method: of their ranges.
    """
    harms = sorted(_disagreements(judge, quantizer, method), key=lambda item: -item.disagreement)
    suspects, others = harms[:_MEASURED_BLOCKS], harms[_MEASURED_BLOCKS:]
    images, parent = _measuring_images(judge)
    measured = []
    for number, item in enumerate(suspects, start=1):
        candidate = _only(quantizer, method, item.block)
        stage = f"block {number} of {len(suspects)} by accuracy: {item.block}"
        with judge.opened(candidate) as session:
            found = records_of(session, images, on_image=_counter(judge, stage, len(images)))
        candidate.path.unlink()
        drop, interval = headline_drop(parent, found, replicates=judge.settings.replicates, seed=judge.settings.seed)
        measured.append(replace(item, drop=drop, interval=interval))
    return tuple(sorted((*measured, *others), key=lambda item: (-item.sure_drop, -item.disagreement)))


def _disagreements(judge: Judge, quantizer: Quantizer, method: str) -> list[BlockHarm]:
    with judge.opened(judge.itself) as session:
        frames = [frame for _, frame in islice(judge.images.frames(session.card.input), _PROXY_FRAMES)]
        expected = answers_to(session, frames)
    harms = []
    for done, block in enumerate(quantizer.blocks, start=1):
        candidate = _only(quantizer, method, block)
        with judge.opened(candidate) as session:
            harms.append(BlockHarm(block=block, disagreement=disagreement(expected, answers_to(session, frames))))
        candidate.path.unlink()
        judge.on_progress("blocks by disagreement", done, len(quantizer.blocks))
    return harms


def _only(quantizer: Quantizer, method: str, block: str) -> Candidate:
    """Quantize one block alone."""
    return quantizer.candidate(method, [name for name in quantizer.blocks if name != block])


def _measuring_images(judge: Judge) -> tuple[LabelledImages, Records]:
    """Take the first images if they hold enough objects of some class, else all of them."""
    few = judge.images.first(_MEASURED_IMAGES)
    with judge.opened(judge.itself) as session:
        parent = records_of(session, few)
    return (few, parent) if parent.is_measurable else (judge.images, judge.parent)


def _counter(judge: Judge, stage: str, total: int) -> Callable[[], None]:
    done = count(1)
    return lambda: judge.on_progress(stage, next(done), total)

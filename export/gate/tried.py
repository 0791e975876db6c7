"""What quantized graphs answer to the images that choose, each asked once, whoever looks at which of the answers."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from itertools import islice

from ...calib.records.answers import answers_to
from ...calib.records.records import Records
from ...runtime.detection.disagreement import disagreement
from .judge import Candidate, Judge
from .quantizer import Quantizer

_PROXY_FRAMES = 32
"""Frames on which every block's quantization alone is held against the parent's answers."""


class Tried:
    """Makes quantized graphs and keeps their answers.

    Args:
        judge: holds the parent's answers to the images.
        quantizer: makes the graphs.
    """

    def __init__(self, judge: Judge, quantizer: Quantizer) -> None:
        self.judge, self.quantizer = judge, quantizer
        self._found: dict[tuple[str, frozenset[str]], Records] = {}
        self.disagreements = cache(self._disagreements)
        """Of a method: how far each block's quantization alone moves the parent's answers, 0 to 1; no labels needed."""

    def found(self, method: str, kept_float: Collection[str] = (), *, stage: str | None = None) -> Records:
        """Return a graph's answers to all images.

        Args:
            method: of its ranges.
            kept_float: blocks that are not quantized.
            stage: what is being done, for the progress.
        """
        key = method, frozenset(kept_float)
        if key not in self._found:
            candidate = self.quantizer.candidate(method, tuple(kept_float))
            self._found[key] = self.judge.answers(candidate, stage or f"trying {candidate.name}")
            candidate.path.unlink()
        return self._found[key]

    def only(self, method: str, block: str) -> Candidate:
        """Quantize one block alone; the caller removes the file."""
        return self.quantizer.candidate(method, self.others(block))

    def others(self, block: str) -> tuple[str, ...]:
        """Name all blocks but one."""
        return tuple(name for name in self.quantizer.blocks if name != block)

    def _disagreements(self, method: str) -> dict[str, float]:
        judge, blocks = self.judge, self.quantizer.blocks
        with judge.opened(judge.itself) as session:
            frames = [frame for _, frame in islice(judge.images.frames(session.card.input), _PROXY_FRAMES)]
            expected = answers_to(session, frames)
        harms = {}
        for done, block in enumerate(blocks, start=1):
            candidate = self.only(method, block)
            with judge.opened(candidate) as session:
                harms[block] = disagreement(expected, answers_to(session, frames))
            candidate.path.unlink()
            judge.on_progress("blocks by disagreement", done, len(blocks))
        return harms

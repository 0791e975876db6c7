"""Which candidates are worth judging: range estimators tried, harmful blocks found, as few as possible kept in float.

Everything here is measured on images that no reported figure comes from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...calib.records.compare import headline_drop
from ...calib.records.records import Records
from .judge import Candidate
from .sensitivity import BlockHarm, block_harms
from .tried import Tried

_RUNGS = (16, 8, 4, 2)
"""Where the fewest blocks in float do not suffice on the judging images, these parts of the rest are added in turn."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A candidate on the choosing images.

    Args:
        name: of the candidate.
        method: of its ranges.
        kept_float: its blocks in float.
        drop: points of the headline lost.
    """

    name: str
    method: str
    kept_float: tuple[str, ...]
    drop: float


@dataclass(frozen=True, kw_only=True)
class Search:
    """How the candidates were chosen.

    Args:
        trials: in the order in which they were tried.
        harms: blocks, the most harmful first; empty where the whole network could be quantized.
    """

    trials: tuple[Trial, ...]
    harms: tuple[BlockHarm, ...]

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        return {"trials": [asdict(item) for item in self.trials], "harms": [asdict(item) for item in self.harms]}


class Searcher:
    """Tries candidates on the choosing images.

    Args:
        tried: gives the candidates' answers.
        among: [images], which of its images choose; None: all.
    """

    def __init__(self, tried: Tried, among: NDArray[np.bool_] | None = None) -> None:
        self._tried, self._among = tried, among
        self._trials: list[Trial] = []
        self._harms: tuple[BlockHarm, ...] = ()

    @property
    def search(self) -> Search:
        """What was tried so far."""
        return Search(trials=tuple(self._trials), harms=self._harms)

    def answers(self, candidate: Candidate) -> tuple[Records, Records]:
        """Return the answers of parent and candidate to the choosing images."""
        return self._tried.judge.parent, self._tried.found(str(candidate.method), candidate.kept_float)

    def candidates(self) -> Iterator[Candidate]:
        """Find candidates that are worth judging, the cheapest first; the next is sought only when it is asked for.

        First the wholly quantized graph, by the range estimator that loses least (where it falls short here, it is
        judged to be shown, not to be accepted). Then the one with the fewest blocks in float that is within the
        allowed drop, and a few with more of them.
        """
        quantizer = self._tried.quantizer
        method = min((self._try(method) for method in quantizer.methods), key=lambda trial: trial.drop).method
        whole = next(item for item in self._trials if item.method == method)
        is_within = self._is_within(whole)
        yield replace(
            quantizer.candidate(method), is_eligible=is_within, is_lost=not is_within and self._has_lost(whole)
        )
        self._harms = block_harms(self._tried, method, self._among)
        ordered = tuple(item.block for item in self._harms)
        fewest = 0 if is_within else self._fewest(method, ordered)
        rest = len(ordered) - fewest
        steps = dict.fromkeys((fewest, *(fewest + rest // part for part in _RUNGS)))
        for kept in (ordered[:count] for count in steps if 0 < count < len(ordered)):
            if kept not in {item.kept_float for item in self._trials}:
                self._try(method, kept)
            yield quantizer.candidate(method, kept)

    def _try(self, method: str, kept_float: Sequence[str] = ()) -> Trial:
        drop = self._tried.judge.drop(self._tried.found(method, kept_float), self._among)
        name = self._tried.quantizer.name(method, kept_float)
        trial = Trial(name=name, method=method, kept_float=tuple(kept_float), drop=drop)
        self._trials.append(trial)
        return trial

    def _is_within(self, trial: Trial) -> bool:
        return trial.drop <= self._tried.judge.settings.max_drop

    def _has_lost(self, trial: Trial) -> bool:
        """Tell whether the choosing images measured a loss beyond what is allowed."""
        judge, found = self._tried.judge, self._tried.found(trial.method, trial.kept_float)
        settings = judge.settings
        _, interval = headline_drop(
            judge.parent, found, replicates=settings.replicates, seed=settings.seed, among=self._among
        )
        return interval is not None and interval.low > settings.max_drop

    def _fewest(self, method: str, ordered: tuple[str, ...]) -> int:
        """Bisect for the fewest blocks to keep, the most harmful first; as many as there are if no fewer will do.

        It is taken for granted that more blocks in float never lose more.
        """
        too_few, enough = 0, len(ordered)  # with every block in float nothing is left to quantize
        while enough - too_few > 1:
            middle = (too_few + enough) // 2
            if self._is_within(self._try(method, ordered[:middle])):
                enough = middle
            else:
                too_few = middle
        return enough

"""Which candidates are worth judging: range estimators tried, harmful blocks found, as few as possible kept in float.

Everything here is measured on images that no reported figure comes from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ...calib.records.records import Records
from .judge import Candidate, Judge
from .quantizer import Quantizer
from .sensitivity import BlockHarm, block_harms

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
        judge: holds the parent's answers to them.
        quantizer: makes the candidates.
    """

    def __init__(self, judge: Judge, quantizer: Quantizer) -> None:
        self._judge, self._quantizer = judge, quantizer
        self._trials: list[Trial] = []
        self._harms: tuple[BlockHarm, ...] = ()
        self._answers: dict[str, Records] = {}

    @property
    def search(self) -> Search:
        """What was tried so far."""
        return Search(trials=tuple(self._trials), harms=self._harms)

    def answers(self, candidate: Candidate) -> tuple[Records, Records]:
        """Return the answers of parent and candidate to the choosing images."""
        return self._judge.parent, self._answers[candidate.name]

    def candidates(self) -> Iterator[Candidate]:
        """Find candidates that are worth judging, the cheapest first; the next is sought only when it is asked for.

        First the wholly quantized graph, by the range estimator that loses least (where it falls short here, it is
        judged to be shown, not to be accepted). Then the one with the fewest blocks in float that is within the
        allowed drop, and a few with more of them.
        """
        method = min((self._try(method) for method in self._quantizer.methods), key=lambda trial: trial.drop).method
        whole = next(item for item in self._trials if item.method == method)
        yield replace(self._quantizer.candidate(method), is_eligible=self._is_within(whole))
        self._harms = block_harms(self._judge, self._quantizer, method)
        ordered = tuple(item.block for item in self._harms)
        fewest = 0 if self._is_within(whole) else self._fewest(method, ordered)
        rest = len(ordered) - fewest
        steps = dict.fromkeys((fewest, *(fewest + rest // part for part in _RUNGS)))
        for kept in (ordered[:count] for count in steps if 0 < count < len(ordered)):
            if kept not in {item.kept_float for item in self._trials}:
                self._try(method, kept)
            yield self._quantizer.candidate(method, kept)

    def _try(self, method: str, kept_float: Sequence[str] = ()) -> Trial:
        candidate = self._quantizer.candidate(method, kept_float)
        found = self._judge.answers(candidate, f"trying {candidate.name}")
        self._answers[candidate.name] = found
        trial = Trial(name=candidate.name, method=method, kept_float=candidate.kept_float, drop=self._judge.drop(found))
        self._trials.append(trial)
        candidate.path.unlink()
        return trial

    def _is_within(self, trial: Trial) -> bool:
        return trial.drop <= self._judge.settings.max_drop

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

"""What each augmentation of an ablation changes, held against runs without any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...calib.records.bootstrap import Interval
from ...runtime.require import require
from .plan import AUGMENTATIONS, NO_AUGMENTATION
from .results import FinishedRun, late_values
from .seed_interval import SeedMean

Ablation = dict[str, list[FinishedRun]]
"""Name of an augmentation -> its runs, one a seed; `none` is among them."""


def ablations(finished: Sequence[FinishedRun]) -> dict[str, Ablation]:
    """Gather the ablations among finished runs, by the variant of their runs without augmentation.

    One whose runs without augmentation are not finished has nothing to be held against, and is left out.
    """
    known = {item.run: item for item in finished}
    found: dict[str, Ablation] = {}
    plain = dict.fromkeys(item.run.unaugmented for item in finished if item.run.round == "ablation")
    for run in plain:
        if run in known:
            found.setdefault(run.variant, {}).setdefault(NO_AUGMENTATION, []).append(known[run])
    for item in finished:
        groups = found.get(item.run.unaugmented.variant)
        if groups is not None and item.run.round == "ablation" and item.run not in plain:
            groups.setdefault(str(item.run.augmentation), []).append(item)
    return found


def changes_against_none(ablation: Ablation, column: str) -> dict[str, SeedMean]:
    """Give each augmentation's change of a figure: the difference of the means over the seeds.

    The intervals hold together: with 95 % confidence every one of them has the true change in it. The spread over
    seeds is taken to be the same with every augmentation, so all runs tell of it; where no augmentation has a second
    seed there are no intervals.

    Args:
        ablation: the runs.
        column: of `metrics.csv`; of a run its mean over the last validations counts, see `FinishedRun.late`.

    Returns:
        Name of the augmentation, in the order of `AUGMENTATIONS` -> change; `none` is not among them.

    Raises:
        MissingDependencyError: SciPy is not installed.

    Source: Dunnett 1955, A Multiple Comparison Procedure for Comparing Several Treatments with a Control.
    """
    values = {name: found for name in AUGMENTATIONS if (found := late_values(ablation.get(name, ()), column))}
    control = values.pop(NO_AUGMENTATION, [])
    if not control or not values:
        return {}
    intervals: list[Interval | None] = [None] * len(values)
    if max(map(len, (control, *values.values()))) > 1:
        intervals = list(_dunnett(control, values))
    middle = sum(control) / len(control)
    return {
        name: SeedMean(mean=sum(found) / len(found) - middle, interval=interval, count=len(found))
        for (name, found), interval in zip(values.items(), intervals, strict=True)
    }


def verdict(change: SeedMean, *, less_is_better: bool = False) -> str:
    """Say whether a change of a figure is one, and for the better; nothing where there is no interval."""
    if change.interval is None:
        return ""
    if 0 in change.interval:
        return "not told apart from none"
    return "helps" if (change.mean < 0) == less_is_better else "hurts"


def _dunnett(control: Sequence[float], values: Mapping[str, Sequence[float]]) -> list[Interval]:
    require("scipy", extra="train", why="the intervals of an ablation")
    from scipy.stats import dunnett

    found = dunnett(*values.values(), control=control, rng=0).confidence_interval(0.95)
    return [Interval(low=float(low), high=float(high)) for low, high in zip(found.low, found.high, strict=True)]

"""What tuning leaves behind: the best settings, a table of all trials, and a page about them."""

from __future__ import annotations

import csv
import io
import warnings
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from ...runtime.files import whole_file
from ...train.configuration import settings_text
from ...train.tuning.study import Study, best_settings
from .figure import BLUE, bars, figure
from .page import save_page

if TYPE_CHECKING:
    import optuna
    from matplotlib.axes import Axes

BEST = "best.toml"
TABLE = "trials.csv"
PAGE = "report.html"


def save_tuning_report(study: Study, opened: optuna.Study) -> tuple[Path, ...]:
    """Write `best.toml`, `trials.csv` and `report.html`.

    Args:
        study: what was tuned.
        opened: with one trial at least that came to its end.

    Returns:
        The files.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    settings = settings_text(study.network, best_settings(study, opened))
    heads, rows = _table(opened)
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([heads, *rows])
    first = f"# The best of {study.trials} trials: {opened.best_value:.4f} in trial {opened.best_trial.number}.\n"
    best, trials, page = (study.folder / name for name in (BEST, TABLE, PAGE))
    for path, text in ((best, first + settings), (trials, table.getvalue())):
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    _save_page(study, opened, page, settings=settings)
    return best, trials, page


def _table(opened: optuna.Study) -> tuple[list[str], list[list[str]]]:
    """Give a row a trial, under a heading each column."""
    trials = opened.get_trials(deepcopy=False)
    names = sorted({name for trial in trials for name in trial.params})
    rows = [
        [
            str(trial.number),
            trial.state.name.lower(),
            "" if trial.value is None else f"{trial.value:.6g}",
            str(len(trial.intermediate_values)),
            *(f"{trial.params[name]:.6g}" if name in trial.params else "" for name in names),
        ]
        for trial in trials
    ]
    return ["trial", "state", "value", "epochs", *names], rows


def _save_page(study: Study, opened: optuna.Study, path: Path, *, settings: str) -> None:
    """Show values over time, what mattered, and the value along each dimension."""
    import optuna

    trials = [trial for trial in opened.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
    importances: dict[str, float] = {}
    if len(trials) > 1:  # what mattered cannot be told from one
        with warnings.catch_warnings():  # of few trials: that all matter alike
            warnings.simplefilter("ignore")
            evaluator = optuna.importance.PedAnovaImportanceEvaluator()
            importances = optuna.importance.get_param_importances(opened, evaluator=evaluator)
    heads, rows = _table(opened)
    save_page(
        path,
        "tuning",
        title=f"{study.network}, tuned",
        best=opened.best_trial,
        history=_history(trials),
        importances=bars("importance", list(importances), list(importances.values()), form=".2f"),
        slices=[_slice(name, trials) for name in importances],
        heads=heads,
        trials=rows,
        settings=settings,
    )


def _history(trials: list[optuna.trial.FrozenTrial]) -> Markup:
    from matplotlib.ticker import MaxNLocator

    values = [trial.value or 0.0 for trial in trials]

    def draw(axes: Axes) -> None:
        numbers = [trial.number for trial in trials]
        axes.step(numbers, list(accumulate(values, max)), where="post", label="best so far")
        axes.plot(numbers, values, "o", color=BLUE, label="a trial")
        axes.set(xlabel="trial")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="lower right")
        axes.grid(visible=True)

    return figure("value", draw)


def _slice(name: str, trials: list[optuna.trial.FrozenTrial]) -> Markup:
    """Draw the value along one dimension."""
    from matplotlib.ticker import LogLocator, NullFormatter

    shown = [trial for trial in trials if name in trial.params]
    distribution = shown[0].distributions[name]
    choices = getattr(distribution, "choices", None)

    def draw(axes: Axes) -> None:
        # Optuna's own number of a value: that of a choice is its place.
        places = [distribution.to_internal_repr(trial.params[name]) for trial in shown]
        axes.plot(places, [trial.value or 0.0 for trial in shown], "o", color=BLUE)
        if choices is not None:
            axes.set_xticks(range(len(choices)), [str(choice) for choice in choices])
        elif getattr(distribution, "log", False):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(visible=True)

    return figure(name, draw, width_px=320, height_px=240)

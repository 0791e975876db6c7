"""What tuning leaves behind: the best settings, a table of all trials, and plots."""

from __future__ import annotations

import csv
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...runtime.files import whole_file
from ...runtime.require import require
from ...train.configuration import settings_text
from ...train.tuning.study import Study, best_settings

if TYPE_CHECKING:
    import optuna

BEST = "best.toml"
TABLE = "trials.csv"
_DPI = 120


def save_tuning_report(study: Study, opened: optuna.Study) -> tuple[Path, ...]:
    """Write `best.toml`, `trials.csv`, and plots: values over time, what mattered, the value along each dimension.

    Args:
        study: what was tuned.
        opened: with one trial at least that came to its end.

    Returns:
        The files.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    best = study.folder / BEST
    with whole_file(best) as temporary:
        temporary.write_text(
            f"# The best of {study.trials} trials: {opened.best_value:.4f} in trial {opened.best_trial.number}.\n"
            + settings_text(study.network, best_settings(study, opened)),
            encoding="utf-8",
        )
    return (best, _save_table(study, opened), *_save_plots(study, opened))


def _save_table(study: Study, opened: optuna.Study) -> Path:
    trials = opened.get_trials(deepcopy=False)
    names = sorted({name for trial in trials for name in trial.params})
    rows = io.StringIO()
    table = csv.writer(rows, lineterminator="\n")
    table.writerow(["trial", "state", "value", "epochs", *names])
    for trial in trials:
        value = "" if trial.value is None else f"{trial.value:.6g}"
        params = (f"{trial.params[name]:.6g}" if name in trial.params else "" for name in names)
        table.writerow([trial.number, trial.state.name.lower(), value, len(trial.intermediate_values), *params])
    path = study.folder / TABLE
    with whole_file(path) as temporary:
        temporary.write_text(rows.getvalue(), encoding="utf-8")
    return path


def _save_plots(study: Study, opened: optuna.Study) -> tuple[Path, ...]:
    require("matplotlib", extra="scale", why="plots of a study")
    import matplotlib as mpl

    mpl.use("Agg")
    import optuna
    from optuna.visualization import matplotlib as plots

    completed = [trial for trial in opened.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
    with warnings.catch_warnings():  # Optuna's plots call themselves experimental, each time
        warnings.simplefilter("ignore")
        saved = [_save(plots.plot_optimization_history(opened), study.folder / "history.png")]
        if len(completed) > 1:  # what mattered cannot be told from one
            evaluator = optuna.importance.PedAnovaImportanceEvaluator()
            importances = plots.plot_param_importances(opened, evaluator=evaluator)
            saved.append(_save(importances, study.folder / "importances.png"))
            saved.append(_save(plots.plot_slice(opened), study.folder / "slices.png"))
    return tuple(saved)


def _save(axes: Any, path: Path) -> Path:  # one of matplotlib's axes, or an array of them
    from matplotlib import pyplot as plt

    figure = axes.figure if hasattr(axes, "figure") else axes.flat[0].figure
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, bbox_inches="tight")
    plt.close("all")
    return path

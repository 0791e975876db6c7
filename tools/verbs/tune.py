"""`singleshot tune`: find settings by many short trainings."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...runtime.errors import InputError
from ..terminal.data_options import AnywayFlag, BackgroundFlag, DataFlags
from ..terminal.stage_progress import stage_progress, tell
from ..terminal.verb import verb

if TYPE_CHECKING:
    import optuna

    from ...data.dataset import Dataset
    from ...train.settings import TrainSettings
    from ...train.tuning.study import Study, TrialReport

_WORKER = "--as-worker"

_EPOCHS = 10
"""Of a trial where neither the options nor a file say."""


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """What `tune` is told."""

    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="Name of a network: `singleshot models` lists them.")
    ]
    data: DataFlags
    trials: Annotated[
        int,
        typer.Option(min=1, help="Trainings in all, those of earlier calls counted; each further worker may add one."),
    ] = 30
    epochs: Annotated[int | None, typer.Option(min=1, help="Of each training.", show_default=str(_EPOCHS))] = None
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the study.")] = Path("tuning")
    config: Annotated[Path | None, typer.Option(metavar="FILE.toml", help="Settings that hold for every trial.")] = None
    vary: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="What to vary; all that the network follows if not given.")
    ] = None
    classes: Annotated[
        str | None,
        typer.Option(metavar="A,B,…|N|FILE", help="Classes to learn; all of the data's if not given."),
    ] = None
    missing_is_background: BackgroundFlag = False
    anyway: AnywayFlag = False
    workers: Annotated[int, typer.Option(min=1, help="Trainings at a time on this machine.")] = 1
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Optuna's storage, for several machines: postgresql://…", show_default="DIR/study.db"
        ),
    ] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False
    as_worker: Annotated[int, typer.Option(_WORKER, hidden=True)] = 0


@verb
def tune(options: TuneOptions) -> None:
    """Find good settings: learning rate, weight decay, dropout, augmentation, default boxes, depth and width.

    Each trial is a training of a few epochs, ended early where its validation lies below the median of the others.
    The study is a file: the same command goes on after an interruption, and may run in several terminals at once.
    With --storage on a server it may run on several machines, each with the same data. Writes best.toml for
    `singleshot train --config`, trials.csv and report.html. The figures are of the split that was tuned on: measure the
    final training on images that it has not seen.

    Examples:
      singleshot tune ssd_lite0 --data VOC --trials 40 --epochs 8 -o tuning/

      singleshot tune ssd_resnet --data photos --trials 20 --vary learning_rate,branch_depth --workers 2

      singleshot train ssd_lite0 --data VOC --config tuning/best.toml -o runs/tuned
    """
    from ...runtime.require import require, require_training

    require_training("tuning")
    require("optuna", extra="scale", why="tuning")
    from ...train.configuration import resolved_settings
    from ...train.tuning.study import make_study, open_finished, run_trials, share_processors
    from ..pages.figure import check_figures
    from ..pages.tuning_page import save_tuning_report

    check_figures("the page about a study")
    base = _base(options)
    dataset = _dataset(options, seed=base.seed)
    resolved_settings(options.network, dataset, base)  # a wrong split is not found out by the first trial
    dimensions = tuple(options.vary.split(",")) if options.vary else ()
    study = make_study(
        options.network, options.out, base, trials=options.trials, dimensions=dimensions, storage=options.storage
    )
    share_processors(options.workers)
    with _further_workers(1 if options.as_worker else options.workers), _progress(study) as on_trial:
        run_trials(study, dataset, worker=options.as_worker, on_trial=on_trial)
    if options.as_worker:
        return
    opened = open_finished(study, dataset)
    files = save_tuning_report(study, opened)
    _print_best(opened.best_trial, files, as_json=options.as_json)
    if not options.as_json:
        data = " ".join(f"--data {folder}" for folder in options.data)
        print(f"singleshot train {options.network} {data} --config {files[0]} trains with it")


def _print_best(best: optuna.trial.FrozenTrial, files: Sequence[Path], *, as_json: bool) -> None:
    if as_json:
        result = {"best": {"trial": best.number, "value": best.value, "parameters": best.params}}
        print(json.dumps({**result, "files": [str(path) for path in files]}, indent=1))
        return
    for path in files:
        print(path)
    chosen = ", ".join(f"{name} {value:.4g}" for name, value in best.params.items())
    print(f"best: trial {best.number}, {best.value:.4f}: {chosen}")


def _base(options: TuneOptions) -> TrainSettings:
    from ...train.configuration import load_settings
    from ...train.settings import train_settings
    from ...train.tuning.study import settings_of_trial

    base = train_settings(**(load_settings(options.config) if options.config else {}))
    return settings_of_trial(base, epochs=options.epochs or (None if options.config else _EPOCHS))


def _dataset(options: TuneOptions, *, seed: int) -> Dataset:
    from ...data.class_choice import chosen_classes
    from ...data.dataset import open_dataset

    names = None if options.classes is None else chosen_classes(options.classes, *options.data, seed=seed)
    return open_dataset(
        *options.data,
        class_names=names,
        missing_is_background=options.missing_is_background,
        anyway=options.anyway,
    )


@contextmanager
def _further_workers(workers: int) -> Iterator[None]:
    """Run the same command in further processes; they end by themselves when the study has its trials.

    Raises:
        InputError: one of them ended in an error.
    """
    arguments = [sys.executable, "-m", "singleshot", *sys.argv[1:]]
    started: list[subprocess.Popen[bytes]] = []
    try:
        started.extend(subprocess.Popen([*arguments, _WORKER, str(number)]) for number in range(1, workers))
        yield
        codes = [process.wait() for process in started]
    except BaseException:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()
        raise
    if any(codes):
        raise InputError(f"tune: expected every worker to come to its end, got {sum(map(bool, codes))} that did not.")


@contextmanager
def _progress(study: Study) -> Iterator[Callable[[TrialReport], None]]:
    with stage_progress() as on_progress:

        def on_trial(report: TrialReport) -> None:
            value = "no figure" if report.value is None else f"{report.value:.4f}"
            best = "" if report.best is None else f", best {report.best:.4f}"
            reason = f"; {report.reason}" if report.reason else ""
            tell(f"trial {report.number} {report.state}: {value}{best} ({report.done} of {study.trials}){reason}")
            on_progress(f"trials of {study.network}", report.done, study.trials)

        yield on_trial

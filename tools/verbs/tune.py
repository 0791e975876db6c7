"""`singleshot tune`: find settings by many short trainings."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...runtime.errors import InputError
from ..terminal.exits import exit_codes

if TYPE_CHECKING:
    import optuna
    from rich.console import Console

    from ...data.dataset import Dataset
    from ...train.settings import TrainSettings
    from ...train.tuning.study import Study, TrialReport

_WORKER = "--as-worker"


_EPOCHS = 10
"""Of a trial where neither the options nor a file say."""

_Network = Annotated[str, typer.Argument(metavar="NETWORK", help="Name of a network: `singleshot models` lists them.")]
_Data = Annotated[Path, typer.Option(metavar="DIR", help="Labelled images: VOC, Kaggle, COCO, YOLO, CSV.")]
_Trials = Annotated[
    int, typer.Option(min=1, help="Trainings in all, those of earlier calls counted; each further worker may add one.")
]
_Epochs = Annotated[int | None, typer.Option(min=1, help="Of each training.", show_default=str(_EPOCHS))]
_Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the study.")]
_Config = Annotated[Path | None, typer.Option(metavar="FILE.toml", help="Settings that hold for every trial.")]
_Vary = Annotated[
    str | None, typer.Option(metavar="A,B,…", help="What to vary; all that the network follows if not given.")
]
_Classes = Annotated[
    str | None,
    typer.Option(metavar="A,B,…|NUMBER", help="Classes to learn, or how many; all of the data's if not given."),
]
_Workers = Annotated[int, typer.Option(min=1, help="Trainings at a time on this machine.")]
_Storage = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="Optuna's storage, for several machines: postgresql://…", show_default="DIR/study.db"
    ),
]


def tune(
    network: _Network,
    data: _Data,
    trials: _Trials = 30,
    epochs: _Epochs = None,
    out: _Out = Path("tuning"),
    config: _Config = None,
    vary: _Vary = None,
    classes: _Classes = None,
    workers: _Workers = 1,
    storage: _Storage = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    as_worker: Annotated[int, typer.Option(_WORKER, hidden=True)] = 0,
) -> None:
    """Find good settings: learning rate, weight decay, dropout, augmentation, default boxes, depth and width.

    Each trial is a training of a few epochs, ended early where its validation lies below the median of the others.
    The study is a file: the same command goes on after an interruption, and may run in several terminals at once.
    With --storage on a server it may run on several machines, each with the same data. Writes best.toml for
    `singleshot train --config`, trials.csv and report.html. The figures are of the split that was tuned on: measure the
    final training on images that it has not seen.

    Examples:
      singleshot tune ssd_lite0 --data VOC --trials 40 --epochs 8 -o tuning/

      singleshot tune ssd7 --data photos --trials 20 --vary learning_rate,branch_depth --workers 2

      singleshot train ssd_lite0 --data VOC --config tuning/best.toml -o runs/tuned
    """
    from rich.console import Console

    talk = Console(stderr=True)
    with exit_codes():
        from ...runtime.require import require, require_training

        require_training("tuning")
        require("optuna", extra="scale", why="tuning")
        from ...train.tuning.study import make_study, open_finished, run_trials, share_processors
        from ..pages.figure import check_figures
        from ..pages.tuning_page import save_tuning_report

        check_figures("the page about a study")
        base = _base(config, epochs)
        dimensions = tuple(vary.split(",")) if vary else ()
        study = make_study(network, out, base, trials=trials, dimensions=dimensions, storage=storage)
        dataset = _dataset(data, classes, seed=base.seed)
        share_processors(workers)
        with _further_workers(1 if as_worker else workers), _progress(talk, study) as on_trial:
            run_trials(study, dataset, worker=as_worker, on_trial=on_trial)
        if as_worker:
            return
        opened = open_finished(study, dataset)
        files = save_tuning_report(study, opened)
    _print_best(opened.best_trial, files, as_json=as_json)
    if not as_json:
        print(f"singleshot train {network} --data {data} --config {files[0]} trains with it")


def _print_best(best: optuna.trial.FrozenTrial, files: Sequence[Path], *, as_json: bool) -> None:
    if as_json:
        result = {"best": {"trial": best.number, "value": best.value, "parameters": best.params}}
        print(json.dumps({**result, "files": [str(path) for path in files]}, indent=1))
        return
    for path in files:
        print(path)
    chosen = ", ".join(f"{name} {value:.4g}" for name, value in best.params.items())
    print(f"best: trial {best.number}, {best.value:.4f}: {chosen}")


def _base(config: Path | None, epochs: int | None) -> TrainSettings:
    from ...train.configuration import load_settings
    from ...train.settings import train_settings
    from ...train.tuning.study import settings_of_trial

    base = train_settings(**(load_settings(config) if config else {}))
    return settings_of_trial(base, epochs=epochs or (None if config else _EPOCHS))


def _dataset(data: Path, classes: str | None, *, seed: int) -> Dataset:
    from ...data.class_choice import chosen_classes
    from ...data.dataset import open_dataset

    return open_dataset(data, class_names=None if classes is None else chosen_classes(classes, data, seed=seed))


@contextmanager
def _further_workers(workers: int) -> Iterator[None]:
    """Run the same command in further processes; they end by themselves when the study has its trials.

    Raises:
        InputError: one of them ended in an error.
    """
    arguments = [sys.executable, "-m", "singleshot", *sys.argv[1:]]
    started = [subprocess.Popen([*arguments, _WORKER, str(number)]) for number in range(1, workers)]
    try:
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
def _progress(talk: Console, study: Study) -> Iterator[Callable[[TrialReport], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=talk, disable=not talk.is_terminal) as progress:
        task = progress.add_task(f"trials of {study.network}", total=study.trials)

        def on_trial(report: TrialReport) -> None:
            value = "no figure" if report.value is None else f"{report.value:.4f}"
            best = "" if report.best is None else f", best {report.best:.4f}"
            talk.print(
                f"trial {report.number} {report.state}: {value}{best} ({report.done} of {study.trials})"
                + (f"; {report.reason}" if report.reason else ""),
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
            progress.update(task, completed=report.done)

        yield on_trial

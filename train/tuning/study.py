"""Tuning: many short trainings, each with other settings, the hopeless ones ended early."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning
from lightning.pytorch.callbacks import Callback

from ...data.dataset import Dataset
from ...runtime.errors import CheckError, InputError
from ...runtime.files import StrPath
from ...runtime.require import require
from ..run.train import TrainingRun, monitor_of, train
from ..settings import TrainSettings, train_settings, with_newer_settings
from .search_space import dimensions_for, suggested_settings

if TYPE_CHECKING:
    import optuna

STUDY = "study.db"
TRIALS = "trials"
_STUDY_NAME = "singleshot"
_BUSY_S = 60
"""How long a worker waits for another one's transaction on a SQLite file."""
_HEARTBEAT_S = 60
"""A trial whose worker has not been heard of for three of these was killed; another worker takes it up again."""
_MAX_RETRIES = 2
_ERRORS_ALONE = 40
_REASON = "reason"
"""Under which a failed trial says why."""
_STARTUP_TRIALS = 5
"""Trials that run to their end before any is compared with the median of the others."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is tuned, on what, and where the results are.

    Args:
        network: a name of `NETWORKS`.
        folder: gets a folder for each trial.
        base: settings that hold for every trial; its epochs are those of a trial.
        dimensions: what is varied, names of `search_space.DIMENSIONS`.
        trials: in all, whoever runs them.
        storage: one of Optuna's URLs, for several machines; `study.db` in the folder where not given.
    """

    network: str
    folder: Path
    base: TrainSettings
    dimensions: tuple[str, ...]
    trials: int
    storage: str | None = None

    @property
    def url(self) -> str:
        """Of the storage."""
        return self.storage or f"sqlite:///{self.folder / STUDY}"

    def identity(self, data: Dataset) -> str:
        """Say in JSON what has to be the same for two workers to work on one study."""
        return json.dumps(
            {
                "network": self.network,
                "data": data.name,
                "classes": data.class_names,
                "settings": self.base.model_dump(mode="json"),
                "dimensions": self.dimensions,
            },
            sort_keys=True,
        )


@dataclass(frozen=True, kw_only=True)
class TrialReport:
    """A finished trial, for progress.

    Args:
        number: from 0.
        state: `complete`, `pruned` or `failed`.
        value: the validation's figure, the last one of a pruned trial; None where there is none.
        best: the greatest value so far; None before the first.
        done: trials finished, all workers'.
        reason: why it failed.
    """

    number: int
    state: str
    value: float | None
    best: float | None
    done: int
    reason: str = ""


def make_study(
    network: str,
    folder: StrPath,
    base: TrainSettings,
    *,
    trials: int,
    dimensions: Sequence[str] = (),
    storage: str | None = None,
) -> Study:
    """Settle what is tuned.

    Args:
        network: a name of `NETWORKS`.
        folder: where the study, its trials and what was found are kept.
        base: settings that hold for every trial.
        trials: how many trainings, those of earlier calls and other workers counted.
        dimensions: what to vary; everything that the network follows where none is given.
        storage: one of Optuna's URLs; a file in the folder where not given.

    Raises:
        InputError: there is no such network or dimension.
    """
    folder = Path(folder)
    return Study(
        network=network,
        folder=folder,
        base=base,
        dimensions=dimensions_for(network, dimensions),
        trials=trials,
        storage=storage,
    )


def run_trials(
    study: Study,
    data: Dataset,
    *,
    worker: int = 0,
    progress: bool = False,
    on_trial: Callable[[TrialReport], None] | None = None,
) -> optuna.Study:
    """Work on a study until it has its trials; several workers may do so at once, and a later call goes on.

    A trial whose validation lies below the median of the others' at the same epoch is ended early (pruned). One that
    ends in a failed check, for instance because its loss is no longer a number, counts as failed; the others go on.

    Args:
        study: see `make_study`.
        data: labelled images.
        worker: number of this worker, for its own sequence of random choices.
        progress: show each training's own bar.
        on_trial: told of each trial that this worker ends.

    Raises:
        InputError: the storage holds another study, or the settings cannot be trained with.
        MissingDependencyError: Optuna is not installed.
    """
    require("optuna", extra="scale", why="tuning").logging.set_verbosity(_ERRORS_ALONE)
    opened = _opened(study, data, worker=worker)

    def objective(trial: optuna.Trial) -> float:
        return _trained(opened, trial, study, data, progress=progress)

    def tell(opened: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        _tidy(opened, study, trial.number)
        if _finished(opened) >= study.trials:
            opened.stop()
        if on_trial is not None:
            on_trial(_report(opened, trial))

    if _finished(opened) < study.trials:
        opened.optimize(objective, callbacks=[tell], catch=(CheckError,))
    return opened


def open_finished(study: Study, data: Dataset) -> optuna.Study:
    """Open a study to read it.

    Raises:
        InputError: it holds another study, or no trial came to its end.
        MissingDependencyError: Optuna is not installed.
    """
    opened = _opened(study, data, worker=0)
    if not _completed(opened):
        raise InputError(
            f"{study.folder}: expected a trial that came to its end, got {_finished(opened)} that were pruned or "
            f"failed. Run more --trials, or look into {study.folder / TRIALS}."
        )
    return opened


def best_settings(study: Study, opened: optuna.Study) -> TrainSettings:
    """Return the settings of the trial with the greatest value."""
    require("optuna", extra="scale", why="tuning")
    import optuna

    best = optuna.trial.FixedTrial(opened.best_trial.params)
    return suggested_settings(best, study.network, study.base, study.dimensions)


def trial_folder(study: Study, number: int) -> Path:
    """Where a trial's run is."""
    return study.folder / TRIALS / f"{number:04d}"


class _Pruning(Callback):
    """Tells the study of every validation, and ends a trial that it does not expect much of."""

    def __init__(self, trial: optuna.Trial, monitor: str) -> None:
        self._trial = trial
        self._monitor = monitor

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        value = trainer.callback_metrics.get(self._monitor)
        if value is None:
            return
        self._trial.report(float(value), step=trainer.current_epoch)
        if self._trial.should_prune():
            import optuna

            raise optuna.TrialPruned


def _opened(study: Study, data: Dataset, *, worker: int) -> optuna.Study:
    require("optuna", extra="scale", why="tuning")
    import optuna

    study.folder.mkdir(parents=True, exist_ok=True)
    engine = {"connect_args": {"timeout": _BUSY_S}} if study.url.startswith("sqlite") else {}
    try:
        with warnings.catch_warnings():  # Optuna's heartbeats call themselves experimental, each time
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            storage = optuna.storages.RDBStorage(
                study.url,
                engine_kwargs=engine,
                heartbeat_interval=_HEARTBEAT_S,
                heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=_MAX_RETRIES),
            )
        opened = optuna.create_study(
            storage=storage,
            study_name=_STUDY_NAME,
            direction="maximize",
            load_if_exists=True,
            sampler=optuna.samplers.TPESampler(seed=study.base.seed + worker, constant_liar=True),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP_TRIALS),
        )
    except Exception as error:  # a URL, a driver, a server or a file: SQLAlchemy raises what it likes
        reason = str(error).splitlines()[0]
        raise InputError(f"{study.url}: expected a storage that Optuna can open, got: {reason}") from error
    identity = study.identity(data)
    mine, other = json.loads(identity), json.loads(opened.user_attrs.get("identity", identity))
    other["settings"] = with_newer_settings(other["settings"])
    if mine != other:
        raise InputError(
            f"{study.folder}: expected a study of {_difference(mine, other)}. "
            f"Tune with the same network, data and settings, or name another folder by --out."
        )
    opened.set_user_attr("identity", identity)
    return opened


def _difference(mine: dict[str, Any], other: dict[str, Any]) -> str:  # JSON, as `Study.identity` gives it
    """Say the first thing that differs between two studies."""
    for table in (("settings",), ()):
        left, right = (item[table[0]] if table else item for item in (mine, other))
        for key in left:
            if left[key] != right.get(key):
                return f"{key} {right.get(key)}, got {left[key]}"
    return "the same description, got another"


def _trained(opened: optuna.Study, trial: optuna.Trial, study: Study, data: Dataset, *, progress: bool) -> float:
    settings = suggested_settings(trial, study.network, study.base, study.dimensions)
    pruning = _Pruning(trial, monitor_of(study.network))
    run = TrainingRun(network=study.network, data=data, out=trial_folder(study, trial.number), settings=settings)
    try:
        result = train(run, progress=progress, callbacks=[pruning])
    except CheckError as error:
        trial.set_user_attr(_REASON, str(error))
        raise
    except KeyboardInterrupt:  # whoever goes on takes the same values up again
        opened.enqueue_trial(trial.params)
        raise
    if result.best_score is None:
        raise InputError(
            f"{data.name}: expected enough objects of a class to measure a validation by, got too few of "
            f"every class. Tune on a larger validation split."
        )
    return result.best_score


def _tidy(opened: optuna.Study, study: Study, number: int) -> None:
    """Keep the checkpoint of the best trial alone; figures of all."""
    (trial_folder(study, number) / "last.ckpt").unlink(missing_ok=True)
    best = trial_folder(study, opened.best_trial.number) if _completed(opened) else None
    for folder in (study.folder / TRIALS).iterdir():
        is_running = (folder / "last.ckpt").exists()
        if folder != best and not is_running:
            (folder / "best.ckpt").unlink(missing_ok=True)


def _report(opened: optuna.Study, trial: optuna.trial.FrozenTrial) -> TrialReport:
    state = {"COMPLETE": "complete", "PRUNED": "pruned"}.get(trial.state.name, "failed")
    reached = list(trial.intermediate_values.values())
    value = trial.value if trial.value is not None else reached[-1] if reached else None
    return TrialReport(
        number=trial.number,
        state=state,
        value=value,
        best=opened.best_value if _completed(opened) else None,
        done=_finished(opened),
        reason=trial.user_attrs.get(_REASON, ""),
    )


def _completed(opened: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in opened.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]


def _finished(opened: optuna.Study) -> int:
    """Count what counts as a trial: not those that were interrupted, whose values another trial takes up."""
    return sum(
        trial.state.name in ("COMPLETE", "PRUNED") or _REASON in trial.user_attrs
        for trial in opened.get_trials(deepcopy=False)
    )


def share_processors(workers: int) -> None:
    """Give each of several workers on this machine its part of the processors."""
    import torch

    torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))


def settings_of_trial(base: TrainSettings, *, epochs: int | None) -> TrainSettings:
    """Validate every epoch, so that a hopeless trial is found early.

    Args:
        base: what a person asked for.
        epochs: of a trial; the base's where not given.
    """
    values = base.model_dump(exclude_unset=True)
    if epochs is not None:
        values["epochs"] = epochs
    return train_settings(**{"validate_every": 1, **values})

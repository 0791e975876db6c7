"""Trains the paper's runs one after the other; what is finished is left alone, what was interrupted goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...data.class_choice import sampled_classes, sampled_names
from ...data.dataset import Dataset, open_dataset
from ...data.readers.find_reader import find_layout
from ...data.splits import SEEDED_TRAIN, SEEDED_VAL
from ...runtime.errors import CheckError, InputError
from ...runtime.files import StrPath
from ...runtime.image_files import image_hw
from ..checkpoints.checkpoint import load_checkpoint
from ..checkpoints.torch_session import normalised_images
from ..feed.validation_batches import objects_of, validation_batches
from ..learn.classifier_training import classifier_targets
from ..networks.classifier import JointClassifier
from ..run.run_folder import RunFolder
from ..run.train import TrainingRun, train
from ..settings import TrainSettings
from .plan import BASES, PaperPlan, PaperRun, settings_of
from .results import RUNS, FinishedRun, is_finished, load_finished, save_boxes, save_finished

CLASS_SEED = 0
"""Of the sample of fewer classes; the same for every seed of a run, so that seeds differ in training alone."""
_BOXES = 500
"""Validation images at most whose predicted box is kept."""
_SIZES_LOOKED_AT = 200


@dataclass(frozen=True, kw_only=True)
class PaperRunner:
    """Trains runs.

    Args:
        root: the labelled images.
        class_names: all classes.
        classes_asked: what `--classes` was; None where they are all of the data's. Runs with fewer classes sample among
            all of the data's too, unless names were asked for.
        out: folder of the results.
        workers: processes that read images.
        precision: as in `TrainSettings`.
        missing_is_background: as `open_dataset` takes it.
        anyway: likewise.
        progress: show a progress bar on the terminal.
    """

    root: StrPath
    class_names: tuple[str, ...]
    out: StrPath
    classes_asked: str | None = None
    workers: int = 2
    precision: str = "auto"
    missing_is_background: bool = False
    anyway: bool = False
    progress: bool = True

    def train_all(self, plan: PaperPlan, on_run: Callable[[PaperRun, int, int], None]) -> None:
        """Train what is not finished yet; a run that fails a check does not keep the others from running.

        Args:
            plan: what is to be run.
            on_run: called with each run before it begins, its number from 1 on, and the number of all.

        Raises:
            CheckError: at the end, naming the runs whose loss was not finite.
            InputError: a run's folder holds a run with other settings, or the data cannot be used.
        """
        runs = plan.runs()
        failed: list[str] = []
        for number, run in enumerate(runs, start=1):
            on_run(run, number, len(runs))
            if is_finished(self._folder(run)):
                self._check_classes(run)
                continue
            if run.base is not None and not is_finished(self._folder(run.base)):
                failed.append(f"{run.folder}: expected its base {run.base.folder} before it.")
                continue
            try:
                self.train(run)
            except CheckError as error:
                failed.append(f"{run.folder}: {error}")
        if failed:
            raise CheckError(f"{len(failed)} of {len(runs)} runs did not reach their last epoch. {' '.join(failed)}")

    def _folder(self, run: PaperRun) -> Path:
        return Path(self.out) / RUNS / run.folder

    def _check_classes(self, run: PaperRun) -> None:
        theirs = load_finished(self._folder(run)).class_names
        if others := sorted(set(theirs) ^ set(self.names(run))):
            raise InputError(
                f"{self._folder(run)}: expected a finished run of the classes that are asked for, got one "
                f"where {others[0]} makes a difference. Give another folder by -o, or the same classes."
            )

    def train(self, run: PaperRun) -> None:
        """Train one run to its end and mark it as finished; its last checkpoint stays if detectors start from it."""
        folder = RunFolder(path=self._folder(run))
        data = self._data(run)
        settings = settings_of(run, workers=self.workers, precision=self.precision)
        resumed, began = folder.last.is_file(), time.monotonic()
        start_from = None if run.base is None else RunFolder(path=self._folder(run.base)).last
        training = TrainingRun(
            network=run.network, data=data, out=folder.path, settings=settings, start_from=start_from, resume=resumed
        )
        train(training, progress=self.progress)
        seconds = time.monotonic() - began
        if (centres := _joint_centres(folder.last, data, settings)) is not None:
            save_boxes(folder.path, centres)
        counts = [len(data.sample_ids(split, seed=settings.split_seed)) for split in (SEEDED_TRAIN, SEEDED_VAL)]
        finished = FinishedRun(
            run=run,
            class_names=data.class_names,
            classes_asked=self.classes_asked,
            data=f"{data.name}, {counts[0]} images to train on and {counts[1]} to validate on",
            original_px=_median_hw(data, settings),
            seconds=seconds,
            resumed=resumed,
            rows=(),
        )
        save_finished(folder.path, finished)
        if run.network not in BASES.values():
            folder.last.unlink()

    def _data(self, run: PaperRun) -> Dataset:
        return open_dataset(
            self.root,
            class_names=self.names(run),
            missing_is_background=self.missing_is_background,
            anyway=self.anyway,
        )

    def names(self, run: PaperRun) -> list[str]:
        """Give the classes that a run tells apart."""
        if run.classes == len(self.class_names):
            return list(self.class_names)
        if self.classes_asked is None or self.classes_asked.strip().isdecimal():
            return sampled_classes(find_layout(self.root), run.classes, seed=CLASS_SEED)
        return sampled_names(self.class_names, run.classes, seed=CLASS_SEED)


def _median_hw(data: Dataset, settings: TrainSettings) -> tuple[int, int]:
    """Give the middle height and width of the first images that can be used, as they lie on disk."""
    samples = islice(data.samples(settings.val_split, seed=settings.split_seed), _SIZES_LOOKED_AT)
    sizes = np.median([image_hw(sample.image_path) for sample in samples], axis=0)
    return int(sizes[0]), int(sizes[1])


def _joint_centres(checkpoint: Path, data: Dataset, settings: TrainSettings) -> NDArray[np.float32] | None:
    """Find out where a network that predicts one box puts its middle, and where it is: [n, 4] (x, y, found x, y).

    None for a network that predicts none.
    """
    loaded = load_checkpoint(checkpoint)
    network, spec = loaded.network, loaded.card.input
    if not isinstance(network, JointClassifier):
        return None
    pairs: list[NDArray[np.float32]] = []
    for samples, frames in validation_batches(data, settings.val_split, spec, seed=settings.split_seed):
        targets = classifier_targets(objects_of(samples, spec, torch.device("cpu")))
        images = torch.from_numpy(np.ascontiguousarray(frames[..., ::-1])).permute(0, 3, 1, 2)
        with torch.inference_mode():
            found = network.class_and_box(normalised_images(images, spec)).boxes_xyxy
        both = np.stack([targets.boxes_xyxy.numpy(), found.numpy()], axis=1)[targets.labels.numpy() >= 0]
        middles = both.reshape(-1, 2, 2, 2).mean(axis=2).reshape(-1, 4)  # of the corners
        pairs.append(middles.astype(np.float32))
        if sum(map(len, pairs)) >= _BOXES:
            break
    return np.concatenate(pairs)[:_BOXES]

"""Workers that die: the run ends in a line, instead of waiting for what never comes."""

from __future__ import annotations

import os
import signal
from multiprocessing import active_children
from pathlib import Path

import pytest
from torch import Tensor, zeros
from torch.utils.data import DataLoader, TensorDataset

from singleshot.data.cache.building import open_image_cache
from singleshot.data.dataset import open_dataset
from singleshot.runtime.errors import InputError
from singleshot.train.feed.batches import training_batches
from singleshot.train.feed.device_augmentation import Place
from singleshot.train.feed.epochs import epochs_of
from singleshot.train.feed.workers import told_when_workers_die
from singleshot.train.settings import TrainSettings

HW = (48, 64)


def read_with_a_worker(root: Path, place: Place = "workers") -> None:
    cache = open_image_cache(open_dataset(root, class_names=("chair", "dog")), "train", input_hw=HW)
    settings = TrainSettings(batch_size=4, workers=1)
    loader = training_batches(cache, epochs_of(cache, settings), input_hw=HW, settings=settings, place=place)
    try:
        with told_when_workers_die(loader):
            list(loader)
    finally:
        assert not active_children(), "Python would wait for them at its exit"


@pytest.mark.parametrize("place", ["workers", "device"])
def test_a_worker_without_shared_memory_ends_the_run(
    animals_root: Path, monkeypatch: pytest.MonkeyPatch, place: Place
) -> None:
    def no_room(_tensor: Tensor) -> Tensor:
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)")

    monkeypatch.setattr(Tensor, "share_memory_", no_room)
    message = (
        r"^workers: expected 1 processes that .* found shared memory full\. Start with --workers 0, .*--shm-size=2g\.$"
    )
    with pytest.raises(InputError, match=message):
        read_with_a_worker(animals_root, place)


def test_a_worker_that_is_killed_ends_the_run(animals_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(_tensor: Tensor) -> Tensor:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    monkeypatch.setattr(Tensor, "share_memory_", killed)
    with pytest.raises(
        InputError,
        match=r"got one that died \((killed by signal: Killed|exited unexpectedly)\)\. Start with --workers 0",
    ):
        read_with_a_worker(animals_root)


def test_another_error_stays_what_it_is() -> None:
    with (
        pytest.raises(RuntimeError, match="no such thing") as told,
        told_when_workers_die(DataLoader(TensorDataset(zeros(1)))),
    ):
        raise RuntimeError("no such thing")
    assert not isinstance(told.value, InputError)

"""Batches: an image of an epoch is a function of seed, epoch and index."""

from __future__ import annotations

import os
import pickle
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from singleshot.data.cache.building import open_image_cache
from singleshot.data.cache.image_cache import ImageCache
from singleshot.data.dataset import Dataset, open_dataset
from singleshot.train.augmentation_settings import AugmentationSettings
from singleshot.train.feed.batches import AugmentedImages, Batch, PlannedBatch, training_batches
from singleshot.train.feed.device_augmentation import Place, where_to_augment
from singleshot.train.feed.epochs import BalancedEpochs, ShuffledEpochs, epochs_of
from singleshot.train.settings import TrainSettings

HW = (48, 64)


@pytest.fixture(scope="module")
def data(animals_root: Path) -> Dataset:
    return open_dataset(animals_root, class_names=("chair", "dog"))


@pytest.fixture(scope="module")
def cache(data: Dataset) -> ImageCache:
    return open_image_cache(data, "train", input_hw=HW)


def images(cache: ImageCache, *, seed: int = 0) -> AugmentedImages:
    return AugmentedImages(cache, input_hw=HW, seed=seed, augmentation=AugmentationSettings())


def epoch_of(
    cache: ImageCache, *, epoch: int, workers: int = 0, seed: int = 0, place: Place = "workers"
) -> list[Batch]:
    settings = TrainSettings(batch_size=5, workers=workers, seed=seed)
    epochs = epochs_of(cache, settings, first_epoch=epoch)
    loader = training_batches(cache, epochs, input_hw=HW, settings=settings, place=place)
    return list(loader)


def same(first: list[Batch], second: list[Batch]) -> bool:
    return all(torch.equal(one.images, other.images) for one, other in zip(first, second, strict=True))


def test_the_number_of_workers_changes_nothing(cache: ImageCache) -> None:
    alone, sent = epoch_of(cache, workers=0, epoch=3), epoch_of(cache, workers=2, epoch=3)
    assert same(alone, sent)
    for here, there in zip(alone, sent, strict=True):
        for (boxes, labels), (boxes_sent, labels_sent) in zip(here.objects, there.objects, strict=True):
            assert torch.equal(boxes, boxes_sent)
            assert torch.equal(labels, labels_sent)
        assert here.image_ids == there.image_ids
    assert [tuple(batch.images.shape) for batch in alone] == [(5, 3, 48, 64)] * 2  # two of twelve are left out
    assert alone[0].images.dtype == torch.uint8
    assert alone[0].images.is_contiguous(memory_format=torch.channels_last)
    assert all(len(boxes) == len(labels) for batch in alone for boxes, labels in batch.objects)
    assert {name for batch in alone for name in batch.image_ids} <= set(cache.image_ids())


def test_workers_survive_the_sigterm_that_a_service_manager_sends_to_all(
    cache: ImageCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = epoch_of(cache, workers=0, epoch=0)
    untouched, run = AugmentedImages.__getitem__, os.getpid()

    def terminated(self: AugmentedImages, key: tuple[int, int]) -> object:
        assert os.getpid() != run
        os.kill(os.getpid(), signal.SIGTERM)
        return untouched(self, key)

    monkeypatch.setattr(AugmentedImages, "__getitem__", terminated)
    assert same(alone, epoch_of(cache, workers=1, epoch=0))


THREADS = Path("/proc/self/task")
_THREADS_AT_FORK: list[int] = []


@pytest.mark.skipif(not THREADS.exists(), reason="threads are counted as Linux tells them")
def test_workers_are_forked_from_a_process_without_threads_of_opencv(cache: ImageCache) -> None:
    """A worker that inherits a lock which one of them held would wait for ever."""
    cv2.setNumThreads(1)
    alone = len(list(THREADS.iterdir()))
    cv2.setNumThreads(4)
    cv2.resize(np.zeros((2000, 3000, 3), np.uint8), (1000, 1000))
    assert len(list(THREADS.iterdir())) > alone
    os.register_at_fork(before=lambda: _THREADS_AT_FORK.append(len(list(THREADS.iterdir()))))
    assert len(epoch_of(cache, workers=2, epoch=0)) == 2
    assert len(_THREADS_AT_FORK) >= 2
    assert max(_THREADS_AT_FORK) <= alone


def test_epochs_and_seeds_differ(cache: ImageCache) -> None:
    first = epoch_of(cache, epoch=0)
    assert not same(first, epoch_of(cache, epoch=1))
    assert not same(first, epoch_of(cache, epoch=0, seed=1))


def test_an_image_depends_on_epoch_and_index_alone(cache: ImageCache) -> None:
    torch.manual_seed(1)
    first = images(cache)[2, 1]
    state = torch.get_rng_state()
    again = pickle.loads(pickle.dumps(images(cache)))[2, 1]  # as a worker that was not forked has it
    assert (first.image_rgb == again.image_rgb).all()
    assert (first.plan.boxes_xyxy == again.plan.boxes_xyxy).all()
    assert torch.equal(torch.get_rng_state(), state)  # and leaves the caller's random state alone
    assert (first.image_rgb != images(cache)[3, 1].image_rgb).any()


def test_labels_count_from_one_and_difficult_objects_are_marked(cache: ImageCache) -> None:
    labels = {tuple(images(cache)[epoch, 1].plan.labels.tolist()) for epoch in range(10)}
    # The list is chair, dog; the picture holds a dog (2), a chair (1) and a difficult chair (-1).
    assert (2, 1, -1) in labels
    assert {label for each in labels for label in each} == {2, 1, -1}


def test_a_set_smaller_than_a_batch_is_one_batch(cache: ImageCache) -> None:
    settings = TrainSettings(batch_size=64, workers=0)
    batches = list(training_batches(cache, epochs_of(cache, settings), input_hw=HW, settings=settings))
    assert [len(batch.images) for batch in batches] == [12]


def test_a_batch_is_what_all_processes_take(cache: ImageCache) -> None:
    settings = TrainSettings(batch_size=6, workers=0)
    epochs = epochs_of(cache, settings, rank=1, world_size=2)
    batches = list(training_batches(cache, epochs, input_hw=HW, settings=settings))
    assert [len(batch.images) for batch in batches] == [3, 3]


def test_balanced_is_a_setting(cache: ImageCache) -> None:
    assert isinstance(epochs_of(cache, TrainSettings()), ShuffledEpochs)
    epochs = epochs_of(cache, TrainSettings(balanced=True))
    assert isinstance(epochs, BalancedEpochs)
    # Chairs on 3 of 12 images, dogs on 6 of 12, those 3 among them; 6 images with neither.
    chairs = set(cache.images_by_class()[0].tolist())
    assert len(chairs) == 3
    assert sum(index in chairs for _, index in epochs) >= 4


def test_a_batch_may_be_augmented_on_the_device(cache: ImageCache) -> None:
    planned = epoch_of(cache, epoch=2, place="device")
    in_workers = epoch_of(cache, epoch=2)
    for batch, expected in zip(planned, in_workers, strict=True):
        assert isinstance(batch, PlannedBatch)
        moved = batch.to(torch.device("cpu"), non_blocking=True)
        assert moved.images.shape == expected.images.shape
        assert (moved.images.float() - expected.images.float()).abs().mean() < 1
        assert moved.image_ids == expected.image_ids
        for (boxes, labels), (others, theirs) in zip(moved.objects, expected.objects, strict=True):
            assert torch.equal(boxes, others)
            assert torch.equal(labels, theirs)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="memory is pinned for a GPU")
def test_what_is_sent_to_a_gpu_is_pinned(cache: ImageCache) -> None:
    for batch in epoch_of(cache, epoch=2, place="device"):
        assert isinstance(batch, PlannedBatch)
        sent = [value for value in vars(batch.pin_memory().planned).values() if isinstance(value, Tensor)]
        assert sent
        assert all(tensor.is_pinned() for tensor in sent)


def test_a_device_that_holds_all_images_augments_the_same(cache: ImageCache) -> None:
    sent, resident = (epoch_of(cache, epoch=1, place=place) for place in ("device", "resident"))
    pixels = torch.tensor(cache.pixels)
    for batch, expected in zip(resident, sent, strict=True):
        assert isinstance(batch, PlannedBatch)
        assert isinstance(expected, PlannedBatch)
        assert batch.planned.canvases is None  # nothing but numbers is sent
        drawn = batch.augmented_on(torch.device("cpu"), pixels)
        assert torch.equal(drawn.images, expected.to(torch.device("cpu")).images)
        assert drawn.image_ids == expected.image_ids


@pytest.mark.parametrize(
    ("free", "place"),
    [
        pytest.param(None, "workers", id="no GPU"),
        pytest.param(1 << 34, "resident", id="they fit"),
        pytest.param(1 << 10, "device", id="they do not fit"),
    ],
)
def test_a_gpu_holds_the_images_where_they_fit(
    free: int | None, place: str, cache: ImageCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: free is not None)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (free, free))
    assert where_to_augment(cache) == place

"""Batches: an image of an epoch is a function of seed, epoch and index."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch

from singleshot.calib.datasets import Dataset, open_dataset
from singleshot.train.batches import AugmentedImages, Batch, ShuffledEpochs, training_batches
from singleshot.train.settings import TrainSettings


@pytest.fixture(scope="module")
def data(animals_root: Path) -> Dataset:
    return open_dataset(animals_root, class_names=("chair", "dog"))


def images(data: Dataset, *, seed: int = 0) -> AugmentedImages:
    return AugmentedImages(data, data.sample_ids("train"), input_hw=(48, 48), seed=seed)


def epoch_of(data: Dataset, *, workers: int, epoch: int, seed: int = 0) -> list[Batch]:
    settings = TrainSettings(batch_size=5, workers=workers, seed=seed)
    loader = training_batches(data, data.sample_ids("train"), input_hw=(48, 48), settings=settings)
    assert isinstance(loader.sampler, ShuffledEpochs)
    loader.sampler.set_epoch(epoch)
    return list(loader)


def same(first: list[Batch], second: list[Batch]) -> bool:
    return all(torch.equal(one.images, other.images) for one, other in zip(first, second, strict=True))


def test_the_number_of_workers_changes_nothing(data: Dataset) -> None:
    alone = epoch_of(data, workers=0, epoch=3)
    assert same(alone, epoch_of(data, workers=2, epoch=3))
    assert [len(batch.images) for batch in alone] == [5, 5]  # two of twelve are left out
    assert alone[0].images.dtype == torch.uint8
    assert all(len(boxes) == len(labels) for batch in alone for boxes, labels in batch.objects)


def test_workers_survive_the_sigterm_that_a_service_manager_sends_to_all(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = epoch_of(data, workers=0, epoch=0)
    untouched, run = AugmentedImages.__getitem__, os.getpid()

    def terminated(self: AugmentedImages, key: tuple[int, int]) -> object:
        assert os.getpid() != run
        os.kill(os.getpid(), signal.SIGTERM)
        return untouched(self, key)

    monkeypatch.setattr(AugmentedImages, "__getitem__", terminated)
    assert same(alone, epoch_of(data, workers=1, epoch=0))


def test_epochs_and_seeds_differ(data: Dataset) -> None:
    first = epoch_of(data, workers=0, epoch=0)
    assert not same(first, epoch_of(data, workers=0, epoch=1))
    assert not same(first, epoch_of(data, workers=0, epoch=0, seed=1))


def test_an_image_depends_on_epoch_and_index_alone(data: Dataset) -> None:
    torch.manual_seed(1)
    first = images(data)[2, 1]
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again = images(data)[2, 1]
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.boxes_xyxy, again.boxes_xyxy)
    assert torch.equal(torch.get_rng_state(), state)  # and leaves the caller's random state alone
    assert not torch.equal(first.image, images(data)[3, 1].image)


def test_labels_count_from_one_and_difficult_objects_are_marked(data: Dataset) -> None:
    labels = {tuple(images(data)[epoch, 1].labels.tolist()) for epoch in range(10)}
    # The list is chair, dog; the picture holds a dog (2), a chair (1) and a difficult chair (-1).
    assert (2, 1, -1) in labels
    assert {label for each in labels for label in each} == {2, 1, -1}


def test_an_epoch_is_a_permutation() -> None:
    sampler = ShuffledEpochs(50, seed=3)
    orders = []
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        keys = list(sampler)
        assert {number for number, _ in keys} == {epoch}
        orders.append([index for _, index in keys])
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert orders[0] != orders[1]


def test_a_set_smaller_than_a_batch_is_one_batch(data: Dataset) -> None:
    settings = TrainSettings(batch_size=64, workers=0)
    batches = list(training_batches(data, data.sample_ids("train"), input_hw=(48, 48), settings=settings))
    assert [len(batch.images) for batch in batches] == [12]

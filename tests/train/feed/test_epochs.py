"""The order of images: by seed and epoch alone, whole, and the same for all processes of a run."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from singleshot.train.feed.epochs import BalancedEpochs, Epochs, ShuffledEpochs

CLASSES = [np.arange(2), np.arange(2, 40), np.arange(40, 47)]


def balanced(*, count: int = 60, seed: int = 0, rank: int = 0, world_size: int = 1) -> BalancedEpochs:
    return BalancedEpochs(CLASSES, count=count, seed=seed, rank=rank, world_size=world_size)


def indices(epochs: Epochs, epoch: int = 0) -> list[int]:
    epochs.set_epoch(epoch)
    keys = list(epochs)
    assert {number for number, _ in keys} == {epoch}
    assert len(keys) == len(epochs)
    return [index for _, index in keys]


def test_an_epoch_is_a_permutation_and_the_next_another() -> None:
    first, second = (indices(ShuffledEpochs(50, seed=3), epoch) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert first != indices(ShuffledEpochs(50, seed=4))
    assert first == indices(ShuffledEpochs(50, seed=3))


def test_a_resumed_run_starts_with_its_epoch() -> None:
    assert next(iter(ShuffledEpochs(5, seed=0, first_epoch=7)))[0] == 7


@given(st.integers(4, 60), st.integers(1, 4), st.integers(1, 5))
def test_processes_share_the_batches_of_one(count: int, world_size: int, batch_size: int) -> None:
    alone = indices(ShuffledEpochs(count, seed=1))
    ranks = [indices(ShuffledEpochs(count, seed=1, rank=rank, world_size=world_size)) for rank in range(world_size)]
    assert {len(rank) for rank in ranks} == {count // world_size}
    for step in range(count // world_size // batch_size):
        together = [index for rank in ranks for index in rank[step * batch_size : (step + 1) * batch_size]]
        globally = batch_size * world_size
        assert sorted(together) == sorted(alone[step * globally : (step + 1) * globally])


def class_of(index: int) -> int:
    return next(number for number, images in enumerate(CLASSES) if index in images)


@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_balanced_batches_hold_every_class_equally_often(epoch: int) -> None:
    order = indices(balanced(), epoch)
    assert len(order) == 60
    for start in range(0, 60, 12):
        assert Counter(map(class_of, order[start : start + 12])) == {0: 4, 1: 4, 2: 4}
    for start in range(0, 60, 10):  # not a multiple of the classes
        counts = Counter(map(class_of, order[start : start + 10]))
        assert max(counts.values()) - min(counts[number] for number in range(3)) <= 2


def test_a_class_goes_through_its_images_before_one_comes_again() -> None:
    small = [index for index in indices(balanced()) if index < 2]
    assert all(set(small[at : at + 2]) == {0, 1} for at in range(0, len(small), 2))
    large = [index for index in indices(balanced()) if 2 <= index < 40]
    assert len(set(large)) == len(large) == 20


def test_balanced_order_is_by_seed_and_epoch() -> None:
    assert indices(balanced(seed=1), 4) == indices(balanced(seed=1), 4)
    assert indices(balanced(seed=1), 4) != indices(balanced(seed=1), 5)
    assert indices(balanced(seed=1), 4) != indices(balanced(seed=2), 4)
    halves = [indices(balanced(rank=rank, world_size=2)) for rank in (0, 1)]
    assert [index for pair in zip(*halves, strict=True) for index in pair] == indices(balanced())

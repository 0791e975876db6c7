"""In which order an epoch goes through the images; every process of a run knows the order of all."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from ...data.cache.image_cache import ImageCache
from ..settings import TrainSettings


class Epochs(Sampler[tuple[int, int]]):
    """Gives (epoch, index) by seed and epoch alone.

    Of W processes, each takes every W-th image of one order: together, at a step, they take what one process with W
    times the batch size would. The few images at the end that do not go round are left out.
    """

    def __init__(self, count: int, *, seed: int, first_epoch: int = 0, rank: int = 0, world_size: int = 1) -> None:
        """Take the number of images.

        Args:
            count: images.
            seed: with the epoch, it alone gives the order.
            first_epoch: the one that a resumed run goes on with.
            rank: which of the W processes this one is, from 0.
            world_size: W, the number of processes.
        """
        self._count = count
        self._seed = seed
        self._epoch = first_epoch
        self._rank = rank
        self.world_size = world_size

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls it before each."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._count // self.world_size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = self.order(np.random.default_rng((self._seed, self._epoch)))
        mine = order[self._rank :: self.world_size][: len(self)]
        return ((self._epoch, int(index)) for index in mine)

    @abstractmethod
    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Shuffle an epoch's order of all processes, [count] int64."""


class ShuffledEpochs(Epochs):
    """A full reshuffle each epoch: every image once."""

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Choose a permutation."""
        return rng.permutation(self._count)


class BalancedEpochs(Epochs):
    """Every class as often as any other, in each batch to within two images, whatever the number of its images.

    An image stands for one of its classes at a time. A class goes through all of its images before one comes again.

    Source: the batch generator of the project's paper.
    """

    def __init__(
        self,
        images_by_class: Sequence[NDArray[np.int64]],
        *,
        count: int,
        seed: int,
        first_epoch: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Take the images of each class, none empty, and how many images make an epoch; see `Epochs`."""
        super().__init__(count, seed=seed, first_epoch=first_epoch, rank=rank, world_size=world_size)
        self._images_by_class = images_by_class

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Deal the classes in rounds, each round in another order, and the images of each class likewise."""
        rounds = -(-self._count // len(self._images_by_class))
        dealt = [_dealt(images, rounds, rng) for images in self._images_by_class]
        by_round = np.stack(dealt, axis=1)  # [rounds, classes]
        order: NDArray[np.int64] = rng.permuted(by_round, axis=1).ravel()[: self._count]
        return order


def epochs_of(
    cache: ImageCache, settings: TrainSettings, *, first_epoch: int = 0, rank: int = 0, world_size: int = 1
) -> Epochs:
    """Choose the order that the settings ask for; see `Epochs`."""
    if settings.balanced:
        return BalancedEpochs(
            cache.images_by_class(),
            count=len(cache),
            seed=settings.seed,
            first_epoch=first_epoch,
            rank=rank,
            world_size=world_size,
        )
    return ShuffledEpochs(len(cache), seed=settings.seed, first_epoch=first_epoch, rank=rank, world_size=world_size)


def _dealt(images: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Go through images in one order after another until there are enough."""
    decks = [rng.permutation(images) for _ in range(-(-count // len(images)))]
    return np.concatenate(decks)[:count]

"""Several processes on one run: who takes part, and what they tell each other."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import Tensor

from ..runtime.errors import InputError


@dataclass(frozen=True, kw_only=True)
class World:
    """The processes of a run, each with its own device.

    Args:
        rank: of this process, from 0.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    def sum(self, value: Tensor) -> Tensor:
        """Add a tensor up over all processes; every one of them has to call it."""
        if self.size == 1:
            return value
        total = value.detach().clone()
        torch.distributed.all_reduce(total)
        return total


ALONE = World()


def current_world() -> World:
    """Return the processes that train together, once they have found each other; before that this one alone."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return ALONE
    return World(rank=torch.distributed.get_rank(), size=torch.distributed.get_world_size())


def announced_world(devices: int) -> World:
    """Return the processes that a launcher announced, before they have found each other.

    `torchrun` says it in the environment of each process. Lightning tells the processes that it starts itself, when a
    run has several devices, their `LOCAL_RANK` and the common `WORLD_SIZE`, but no `RANK`.

    Args:
        devices: of this machine, as the settings say; used where no launcher announced anything.

    Raises:
        InputError: the environment holds something else than numbers, or a rank and no size.
    """
    try:
        if "RANK" in os.environ:
            return World(rank=int(os.environ["RANK"]), size=int(os.environ["WORLD_SIZE"]))
        return World(rank=int(os.environ.get("LOCAL_RANK", "0")), size=devices)
    except (KeyError, ValueError) as error:
        raise InputError(f"WORLD_SIZE, RANK: expected numbers, as torchrun gives them, got {error}.") from error


def machines_and_devices(devices: int) -> tuple[int, int]:
    """Return how many machines a run has, and how many processes each.

    Args:
        devices: as the settings say; what `torchrun` announces goes before it.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return 1, devices
    on_each = int(os.environ["LOCAL_WORLD_SIZE"])
    return int(os.environ["WORLD_SIZE"]) // on_each, on_each


def images_per_process(batch_size: int, world: World) -> int:
    """Split the images of a step evenly.

    Raises:
        InputError: they do not divide.
    """
    if batch_size % world.size:
        raise InputError(
            f"batch_size: expected a multiple of the {world.size} processes, as it counts the images of a step over "
            f"all of them, got {batch_size}."
        )
    return batch_size // world.size

"""Reads images with one worker that comes to grief.

`python -m singleshot.tests.train.feed.reading_worker ROOT PLACE HOW`, in a process of its own, as a training is:
forking from a process of tests, with the threads of other libraries, may hang.
"""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing import active_children
from pathlib import Path

from torch import Tensor

from singleshot.data.cache.building import open_image_cache
from singleshot.data.dataset import open_dataset
from singleshot.runtime.errors import InputError
from singleshot.train.feed.batches import training_batches
from singleshot.train.feed.device_augmentation import Place
from singleshot.train.feed.epochs import epochs_of
from singleshot.train.feed.workers import ended_workers
from singleshot.train.settings import TrainSettings

HW = (48, 64)


def no_room(_tensor: Tensor) -> Tensor:
    raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)")


def killed(_tensor: Tensor) -> Tensor:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def read_with_a_worker(root: Path, place: Place) -> None:
    cache = open_image_cache(open_dataset(root, class_names=("chair", "dog")), "train", input_hw=HW)
    settings = TrainSettings(batch_size=4, workers=1)
    loader = training_batches(cache, epochs_of(cache, settings), input_hw=HW, settings=settings, place=place)
    try:
        with ended_workers(loader):
            list(loader)
    except InputError as error:
        sys.stdout.write(f"{error}\n")
    sys.stdout.write(f"{len(active_children())} processes left\n")  # Python would wait for them at its exit


if __name__ == "__main__":
    Tensor.share_memory_ = {"no_room": no_room, "killed": killed}[sys.argv[3]]  # type: ignore[method-assign]
    read_with_a_worker(Path(sys.argv[1]), "device" if sys.argv[2] == "device" else "workers")

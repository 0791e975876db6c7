"""How fast a network trains on images from disk, as a share of what it does on one batch in memory."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import repeat
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from ...data.cache.image_cache import DecodedImages, ImageCache
from ...data.dataset import Dataset
from ...train.checkpoints.torch_session import normalised_images
from ...train.configuration import for_network
from ...train.feed.batches import Batch, training_batches
from ...train.feed.device_augmentation import Place, where_to_augment
from ...train.feed.epochs import ShuffledEpochs
from ...train.learn.training_module import Training
from ...train.precision import resolved_precision
from ...train.run.freed_memory import keep_freed_memory
from ...train.run.train import TRAININGS, planned_card
from ...train.settings import TRAINED_IN, TrainSettings
from .torchvision_pipeline import TorchvisionImages

IN_MEMORY = "one batch in memory"
CACHE = "cache"
DECODING = "decoding each epoch"
TORCHVISION = "torchvision's pipeline"
_TYPES = {item: getattr(torch, item.dtype) for item in TRAINED_IN}


@dataclass(frozen=True, kw_only=True)
class PathReport:
    """One way to get at the images.

    Args:
        name: of it.
        images_per_s: median of the rounds.
        share: of the rate of the same round's turn on one batch in memory: median, least, most.
    """

    name: str
    images_per_s: float
    share: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class ThroughputReport:
    """What was measured for one network."""

    network: str
    input_hw: tuple[int, int]
    precision: str
    device: str
    images: int
    batch_size: int
    workers: int
    steps: int
    rounds: int
    paths: tuple[PathReport, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what `json.dumps` takes."""
        return asdict(self)


def measure_throughput(
    network: str,
    data: Dataset,
    cache: ImageCache,
    settings: TrainSettings,
    *,
    steps: int,
    rounds: int,
    on_turn: Callable[[str, int], None] | None = None,
) -> ThroughputReport:
    """Train on one batch over and over, then from the cache, by decoding, and by torchvision's pipeline, in turns.

    Args:
        network: its name.
        data: labelled images.
        cache: of the same images, made for the network's input.
        settings: batch size, workers, precision and augmentation are taken from it.
        steps: timed in each turn, after one that is not.
        rounds: turns of each way.
        on_turn: called with the name of the way and the round, from 1.
    """
    settings = for_network(settings, network)
    module, loaders = _prepared(network, data, cache, settings)
    input_hw = module.card.input.height, module.card.input.width
    step = _stepper(module, settings)
    constant = next(iter(loaders[CACHE]()))
    seconds: dict[str, list[float]] = {name: [] for name in (IN_MEMORY, *loaders)}
    for number in range(1, rounds + 1):
        for name, times in seconds.items():
            if on_turn is not None:
                on_turn(name, number)
            batches = repeat(constant) if name == IN_MEMORY else _endless(loaders[name])
            times.append(_timed(step, batches, steps))
    per_turn = steps * settings.batch_size
    paths = []
    for name, times in seconds.items():
        shares = [alone / real for alone, real in zip(seconds[IN_MEMORY], times, strict=True)]
        rate = per_turn / statistics.median(times)
        paths.append(
            PathReport(name=name, images_per_s=rate, share=(statistics.median(shares), min(shares), max(shares)))
        )
    return ThroughputReport(
        network=network,
        input_hw=input_hw,
        precision=resolved_precision(settings.precision),
        device=_device().type,
        images=len(cache),
        batch_size=settings.batch_size,
        workers=settings.workers,
        steps=steps,
        rounds=rounds,
        paths=tuple(paths),
    )


def seconds_per_step(network: str, data: Dataset, cache: ImageCache, settings: TrainSettings, *, steps: int) -> float:
    """Train from the cache for so many steps, after one that is not timed; the arguments are `measure_throughput`'s."""
    settings = for_network(settings, network)
    module, loaders = _prepared(network, data, cache, settings)
    return _timed(_stepper(module, settings), _endless(loaders[CACHE]), steps) / steps


def _prepared(
    network: str, data: Dataset, cache: ImageCache, settings: TrainSettings
) -> tuple[Training, dict[str, Callable[[], DataLoader[Any]]]]:
    module = _module(network, data, settings)
    input_hw = module.card.input.height, module.card.input.width
    place = where_to_augment(cache)
    if place == "resident":
        module.hold(cache.pixels)
        module.on_fit_start()
    keep_freed_memory()
    return module, _loaders(data, cache, settings, place, input_hw=input_hw, task=module.card.task)


def _module(network: str, data: Dataset, settings: TrainSettings) -> Training:
    card = planned_card(network, data, settings)
    frames = np.zeros((0, card.input.height, card.input.width, 3), np.uint8)
    module = TRAININGS[card.task](card, data, settings, steps_per_epoch=1, frames=frames).to(_device())
    return module.train()


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _loaders(
    data: Dataset,
    cache: ImageCache,
    settings: TrainSettings,
    place: Place,
    *,
    input_hw: tuple[int, int],
    task: Any,
) -> dict[str, Callable[[], DataLoader[Any]]]:
    """Name -> makes the loader; each is made anew for its turn, so that its workers do not run in another's."""
    image_ids = cache.image_ids()
    epochs = ShuffledEpochs(len(cache), seed=settings.seed)
    decoded = DecodedImages(data, image_ids, input_hw=input_hw)
    theirs = TorchvisionImages(data, image_ids, input_hw=input_hw, task=task)
    sent: Place = "workers" if place == "workers" else "device"
    return {
        CACHE: lambda: training_batches(cache, epochs, input_hw=input_hw, settings=settings, place=place),
        DECODING: lambda: training_batches(decoded, epochs, input_hw=input_hw, settings=settings, place=sent),
        TORCHVISION: lambda: DataLoader(
            theirs,
            batch_size=settings.batch_size,
            sampler=epochs,
            num_workers=settings.workers,
            persistent_workers=settings.workers > 0,
            collate_fn=theirs.batch,
            drop_last=True,
        ),
    }


def _endless(make: Callable[[], DataLoader[Any]]) -> Iterator[Batch]:
    loader = make()
    while True:
        yield from loader


def _stepper(module: Training, settings: TrainSettings) -> Callable[[Any], None]:
    """Give what a run does with a batch, without what it writes down about it."""
    device, spec = _device(), module.card.input
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=1e-6, fused=True)  # so small that nothing becomes of it
    kind = _TYPES[resolved_precision(settings.precision)]

    def step(batch: Any) -> None:
        moved: Batch = module.transfer_batch_to_device(batch, device, 0)
        images = normalised_images(moved.images, spec).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, kind, enabled=kind is not torch.float32), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # figures are logged without a trainer
            loss = torch.stack(list(module.losses(images, moved).values())).sum()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(learned, settings.gradient_clip)
        optimizer.step()
        optimizer.zero_grad()

    return step


def _timed(step: Callable[[Any], None], batches: Iterator[Any], steps: int) -> float:
    step(next(batches))  # starts workers
    _finish()
    start = time.perf_counter()
    for _ in range(steps):
        step(next(batches))
    _finish()
    return time.perf_counter() - start


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()

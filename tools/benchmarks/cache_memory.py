"""How much memory a process takes that reads images from a cache, whatever their number."""

from __future__ import annotations

import multiprocessing
import re
from pathlib import Path

import numpy as np

from ...data.cache.image_cache import ABOUT, IMAGES, PIXELS, SPANS_DTYPE, ImageCache
from ...train.augmentation_settings import AugmentationSettings
from ...train.feed.batches import AugmentedImages
from ...train.feed.epochs import ShuffledEpochs

_READ = 2000
"""Images read to see how much memory that takes."""


def resident_mib(cache_folder: Path, labels: str, *, input_hw: tuple[int, int]) -> float:
    """Read and augment 2,000 images of a cache in a fresh process; return the most memory that it held, in MiB.

    Linux only.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_read_some, (cache_folder, labels, input_hw))


def repeated_cache(cache: ImageCache, folder: Path, times: int) -> ImageCache:
    """Make a cache whose tables list every image so many times; its pixels are those of the given one."""
    source, labels = cache.location
    folder.mkdir(parents=True)
    (folder / PIXELS).symlink_to((source / PIXELS).resolve())
    for name in (ABOUT, f"{labels}.objects.bin"):
        (folder / name).write_bytes((source / name).read_bytes())
    (folder / IMAGES).write_bytes((source / IMAGES).read_bytes() * times)
    spans = np.fromfile(source / f"{labels}.spans.bin", SPANS_DTYPE)
    np.tile(spans, times).tofile(folder / f"{labels}.spans.bin")
    return ImageCache(folder, labels)


def _read_some(folder: Path, labels: str, input_hw: tuple[int, int]) -> float:
    cache = ImageCache(folder, labels)
    images = AugmentedImages(cache, input_hw=input_hw, seed=0, augmentation=AugmentationSettings())
    for number, key in enumerate(ShuffledEpochs(len(cache), seed=0)):
        if number == _READ:
            break
        _ = images[key]
    told = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s*(\d+) kB", told)[0]) / 1024

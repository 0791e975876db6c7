"""Fill an image cache: every image of a split decoded once, whole or not at all, and found again by later runs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import compress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from ...runtime.errors import InputError
from ...runtime.files import StrPath, whole_file
from ...runtime.progress import Progress, no_progress
from ..dataset import Dataset
from ..report import Problem
from ..sample import Sample, sample_digest
from ..usable_samples import Found, check_enough, image_or_problem, looked_at
from .image_cache import (
    ABOUT,
    IMAGES,
    OBJECTS_DTYPE,
    PIXELS,
    SPANS_DTYPE,
    ImageCache,
    fitted_rgb,
    images_dtype,
    labelled_path,
    normalised_boxes,
    stored_hw,
)

_FORMAT = 2
"""Part of every key; another layout of the files, or another way to fit images, needs another number."""

_CHECKSUMS = "checksums.bin"
"""One number for each image while the cache is built: 0, or that it is stored and the checksum of its pixels."""

_STORED = 1 << 32
_MIB = 2**20

OnNeed = Callable[[Path, int], None]
"""Called with the folder and the bytes that it is going to take, before any are written."""


@dataclass(frozen=True, kw_only=True)
class _Split:
    """What the labels say of a split, before any image is decoded.

    Args:
        name: of the split.
        image_ids: in the split's order.
        images: [n] of `images_dtype`.
        key: names images, sizes and dates of their files, and the size that they are kept at.
        labels: names their objects as well.
        samples: gives the labels of every image, as often as they are asked for.
    """

    name: str
    image_ids: list[str]
    images: NDArray[np.void]
    key: str
    labels: str
    samples: Callable[[], Iterator[Sample]]

    @property
    def bytes(self) -> int:
        """Of all pixels."""
        return int(np.prod(self.images["stored_hw"].astype(np.int64), axis=1).sum() * 3)


def default_cache_folder() -> Path:
    """Name the user's folder for image caches: `$SINGLESHOT_CACHE_DIR`, else `~/.cache/singleshot/images`."""
    named = os.environ.get("SINGLESHOT_CACHE_DIR")
    return Path(named) if named else Path.home() / ".cache" / "singleshot" / "images"


def open_image_cache(
    dataset: Dataset,
    split: str,
    *,
    input_hw: tuple[int, int],
    folder: StrPath | None = None,
    seed: int = 0,
    on_need: OnNeed | None = None,
    on_progress: Progress = no_progress,
) -> ImageCache:
    """Open the cache of a split, and build it first if there is none for these very images and this input.

    Interrupted at any point, the next call goes on with what was decoded. Two that build the same cache at once
    decode it once: the second waits for the first.

    Args:
        dataset: images that cannot be read are left out of it, by name, whether they are decoded now or were before.
        split: one of its splits.
        input_hw: of the network; images are kept at up to 1.5 times these sides.
        folder: that holds all caches; the user's own where not given.
        seed: of a seeded split.
        on_need: told what disk the cache takes, if it has to be built.
        on_progress: called after each image.

    Raises:
        InputError: no image can be used, the disk lacks the room, the folder cannot be written to, or the data set
            is strict and something is wrong.
    """
    found = _listed(dataset, split, input_hw=input_hw, seed=seed)
    home = Path(folder or default_cache_folder()) / found.key
    if not (home / ABOUT).is_file():
        with _locked(home):
            if not (home / ABOUT).is_file():  # another run may have built it while this one waited
                _build(dataset, found, home, input_hw=input_hw, on_need=on_need, on_progress=on_progress)
    left_out = json.loads((home / ABOUT).read_text(encoding="utf-8"))["left_out"]
    for sample in found.samples():
        if sample.image_id in left_out:
            problem, message = left_out[sample.image_id]
            dataset.leave_out(sample, Problem[problem], message)
    check_enough(dataset, split, listed=len(found.image_ids), usable=len(found.image_ids) - len(left_out))
    _store_labels(found, home, left_out)
    return ImageCache(home, found.labels)


def _listed(dataset: Dataset, split: str, *, input_hw: tuple[int, int], seed: int) -> _Split:
    files, labels = hashlib.sha256(f"{_FORMAT} {input_hw}".encode()), hashlib.sha256()
    names: list[str] = []
    sizes: list[tuple[int, int, int, int]] = []
    samples = partial(dataset.labelled, split, seed=seed)
    for sample in samples():
        stat = sample.image_path.stat()
        hw = sample.height_px, sample.width_px
        files.update(f"{sample.image_id}\n{stat.st_size} {stat.st_mtime_ns} {hw}\n".encode())
        labels.update(sample_digest(sample))
        names.append(sample.image_id)
        sizes.append((*stored_hw(hw, input_hw), *hw))
    check_enough(dataset, split, listed=len(dataset.sample_ids(split, seed=seed)), usable=len(names))
    image_ids = [name.encode() for name in names]
    images = np.zeros(len(names), images_dtype(max(len(name) for name in image_ids)))
    images["image_id"] = image_ids
    images["stored_hw"], images["hw_px"] = np.split(np.asarray(sizes, np.int32), 2, axis=1)
    ends = np.cumsum(np.prod(images["stored_hw"].astype(np.int64), axis=1) * 3)
    images["offset"][1:] = ends[:-1]
    key, label_key = files.hexdigest()[:32], labels.hexdigest()[:16]
    return _Split(name=split, image_ids=names, images=images, key=key, labels=f"labels-{label_key}", samples=samples)


def _locked(home: Path) -> FileLock:
    """Give a lock that the kernel opens when its holder dies."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / PIXELS).open("ab").close()
    except OSError as error:
        raise InputError(
            f"{home}: expected a folder that can be written to, got: {error.strerror}. Name another by --cache-dir."
        ) from error
    return FileLock(home / "lock")


def _build(
    dataset: Dataset,
    split: _Split,
    home: Path,
    *,
    input_hw: tuple[int, int],
    on_need: OnNeed | None,
    on_progress: Progress,
) -> None:
    if on_need is not None:
        on_need(home, split.bytes)
    try:
        _reserve(home, split)
        left_out = _decode(split, home, input_hw=input_hw, on_progress=on_progress)
    except OSError as error:
        raise InputError(
            f"{home}: expected room for an image cache, got: {error.strerror}. What was decoded is kept; make room, "
            f"or name another folder by --cache-dir."
        ) from error
    kept = np.array([image_id not in left_out for image_id in split.image_ids])
    with whole_file(home / IMAGES) as temporary:
        split.images[kept].tofile(temporary)
    about = {
        "data": f"{dataset.layout} {dataset.name}",
        "input_hw": input_hw,
        "images": int(kept.sum()),
        "id_bytes": split.images.dtype["image_id"].itemsize,
        "left_out": left_out,
    }
    with whole_file(home / ABOUT) as temporary:
        temporary.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    (home / _CHECKSUMS).unlink()


def _reserve(home: Path, split: _Split) -> None:
    """Take the disk before anything is decoded, so that none is found missing hours later.

    Raises:
        InputError: the disk has less.
        OSError: the disk fills up while the room is taken.
    """
    pixels = home / PIXELS
    taken = getattr(pixels.stat(), "st_blocks", 0) * 512
    free = shutil.disk_usage(home).free
    if split.bytes - taken > free:
        raise InputError(
            f"{home}: expected {split.bytes / _MIB:.0f} MiB for the image cache, got {(free + taken) / _MIB:.0f} MiB "
            f"of free disk. Make room, or name a folder on another disk by --cache-dir."
        )
    with pixels.open("r+b") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, split.bytes)
        else:
            file.truncate(split.bytes)
    if not (home / _CHECKSUMS).exists():
        with whole_file(home / _CHECKSUMS) as temporary:
            np.zeros(len(split.image_ids), np.uint64).tofile(temporary)


def _decode(
    split: _Split, home: Path, *, input_hw: tuple[int, int], on_progress: Progress
) -> dict[str, tuple[str, str]]:
    """Store every image that is not yet stored; return those that cannot be, by id, with problem and message."""
    checksums = np.memmap(home / _CHECKSUMS, np.uint64, "r+", shape=(len(split.image_ids),))
    left_out: dict[str, tuple[str, str]] = {}

    def look(sample: Sample) -> NDArray[np.uint8] | Found:
        image = image_or_problem(sample)
        return fitted_rgb(image, input_hw) if isinstance(image, np.ndarray) else image

    with (home / PIXELS).open("r+b") as pixels:
        is_missing = [not _is_stored(pixels, split, checksums, index) for index in range(len(checksums))]
        missing = np.flatnonzero(is_missing)
        done = len(checksums) - len(missing)
        wanted = compress(split.samples(), is_missing)
        for index, (sample, looked) in zip(missing, looked_at(wanted, look, threads=os.cpu_count() or 1), strict=True):
            if isinstance(looked, np.ndarray):
                pixels.seek(int(split.images["offset"][index]))
                pixels.write(looked.data)
                pixels.flush()
                checksums[index] = _STORED | zlib.crc32(looked.data)
            else:
                left_out[sample.image_id] = looked[0].name, looked[1]
            done += 1
            on_progress(split.name, done, len(checksums))
        os.fsync(pixels.fileno())
    return left_out


def _is_stored(pixels: BinaryIO, split: _Split, checksums: NDArray[np.uint64], index: int) -> bool:
    """Hold what is said to be stored against its checksum: a power cut may have lost it."""
    if not checksums[index]:
        return False
    row = split.images[index]
    pixels.seek(int(row["offset"]))
    return int(checksums[index]) == _STORED | zlib.crc32(pixels.read(int(np.prod(row["stored_hw"]) * 3)))


def _store_labels(split: _Split, home: Path, left_out: dict[str, tuple[str, str]]) -> None:
    """Write the objects beside the pixels, unless there are files of these very objects."""
    spans_path, objects_path = home / f"{split.labels}.spans.bin", home / f"{split.labels}.objects.bin"
    if spans_path.is_file():
        return
    samples = [sample for sample in split.samples() if sample.image_id not in left_out]
    spans = np.zeros(len(samples), SPANS_DTYPE)
    spans["count"] = [len(sample) for sample in samples]
    spans["first"][1:] = np.cumsum(spans["count"])[:-1]
    objects = np.zeros(int(spans["count"].sum()), OBJECTS_DTYPE)
    objects["box_xyxy"] = np.concatenate([normalised_boxes(sample) for sample in samples])
    objects["class_id"] = np.concatenate([sample.class_ids for sample in samples])
    objects["difficult"] = np.concatenate([sample.difficult for sample in samples])
    tables: list[tuple[Path, NDArray[np.generic]]] = [(objects_path, objects), (spans_path, spans)]
    masks = [sample.labelled for sample in samples if sample.labelled is not None]
    if masks:
        tables.insert(0, (labelled_path(home, split.labels), np.stack(masks)))
    for path, rows in tables:  # the one that is looked for, last
        with whole_file(path) as temporary:
            rows.tofile(temporary)

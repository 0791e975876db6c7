"""Images that a data set holds twice: the same file, or nearly the same picture.

Exact means the same bytes. Near means that the difference hashes (dHash, 64 bits: is a cell of the 9 x 8 thumbnail
darker than its right neighbour?) differ in at most 4 bits, and 16 x 16 grey thumbnails by at most 8 levels on average:
scaled and recompressed copies, neighbouring frames. Crops, flips and turned copies are not found. Pictures without
contrast have no hash to speak of and are not compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

HASH_BITS = 64
NEAR_BITS = 4
NEAR_LEVELS = 8.0
_BANDS = NEAR_BITS + 1
"""Two hashes that differ in this many bits less one agree in one of this many bands at least."""
_THUMBNAIL = 16
_LEAST_CONTRAST = 4.0
"""Standard deviation of the thumbnail's grey levels below which nothing but noise is hashed."""


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """What is kept of an image: some 300 bytes."""

    sha256: bytes
    """Of the file."""
    dhash: int
    thumbnail: NDArray[np.uint8]
    """[256] uint8, 16 x 16 grey levels."""

    @property
    def has_contrast(self) -> bool:
        """Whether the hash says something of the picture."""
        return float(self.thumbnail.std()) >= _LEAST_CONTRAST


def fingerprint(data: bytes, image_bgr: NDArray[np.uint8]) -> Fingerprint:
    """Fingerprint an image.

    Args:
        data: the file.
        image_bgr: [height, width, 3] uint8, the picture in it.
    """
    grey = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2GRAY)
    cells = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    bits = np.packbits(cells[:, :-1] < cells[:, 1:])
    small = cv2.resize(grey, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA)
    return Fingerprint(
        sha256=hashlib.sha256(data).digest(),
        dhash=int.from_bytes(bits.tobytes(), "big"),
        thumbnail=np.asarray(small, np.uint8).reshape(-1),
    )


def duplicate_groups(prints: Sequence[Fingerprint]) -> tuple[list[list[int]], list[list[int]]]:
    """Group what is the same.

    Returns:
        Exact and near groups of two or more, indices in ascending order. An exact group takes part in a near one by
        its first image. A near group is a chain: its ends may differ by more than its neighbours.
    """
    first_of: dict[bytes, int] = {}
    exact: dict[int, list[int]] = {}
    for index, item in enumerate(prints):
        first = first_of.setdefault(item.sha256, index)
        exact.setdefault(first, []).append(index)
    candidates = [index for index in exact if prints[index].has_contrast]
    near: dict[int, list[int]] = {}
    leader = _leaders(candidates, prints)
    for index in candidates:
        near.setdefault(_followed(leader, index), []).append(index)
    return [group for group in exact.values() if len(group) > 1], [group for group in near.values() if len(group) > 1]


def distinct(prints: Sequence[Fingerprint]) -> list[int]:
    """Choose the images that are neither the same nor nearly the same as one chosen before.

    Other than a near group, what is left out is near to a chosen image itself: of a slow pan some frames remain.

    Returns:
        Indices in ascending order.
    """
    chosen: list[int] = []
    hashes = np.asarray([item.dhash for item in prints], np.uint64)
    thumbnails = np.stack([item.thumbnail for item in prints]).astype(np.int16) if prints else np.empty((0, 0))
    for index, item in enumerate(prints):
        is_near = (_bit_counts(hashes[chosen] ^ hashes[index]) <= NEAR_BITS) & (
            np.abs(thumbnails[chosen] - thumbnails[index]).mean(axis=1) <= NEAR_LEVELS
        )
        if not is_near.any() and all(prints[other].sha256 != item.sha256 for other in chosen):
            chosen.append(index)
    return chosen


def _leaders(candidates: list[int], prints: Sequence[Fingerprint]) -> dict[int, int]:
    leader = {index: index for index in candidates}
    for bucket in _buckets(candidates, prints):
        hashes = np.asarray([prints[index].dhash for index in bucket], np.uint64)
        thumbnails = np.stack([prints[index].thumbnail for index in bucket]).astype(np.int16)
        for at in range(len(bucket) - 1):
            close = np.flatnonzero(_bit_counts(hashes[at + 1 :] ^ hashes[at]) <= NEAR_BITS) + at + 1
            for other in close[np.abs(thumbnails[close] - thumbnails[at]).mean(axis=1) <= NEAR_LEVELS]:
                ours, theirs = _followed(leader, bucket[at]), _followed(leader, bucket[int(other)])
                leader[max(ours, theirs)] = min(ours, theirs)
    return leader


def _buckets(candidates: list[int], prints: Sequence[Fingerprint]) -> Iterator[list[int]]:
    """Give the images that agree in a band of their hashes, band by band: all pairs would be too many."""
    edges = np.linspace(0, HASH_BITS, _BANDS + 1).astype(int)
    for low, high in pairwise(edges):
        members: dict[int, list[int]] = {}
        for index in candidates:
            members.setdefault(prints[index].dhash >> int(low) & ((1 << int(high - low)) - 1), []).append(index)
        yield from (bucket for bucket in members.values() if len(bucket) > 1)


def _followed(leader: dict[int, int], index: int) -> int:
    while leader[index] != index:
        leader[index] = leader[leader[index]]
        index = leader[index]
    return index


def _bit_counts(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    octets = values.reshape(-1, 1).view(np.uint8)
    counts: NDArray[np.int64] = np.unpackbits(octets, axis=1).sum(axis=1, dtype=np.int64)
    return counts

"""What counts as the same picture, on real photographs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from singleshot.data.check.duplicates import Fingerprint, distinct, duplicate_groups, fingerprint
from singleshot.runtime.image_files import read_image_bgr


@pytest.fixture
def photographs(voc_root: Path) -> list[NDArray[np.uint8]]:
    return [read_image_bgr(path) for path in sorted((voc_root / "VOC2012" / "JPEGImages").iterdir())]


def as_jpeg(image: NDArray[np.uint8], quality: int = 95) -> Fingerprint:
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    return fingerprint(data, np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8))


def test_different_photographs_are_no_duplicates(photographs: list[NDArray[np.uint8]]) -> None:
    assert duplicate_groups([as_jpeg(image) for image in photographs]) == ([], [])


def test_the_same_bytes_are_exact_and_not_near_once_more(photographs: list[NDArray[np.uint8]]) -> None:
    prints = [as_jpeg(photographs[number]) for number in (0, 1, 0, 2, 1, 0)]
    assert duplicate_groups(prints) == ([[0, 2, 5], [1, 4]], [])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda image: cv2.resize(image, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA), id="smaller"),
        pytest.param(lambda image: cv2.resize(image, None, fx=1.7, fy=1.7), id="larger"),
        pytest.param(lambda image: cv2.convertScaleAbs(image, beta=4), id="a little brighter"),
    ],
)
def test_altered_copies_are_near(photographs: list[NDArray[np.uint8]], change: object) -> None:
    assert callable(change)
    prints = [as_jpeg(image) for image in photographs] + [as_jpeg(change(photographs[3]), quality=70)]
    assert duplicate_groups(prints) == ([], [[3, 5]])


def test_pictures_without_contrast_are_not_compared() -> None:
    greys = [np.full((40, 40, 3), level, np.uint8) for level in (100, 101)]
    assert duplicate_groups([as_jpeg(image) for image in greys]) == ([], [])


def test_chains_and_bounds_by_hand() -> None:
    def at(dhash: int, level: int = 0) -> Fingerprint:
        thumbnail = np.tile(np.asarray([50, 150], np.uint8), 128) + np.uint8(level)
        return Fingerprint(sha256=f"{dhash} {level}".encode(), dhash=dhash, thumbnail=thumbnail)

    four_bits = 1 << 63 | 1 << 40 | 1 << 20 | 1
    assert duplicate_groups([at(0), at(four_bits)]) == ([], [[0, 1]])
    assert duplicate_groups([at(0), at(four_bits | 2)]) == ([], []), "five bits are too many"
    assert duplicate_groups([at(0), at(1, 8)]) == ([], [[0, 1]])
    assert duplicate_groups([at(0), at(1, 9)]) == ([], []), "nine grey levels are too many"
    assert duplicate_groups([at(0xFF), at(0), at(0xF)]) == ([], [[0, 1, 2]]), "a chain is one group"


def test_no_images() -> None:
    assert duplicate_groups([]) == ([], [])


def test_distinct_images_leave_one_of_each_picture(photographs: list[NDArray[np.uint8]]) -> None:
    prints = [
        as_jpeg(photographs[number], quality) for number, quality in ((0, 95), (1, 95), (0, 95), (0, 80), (2, 95))
    ]
    assert distinct(prints) == [0, 1, 4]
    assert distinct([]) == []


def test_of_a_slow_pan_some_frames_are_distinct(photographs: list[NDArray[np.uint8]]) -> None:
    shifts = range(0, 120, 2)
    frames = [as_jpeg(np.ascontiguousarray(photographs[0][:, shift : shift + 200])) for shift in shifts]
    chosen = distinct(frames)
    assert 1 < len(chosen) < len(frames)
    chained = {member for group in duplicate_groups(frames)[1] for member in group[1:]}
    assert len(frames) - len(chained) < len(chosen)

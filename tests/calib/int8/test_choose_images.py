"""Chosen images are different ones, cover what there is, and follow from the seed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from singleshot.calib.int8.choose_images import LEAST, Looked, Selection, choose_images, farthest_first
from singleshot.calib.int8.contact_sheet import ContactSheet
from singleshot.calib.int8.domain_gap import DomainGap, Evidence
from singleshot.calib.int8.image_pool import ImagePool
from singleshot.runtime.errors import InputError
from singleshot.runtime.image_files import read_image_bgr
from singleshot.tests.fixtures.hostile_detector import patches

Write = Callable[..., Path]


@pytest.fixture
def photos(tmp_path: Path) -> Write:
    """Give a function that writes a folder of pictures."""

    def write(*, different: int = 0, copies: int = 0, blank: int = 0, broken: int = 0) -> Path:
        folder = tmp_path / "photos"
        folder.mkdir()
        for number in range(different):
            cv2.imwrite(str(folder / f"d{number:03d}.png"), patches(number))
        for number in range(copies):
            quality = [cv2.IMWRITE_JPEG_QUALITY, 95 - number]
            cv2.imwrite(str(folder / f"e{number:03d}.jpg"), cv2.resize(patches(0), None, fx=2, fy=2), quality)
        for number in range(blank):
            cv2.imwrite(str(folder / f"f{number:03d}.png"), np.full((32, 32, 3), 10 * number, np.uint8))
        for number in range(broken):
            (folder / f"g{number:03d}.png").write_bytes(b"nothing")
        return folder

    return write


def look(image: NDArray[np.uint8]) -> Looked:
    """See the mean colour."""
    return Looked(
        embedding=image.mean(axis=(0, 1)).astype(np.float32), evidence=Evidence(best_score=0.9, enlargement=1.0)
    )


def chosen(folder: Path, *, count: int = 8, seed: int = 0) -> Selection:
    return choose_images(ImagePool(folder), look, count=count, seed=seed)


def test_the_seed_decides(photos: Write) -> None:
    folder = photos(different=40)
    assert chosen(folder).names == chosen(folder).names
    assert set(chosen(folder).names) != set(chosen(folder, seed=1).names)


def test_what_is_there_twice_is_chosen_once(photos: Write) -> None:
    selection = chosen(photos(different=12, copies=5), count=16)
    assert len(selection.names) == 12
    assert (selection.listed, selection.looked_at, selection.duplicates) == (17, 17, 5)
    assert sum(name.startswith("e") or name == "d000.png" for name in selection.names) == 1
    assert selection.coverage == 0
    assert selection.warnings[0] == (
        "12 images instead of 16: 17 listed, 5 the same as another, 0 of one colour, 0 broken."
    )
    assert selection.warnings[1].startswith("fewer than 64 images")


def test_enough_images_are_no_warning(photos: Write) -> None:
    selection = chosen(photos(different=70), count=64)
    assert len(set(selection.names)) == 64
    assert selection.warnings == ()
    assert 0 < selection.coverage < 1


def test_half_of_the_images_are_not_calibrated_on(photos: Write) -> None:
    folder = photos(different=9, broken=9)
    with pytest.raises(InputError, match=r"expected most of 18 images to be readable, got 9\. .*g000\.png: "):
        chosen(folder, count=9)
    (folder / "g000.png").unlink()
    assert len(chosen(folder, count=9).broken) == 8


def test_blank_and_broken_images_are_counted(photos: Write) -> None:
    selection = chosen(photos(different=9, blank=2, broken=1), count=9)
    assert (selection.blank, len(selection.broken)) == (2, 1)
    assert not any(name.startswith(("f", "g")) for name in selection.names)
    assert selection.to_dict()["warnings"] == selection.warnings


def test_too_few_different_images(photos: Write) -> None:
    folder = photos(different=3, copies=9, blank=4, broken=1)
    with pytest.raises(
        InputError,
        match=r"photos: expected at least 8 images that differ, got 3 \(17 listed, 9 the same as another, "
        r"4 of one colour, 1 broken\)\. Name a folder of more photos",
    ):
        chosen(folder, count=16)


def test_too_few_asked_for(photos: Write) -> None:
    with pytest.raises(InputError, match=r"^--count: expected at least 8 images, got 7\. 256 is usual"):
        chosen(photos(different=9), count=LEAST - 1)


def test_farthest_first_by_hand() -> None:
    points = np.array([[0, 0], [1, 0], [10, 0], [0, 6], [5, 1]], np.float32)
    assert farthest_first(points, 4) == [4, 3, 0, 2]  # 0 and 2 tie


@given(arrays.arrays(np.float32, (12, 2), elements=st.floats(-10, 10, width=16)), st.integers(1, 20))
def test_farthest_first_chooses_each_once_and_covers(points: NDArray[np.float32], count: int) -> None:
    order = farthest_first(points, count)
    assert len(order) == len(set(order)) == min(count, len(points))
    gaps = [
        min(np.linalg.norm(points[index] - points[other]) for other in order[:place])
        for place, index in enumerate(order)
        if place
    ]
    assert all(later <= earlier + 1e-4 for earlier, later in pairwise(gaps))


@pytest.mark.parametrize(
    ("evidence", "warnings"),
    [
        pytest.param([(0.9, 1.0)] * 7 + [(0.1, 1.0)] * 3, [], id="pictures of its kind"),
        pytest.param(
            [(0.9, 1.0)] * 6 + [(0.1, 1.0)] * 4,
            [
                "these may be pictures of the wrong kind, or the network has hardly been trained: in 60% of 10 images "
                "it recognises something with a score of 0.5 or more (median best score 0.90)"
            ],
            id="little is recognised",
        ),
        pytest.param([(None, 1.0)] * 4, [], id="a graph without scores"),
        pytest.param([(0.9, 5.0)] * 3 + [(0.9, 2.0)], ["75% of 4 images are less than half as large"], id="thumbnails"),
        pytest.param([(0.0, 5.0)], ["these may be", "100% of 1 images"], id="both"),
    ],
)
def test_domain_gap(evidence: list[tuple[float | None, float]], warnings: list[str]) -> None:
    gap = DomainGap.of([Evidence(best_score=score, enlargement=scale) for score, scale in evidence])
    assert gap.images == len(evidence)
    assert len(gap.warnings) == len(warnings)
    assert all(found.startswith(start) for found, start in zip(gap.warnings, warnings, strict=True))


def test_contact_sheet_shows_every_picture(tmp_path: Path) -> None:
    sheet = ContactSheet()
    for level in (50, 100, 150, 200, 250):
        sheet.add(np.full((40, 80, 3), level, np.uint8))
    sheet.save(tmp_path / "sheet.png", title="5 of 9 images")
    picture = read_image_bgr(tmp_path / "sheet.png")
    assert picture.shape == (28 + 2 * 98, 4 * 98, 3)
    centres = [picture[28 + 48 + 98 * row, 48 + 98 * column, 0] for row, column in ((0, 0), (0, 3), (1, 0), (1, 1))]
    assert centres == [50, 200, 250, 32]
    assert picture[28 + 10, 48, 0] == 32  # above a wide picture
    assert picture[:28].max() > 200  # the title

"""The fingerprint of labelled data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from singleshot.data.sample import Sample, data_sha256


def _sample(image_id: str, box: tuple[float, float, float, float] = (1, 2, 3, 4), class_id: int = 0) -> Sample:
    return Sample(
        image_id=image_id,
        image_path=Path(f"{image_id}.jpg"),
        boxes_xyxy_px=np.array([box], np.float32),
        class_ids=np.array([class_id], np.int64),
        difficult=np.array([False]),
        height_px=10,
        width_px=20,
    )


FIRST, SECOND = _sample("first"), _sample("second")


def test_order_and_folder_do_not_matter() -> None:
    elsewhere = replace(FIRST, image_path=Path("/elsewhere/first.jpg"))
    assert data_sha256([FIRST, SECOND]) == data_sha256([SECOND, elsewhere])


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(_sample("renamed"), id="another image"),
        pytest.param(_sample("first", box=(1, 2, 3, 5)), id="another box"),
        pytest.param(_sample("first", class_id=1), id="another class"),
        pytest.param(replace(FIRST, difficult=np.array([True])), id="difficult"),
        pytest.param(replace(FIRST, height_px=11), id="another size"),
        pytest.param(replace(FIRST, difficult=np.array([True]), crowd=np.array([True])), id="a crowd"),
    ],
)
def test_everything_labelled_matters(other: Sample) -> None:
    assert data_sha256([other, SECOND]) != data_sha256([FIRST, SECOND])


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.randoms())
def test_any_order_gives_the_same(names: list[str], random: object) -> None:
    samples = [_sample(name) for name in names]
    shuffled = list(samples)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis's own Random
    assert data_sha256(shuffled) == data_sha256(samples)


def test_a_crowd_is_no_difficult_object() -> None:
    difficult = replace(FIRST, difficult=np.array([True]))
    assert data_sha256([replace(difficult, crowd=np.array([True]))]) != data_sha256([difficult])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"class_ids": np.zeros(2, np.int64)}, r"expected boxes \[n, 4\]", id="two classes of one box"),
        pytest.param({"crowd": np.zeros(2, np.bool_)}, r"crowd: expected \[n\]", id="two crowds"),
        pytest.param({"crowd": np.ones(1, np.bool_)}, r"difficult each, got \[ True\]", id="a crowd that would count"),
        pytest.param({"areas_px": np.zeros(2)}, r"areas_px: expected \[n\], got \(2,\)", id="two areas"),
    ],
)
def test_arrays_that_do_not_go_together_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(FIRST, **changes)

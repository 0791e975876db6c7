"""A table is reused for what it was measured with, and for nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singleshot.calib.int8.table import CalibrationTable, ImagesRecord, TensorRange, load_table, save_table
from singleshot.runtime.card import InputSpec
from singleshot.runtime.errors import InputError

SPEC = InputSpec(height=64, width=96, mean=(127, 127, 127), std=(128, 128, 128))
IMAGES = ImagesRecord(count=8, seed=0, listed_sha256="l", sha256_of={"a.jpg": "1", "b.jpg": "2"})
TABLE = CalibrationTable(
    method="mse",
    graph_sha256="0123456789abcdef",
    preprocessing=SPEC,
    images=IMAGES,
    ranges={"x": TensorRange(low=-1, high=2, limit=1.9)},
)
FITS: dict[str, Any] = {
    "graph_sha256": "0123456789abcdef",
    "preprocessing": SPEC,
    "method": "mse",
    "images": IMAGES,
}


def other_images(**changes: Any) -> ImagesRecord:
    return IMAGES.model_copy(update=changes)


def test_what_fits_is_accepted() -> None:
    TABLE.check(source="t.json", **FITS)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(
            {"graph_sha256": "fedcba9876543210"},
            r"one of another graph \(sha256 0123456789ab, not fedcba987654\)",
            id="graph",
        ),
        pytest.param(
            {"preprocessing": SPEC.model_copy(update={"resize": "letterbox"})},
            r"one of another preprocessing \(resize stretch, not letterbox\)",
            id="preprocessing",
        ),
        pytest.param({"method": "minmax"}, "one of the method mse, not minmax", id="method"),
        pytest.param({"images": other_images(count=9)}, "one of the count 8, not 9", id="count"),
        pytest.param({"images": other_images(seed=1)}, "one of the seed 0, not 1", id="seed"),
        pytest.param(
            {"images": other_images(listed_sha256="m")}, "one of a folder or video that lists other", id="names"
        ),
        pytest.param(
            {"images": other_images(sha256_of={"a.jpg": "1"})},
            "one of the image b.jpg, which cannot be read",
            id="gone",
        ),
        pytest.param(
            {"images": other_images(sha256_of={"a.jpg": "1", "b.jpg": "3"})},
            "one of an image b.jpg of other pixels",
            id="pixels",
        ),
    ],
)
def test_what_differs_is_refused_with_the_reason(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(
        InputError, match=rf"^t\.json: expected a table of this graph, .*, got {reason}.*Leave --table out"
    ):
        TABLE.check(source="t.json", **{**FITS, **change})


@given(
    st.dictionaries(
        st.text(),
        st.builds(
            TensorRange,
            low=st.floats(-1e30, 0),
            high=st.floats(0, 1e30),
            limit=st.floats(0, 1e30),
        ),
    )
)
def test_save_then_load_is_the_identity(
    tmp_path_factory: pytest.TempPathFactory, ranges: dict[str, TensorRange]
) -> None:
    path = tmp_path_factory.mktemp("tables") / "t.json"
    table = TABLE.model_copy(update={"ranges": ranges})
    save_table(table, path)
    assert load_table(path) == table
    assert load_table(path).sha256 == table.sha256


def test_fingerprint_tells_tables_apart() -> None:
    assert TABLE.sha256 != TABLE.model_copy(update={"method": "minmax"}).sha256


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(None, "got No such file or directory. Check --table", id="missing"),
        pytest.param("{", "got one where Invalid JSON", id="no JSON"),
        pytest.param(json.dumps({"kind": "graph"}), "got one where kind: Input should be", id="another kind of file"),
        pytest.param(
            json.dumps({**TABLE.model_dump(mode="json"), "ranges": {"x": {"low": 0, "high": 1, "limit": -1}}}),
            "got one where ranges.x.limit: Input should be greater than or equal to 0",
            id="negative limit",
        ),
    ],
)
def test_what_is_no_table(tmp_path: Path, text: str | None, reason: str) -> None:
    path = tmp_path / "t.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=rf"t\.json: expected a calibration table, {reason}"):
        load_table(path)

"""A graph stays the parent of what was made of it while only `certify` writes into its card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from singleshot.runtime.card import CARD_KEY, BackendParity, Card, InputSpec, Measurement, Origin
from singleshot.runtime.errors import InputError
from singleshot.runtime.files import sha256_of_file
from singleshot.runtime.precision import Precision
from singleshot.runtime.uncertified import is_made_of, uncertified_sha256

CARD = Card(
    kind="graph",
    network="small",
    class_names=("cat", "dog"),
    input=InputSpec(height=8, width=8, mean=(0, 0, 0), std=(1, 1, 1)),
)
PARITY = BackendParity(
    backend="openvino",
    precision=Precision.FP32,
    version="2026.4",
    reference="the same graph",
    data="3 frames",
    frames=3,
    matched=30,
    unmatched=0,
    score_difference=0.0,
    holds=True,
)
WEIGHTS = bytes(range(256)) * 3


def field(number: int, value: bytes) -> bytes:
    """Write a field of bytes, of at most 16383, as protobuf does."""
    size = len(value)
    return bytes([number << 3 | 2]) + (bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])) + value


def graph_of(card: str, weights: bytes = WEIGHTS, *, key: str = CARD_KEY) -> bytes:
    """Write an ONNX file whose graph is nothing but weights: its IR version, the graph, an operator set, a card."""
    metadata = field(1, key.encode()) + field(2, card.encode())
    return b"\x08\x0a" + field(7, weights) + field(8, b"\x10\x11") + field(14, metadata)


@pytest.mark.parametrize(
    ("changes", "weights", "is_same"),
    [
        pytest.param({}, WEIGHTS, True, id="the file as it was"),
        pytest.param({"backend_parity": (PARITY,)}, WEIGHTS, True, id="certified"),
        pytest.param({"class_names": ("dog", "cat")}, WEIGHTS, False, id="other names of the classes"),
        pytest.param(
            {"input": CARD.input.model_copy(update={"resize": "letterbox"})}, WEIGHTS, False, id="another resize"
        ),
        pytest.param(
            {"measurements": (Measurement(metric="AP50", value=0.5, data="val"),)},
            WEIGHTS,
            False,
            id="another measurement, which certify does not write",
        ),
        pytest.param({"backend_parity": (PARITY,)}, WEIGHTS[1:] + b"\0", False, id="other weights"),
        pytest.param({"backend_parity": (PARITY,)}, WEIGHTS[:-1], False, id="fewer weights"),
    ],
)
def test_only_certify_leaves_a_graph_the_parent(
    tmp_path: Path, changes: dict[str, Any], weights: bytes, is_same: bool
) -> None:
    path = tmp_path / "parent.onnx"
    path.write_bytes(graph_of(CARD.to_json()))
    origin = Origin(parent_sha256=sha256_of_file(path), parent_uncertified_sha256=uncertified_sha256(path))
    path.write_bytes(graph_of(CARD.model_copy(update=changes).to_json(), weights))
    assert is_made_of(origin, path) == is_same
    older = origin.model_copy(update={"parent_uncertified_sha256": None})
    assert is_made_of(older, path) == (not changes)


def test_metadata_of_others_count_as_they_are(tmp_path: Path) -> None:
    found = []
    for author in ("a", "b"):
        (tmp_path / "x.onnx").write_bytes(graph_of(author, key="author"))
        found.append(uncertified_sha256(tmp_path / "x.onnx"))
    assert None not in found
    assert found[0] != found[1]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"PK\x03\x04a checkpoint", id="a checkpoint"),
        pytest.param(b"\x08\x0a", id="an ONNX file that ends before its graph"),
        pytest.param(b"\xff" * 40, id="a number without an end"),
    ],
)
def test_what_is_no_graph_has_no_such_fingerprint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    assert uncertified_sha256(tmp_path / "x") is None
    assert not is_made_of(Origin(parent_sha256="0"), tmp_path / "x")


def test_a_broken_card_is_said(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(graph_of("{"))
    with pytest.raises(InputError, match=r"broken\.onnx: expected a valid singleshot card, got "):
        is_made_of(Origin(parent_uncertified_sha256="0"), path)

"""What an engine is held to before anything deserialises it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from singleshot.runtime.card import Card, Engine, InputSpec, Origin
from singleshot.runtime.engines.engine_checks import (
    EngineDevice,
    card_path_of,
    check_engine,
    load_engine_card,
    stale_reason,
)
from singleshot.runtime.engines.ledger import add_to_ledger
from singleshot.runtime.errors import InputError
from singleshot.runtime.files import sha256_of_file

PLAN = b"a plan"
RTX = EngineDevice(compiler="tensorrt_rtx", version="1.7.1", gpu="NVIDIA RTX 4070", compute_capability="8.9")
FULL = EngineDevice(compiler="tensorrt", version="10.3.0", gpu="Orin", compute_capability="8.7")


def written(folder: Path, **changes: Any) -> Path:
    """Write a graph, an engine that was built from it, and the engine's card."""
    (folder / "graph.onnx").write_bytes(b"a graph")
    values: dict[str, Any] = {
        "graph": "graph.onnx",
        "compiler": "tensorrt_rtx",
        "version": "1.7.1",
        "compute_capabilities": ("8.6", "8.9"),
        "precision": "fp16",
        "batch": (1, 1, 1),
        "plan_sha256": hashlib.sha256(PLAN).hexdigest(),
        "network_convolutions": {"half": 1},
        "deserialised": False,
        "executed": False,
    }
    card = Card(
        kind="engine",
        network="small",
        class_names=("cat",),
        input=InputSpec(height=8, width=8, mean=(0, 0, 0), std=(1, 1, 1)),
        origin=Origin(parent_sha256=sha256_of_file(folder / "graph.onnx")),
        engine=Engine(**{**values, **changes}),
    )
    engine = folder / "x.engine"
    engine.write_bytes(PLAN)
    card_path_of(engine).write_text(card.to_json())
    return engine


@pytest.mark.parametrize(
    ("changes", "device"),
    [
        pytest.param({}, RTX, id="a GPU that was named"),
        pytest.param({"compute_capabilities": ()}, RTX, id="RTX, no GPU named"),
        pytest.param({}, None, id="nothing to fit to"),
        pytest.param({}, EngineDevice(compiler="tensorrt_rtx", version="1.7.1"), id="no GPU to fit to"),
        pytest.param(
            {"compiler": "tensorrt", "version": "10.1.0", "version_compatible": True, "compute_capabilities": ("8.7",)},
            FULL,
            id="version compatible, later",
        ),
        pytest.param(
            {
                "compiler": "tensorrt",
                "version": "10.3.0",
                "hardware_compatible": True,
                "compute_capabilities": ("8.0",),
            },
            FULL,
            id="hardware compatible, another GPU",
        ),
    ],
)
def test_engine_that_fits_gives_the_plan_that_was_checked(
    tmp_path: Path, changes: dict[str, Any], device: EngineDevice | None
) -> None:
    engine = written(tmp_path, **changes)
    add_to_ledger(sha256_of_file(engine), engine)
    assert check_engine(engine, load_engine_card(engine), device) == PLAN
    (tmp_path / "graph.onnx").unlink()  # a deployed machine has the engine alone
    assert check_engine(engine, load_engine_card(engine), device) == PLAN


@pytest.mark.parametrize(
    ("changes", "device", "message"),
    [
        pytest.param(
            {"version": "1.6.0"},
            RTX,
            "expected TensorRT-RTX 1.6.0, which it was built by, got TensorRT-RTX 1.7.1",
            id="v",
        ),
        pytest.param(
            {}, FULL, "expected TensorRT-RTX 1.7.1, which it was built by, got TensorRT 10.3.0", id="compiler"
        ),
        pytest.param(
            {"compiler": "tensorrt", "version": "10.4.0", "version_compatible": True},
            FULL,
            "expected TensorRT 10.4.0 or a later one of the same major version, which it was built by, got",
            id="version compatible, but earlier",
        ),
        pytest.param(
            {"compiler": "tensorrt", "version": "9.0.0", "version_compatible": True},
            FULL,
            "expected TensorRT 9.0.0 or a later one",
            id="version compatible, another major version",
        ),
        pytest.param(
            {"compute_capabilities": ("8.6",)},
            RTX,
            "expected a GPU of compute capability 8.6, got NVIDIA RTX 4070 of 8.9",
            id="another GPU",
        ),
        pytest.param(
            {"compute_capabilities": ()},
            EngineDevice(compiler="tensorrt_rtx", version="1.7.1", compute_capability="9.0"),
            "expected a GPU of compute capability 8.0 or later that TensorRT-RTX supports, got one of 9.0",
            id="Hopper, which RTX has not",
        ),
        pytest.param(
            {"compute_capabilities": ()},
            EngineDevice(compiler="tensorrt_rtx", version="1.7.1", compute_capability="7.5"),
            "expected a GPU of compute capability 8.0 or later that TensorRT-RTX supports, got one of 7.5",
            id="Turing, which was not named",
        ),
        pytest.param(
            {"compiler": "tensorrt", "version": "10.3.0", "hardware_compatible": True},
            EngineDevice(compiler="tensorrt", version="10.3.0", compute_capability="7.5"),
            "expected a GPU of compute capability 8.0 or later, got one of 7.5",
            id="hardware compatible from Ampere on",
        ),
    ],
)
def test_engine_that_does_not_fit_is_one_sentence_with_the_command(
    tmp_path: Path, changes: dict[str, Any], device: EngineDevice, message: str
) -> None:
    engine = written(tmp_path, **changes)
    add_to_ledger(sha256_of_file(engine), engine)
    with pytest.raises(InputError) as caught:
        check_engine(engine, load_engine_card(engine), device, trust=True)
    text = str(caught.value)
    assert text.startswith(f"{engine}: {message}")
    assert text.endswith(f"`singleshot build --rebuild-stale {engine}` builds it again.")


def test_another_plan_and_another_graph(tmp_path: Path) -> None:
    engine = written(tmp_path)
    (tmp_path / "graph.onnx").write_bytes(b"trained longer")
    card = load_engine_card(engine)
    with pytest.raises(
        InputError, match=r"expected .*graph\.onnx as it was built from, sha256 .*…, got .*rebuild-stale"
    ):
        check_engine(engine, card, RTX, trust=True)
    engine.write_bytes(b"another plan")
    with pytest.raises(InputError, match=r"expected the plan of its card, sha256 .*…, got .*rebuild-stale"):
        check_engine(engine, card, RTX, trust=True)
    (tmp_path / "graph.onnx").unlink()
    with pytest.raises(InputError, match=r"builds it again, once .*graph\.onnx is there\.$"):
        check_engine(engine, card, RTX, trust=True)


def test_engine_of_somebody_else_needs_trust(tmp_path: Path) -> None:
    engine = written(tmp_path)
    card = load_engine_card(engine)
    assert stale_reason(engine, card, RTX) is None
    with pytest.raises(InputError, match=r"expected an engine that you built .*An engine file can run code.*--trust"):
        check_engine(engine, card, RTX)
    assert check_engine(engine, card, RTX, trust=True) == PLAN
    add_to_ledger(sha256_of_file(engine), engine)
    assert check_engine(engine, card, RTX) == PLAN


def test_card_that_is_missing_or_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.engine: expected an engine, got no such file\. `singleshot build"):
        load_engine_card(tmp_path / "x.engine")
    engine = written(tmp_path)
    card = load_engine_card(engine)
    beside = card_path_of(engine)
    beside.write_text(card.model_copy(update={"kind": "graph", "engine": None}).to_json())
    with pytest.raises(InputError, match=r"x\.engine\.json: expected the card of an engine, got one of a graph"):
        load_engine_card(engine)
    beside.write_text("{")
    with pytest.raises(InputError, match=r"expected a valid singleshot card, got .* Build the engine again"):
        load_engine_card(engine)
    beside.unlink()
    with pytest.raises(InputError, match=r"expected its card beside it, x\.engine\.json, got none that can be read"):
        load_engine_card(engine)

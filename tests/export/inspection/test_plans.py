"""Engines without a card: what anybody's plan says of itself, and what is needed where it does not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from singleshot.export.engine.build import build_engine
from singleshot.export.engine.plan import BatchProfile, CompilerSettings
from singleshot.export.engine.tensorrt_api import TensorRt
from singleshot.export.inspection import plans
from singleshot.export.inspection.inspect_artefact import inspect_artefact
from singleshot.runtime.engines.engine_checks import card_path_of
from singleshot.runtime.errors import InputError
from singleshot.tests.export.inspection.test_plan_program import fused, plain, program_of
from singleshot.tests.fixtures.parsed_page import ParsedPage
from singleshot.tests.runtime.engines.fake_cuda import FakeGpu
from singleshot.tests.runtime.engines.fake_engine import detector_tensors, install_fakes
from singleshot.tests.runtime.engines.fake_tensorrt_runtime import TensorRtState, plan_of
from singleshot.tools.pages.inspection_page import save_inspection_page


def engine_of(folder: Path, plan: bytes) -> Path:
    path = folder / "foreign.engine"
    path.write_bytes(plan)
    return path


def test_plan_of_rtx_is_read_without_its_card(small_detector: Path, tmp_path: Path) -> None:
    TensorRt(module=pytest.importorskip("tensorrt_rtx"))
    settings = CompilerSettings(batch=BatchProfile(least=1, best=2, most=4), compute_capabilities=(86, 120))
    built = build_engine(small_detector, tmp_path / "x.engine", settings=settings)
    card_path_of(built.path).unlink()
    found = inspect_artefact(built.path)
    assert (found.card, found.precision, found.parameters) == (None, "fp16", None)
    assert found.card_problem.startswith("no card beside it (x.engine.json)")
    assert found.format == "plan of TensorRT-RTX for sm86, sm120, read without running it"
    assert [str(item) for item in found.inputs] == ["frames uint8 [?, 64, 64, 3]"]
    assert "det_boxes float32 [?, 20, 4]" in [str(item) for item in found.outputs]
    counts = found.to_dict()["operators"]
    record = built.card.engine
    assert record is not None
    assert (counts["convolution, half"], counts["kernel launches of one run"]) == (4, record.kernel_launches)
    assert sum(count for name, count in counts.items() if name.startswith("kernel ")) == 2 * (
        record.kernel_launches or 0
    )
    save_inspection_page(found, tmp_path / "page.html")
    assert "convolution, half" in ParsedPage((tmp_path / "page.html").read_text()).text


@pytest.mark.parametrize(
    ("kernels", "precision"),
    [
        pytest.param(
            [plain("corrltn", "int8", "w_int8"), plain("corrltn", "half", "w_half")], "int8", id="one is int8"
        ),
        pytest.param([fused("CorrSilu", "float", "w_float", output="half")], "fp32", id="fell back to float"),
        pytest.param(["function={ name=__myl_Add }"], "fp16", id="no convolution: the tensors tell"),
    ],
)
def test_ultralytics_metadata_is_passed_over(tmp_path: Path, kernels: list[str], precision: str) -> None:
    metadata = json.dumps({"task": "detect", "imgsz": [640, 640]}).encode()
    path = engine_of(tmp_path, len(metadata).to_bytes(4, "little") + metadata + program_of(*kernels))
    assert inspect_artefact(path).precision == precision


def test_nothing_that_is_known_is_said(tmp_path: Path) -> None:
    plan = program_of(plain("corrltn", "half", "w_float"))
    with pytest.raises(
        InputError, match=r"foreign\.engine: expected layers of a type that is known .*, got 1 unknown\."
    ):
        inspect_artefact(engine_of(tmp_path, plan))


def test_without_a_gpu_one_line_says_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "nvidia_gpus", lambda: ())
    with pytest.raises(InputError, match=r"foreign\.engine: expected an NVIDIA GPU and the TensorRT that built it"):
        inspect_artefact(engine_of(tmp_path, b"ftrt"))
    with pytest.raises(InputError, match=r"none\.engine: expected an engine, got no such file\. `singleshot build"):
        inspect_artefact(tmp_path / "none.engine")


def layer(kind: str, datatype: str) -> dict[str, Any]:
    return {"Name": "x", "LayerType": kind, "Inputs": [{"Name": "i", "Format/Datatype": datatype}], "Outputs": []}


LAYERS = [
    layer("CaskConvolution", "Channel major FP16 format where channel % 8 == 0"),
    layer("CaskGemmConvolution", "Half"),
    layer("CaskConvolution", "Thirty-two wide channel vectorized row major Int8 format"),
    layer("CaskDeconvolutionV2", "Row major linear FP32"),
    layer("CaskConvolution", "N/A due to dynamic shapes"),
    layer("Reformat", "Row major linear FP32"),
]


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> TensorRtState:
    """Put a GPU and TensorRT into the machine."""
    state = TensorRtState(gpu=FakeGpu())
    install_fakes(monkeypatch, state)
    monkeypatch.setattr(plans, "nvidia_gpus", lambda: ("NVIDIA RTX A2000, 590.1, 6144 MiB, 8.6",))
    return state


def written(folder: Path, layers: list[Any]) -> Path:
    content = json.loads(plan_of(detector_tensors()))
    return engine_of(folder, json.dumps({**content, "layers": layers}).encode())


def test_inspector_tells_of_plans_of_tensorrt(tmp_path: Path, state: TensorRtState) -> None:
    found = inspect_artefact(written(tmp_path, LAYERS), trust=True)
    assert dict(found.operators) == {
        "convolution, half": 2,
        "convolution, int8": 1,
        "convolution, float": 1,
        "convolution, unknown": 1,
        "layer CaskConvolution": 3,
        "layer CaskGemmConvolution": 1,
        "layer CaskDeconvolutionV2": 1,
        "layer Reformat": 1,
    }
    assert (found.precision, found.format) == ("int8", "plan of TensorRT 10.3.0, read by its inspector")
    assert [str(item) for item in found.inputs] == ["frames uint8 [1, 8, 8, 3]"]
    assert state.calls[-1] == "engine freed"


@pytest.mark.parametrize(
    ("layers", "trust", "message"),
    [
        pytest.param(
            LAYERS, False, r"expected an engine that you built .* which can run code, .*give --trust", id="trust"
        ),
        pytest.param(
            ["conv + relu"], True, r"built with ProfilingVerbosity\.DETAILED, .* of 1 layers\.", id="names alone"
        ),
        pytest.param(
            [layer("Odd", "?")], True, "expected layers of a type that is known .*, got 1 unknown", id="types"
        ),
    ],
)
@pytest.mark.usefixtures("state")
def test_what_an_inspector_cannot_tell(tmp_path: Path, layers: list[Any], trust: bool, message: str) -> None:
    with pytest.raises(InputError, match=re.compile(message)):
        inspect_artefact(written(tmp_path, layers), trust=trust)

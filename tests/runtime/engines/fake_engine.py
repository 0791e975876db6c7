"""An engine with its card on disk, and the fakes in the places where the packages would be."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from singleshot.runtime.card import Card, Engine, InputSpec, Postprocess
from singleshot.runtime.engines import open_cuda
from singleshot.runtime.engines.engine_checks import Compiler, card_path_of
from singleshot.runtime.engines.open_cuda import LayerName
from singleshot.runtime.precision import Precision

from .fake_cuda import FakeGpu, cudart_of
from .fake_pycuda import pycuda_of
from .fake_tensorrt_runtime import TensorRtState, fake_tensorrt, plan_of

SIDE = 8
ROWS = 5
VERSION = "10.3.0"
Tensors = dict[str, tuple[str, str, Sequence[int]]]


def detector_tensors(batch: int = 1) -> Tensors:
    """List what an engine of the contract has, out of the order of the contract."""
    return {
        "det_boxes": ("OUTPUT", "FLOAT", (batch, ROWS, 4)),
        "frames": ("INPUT", "UINT8", (batch, SIDE, SIDE, 3)),
        "det_scores": ("OUTPUT", "FLOAT", (batch, ROWS)),
        "det_classes": ("OUTPUT", "INT32", (batch, ROWS)),
        "exact": ("OUTPUT", "INT32", (batch, 1)),
        "num_dets": ("OUTPUT", "INT32", (batch, 1)),
    }


def write_engine(
    folder: Path,
    *,
    profiles: Sequence[tuple[int, int, int]] = ((1, 1, 1),),
    tensors: Tensors | None = None,
    compiler: Compiler = "tensorrt",
    plan: bytes | None = None,
) -> Path:
    """Write a detector's engine and its card; a batch that is not fixed is free."""
    least, best, most = profiles[0]
    if plan is None:
        plan = plan_of(tensors or detector_tensors(least if least == most else -1), profiles)
    card = Card(
        kind="engine",
        network="small",
        class_names=("cat", "dog"),
        input=InputSpec(height=SIDE, width=SIDE, mean=(0, 0, 0), std=(1, 1, 1)),
        postprocess=Postprocess(tail="cluster", max_detections=ROWS, candidates=10),
        engine=Engine(
            graph="small.onnx",
            compiler=compiler,
            version=VERSION,
            compute_capabilities=("8.6",),
            precision=Precision.FP16,
            batch=(least, best, most),
            plan_sha256=hashlib.sha256(plan).hexdigest(),
            network_convolutions={"half": 1},
            deserialised=False,
            executed=False,
        ),
    )
    path = folder / "small.engine"
    path.write_bytes(plan)
    card_path_of(path).write_text(card.to_json(), encoding="utf-8")
    return path


def install_fakes(
    monkeypatch: pytest.MonkeyPatch, state: TensorRtState, *, layer: LayerName = "cuda-python", version: str = VERSION
) -> None:
    """Put the fakes where the packages would be."""
    gpu: FakeGpu = state.gpu
    monkeypatch.setattr(open_cuda, "installed_layers", lambda: (layer,))
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", cudart_of(gpu))
    monkeypatch.setitem(sys.modules, "pycuda.driver", pycuda_of(gpu))
    monkeypatch.setitem(sys.modules, "tensorrt_rtx" if state.is_rtx else "tensorrt", fake_tensorrt(state, version))

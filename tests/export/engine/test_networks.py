"""Every network that can be trained compiles for every GPU that TensorRT-RTX supports."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from singleshot.export.engine.compile import check_precision
from singleshot.export.engine.fixed_batch import with_batch
from singleshot.export.engine.plan import BatchProfile, CompilerSettings, compile_plan
from singleshot.export.engine.tensorrt_api import TensorRt
from singleshot.export.graphs.classifier_tail import append_classifier_tail
from singleshot.export.graphs.cluster_tail import with_cluster_tail
from singleshot.export.graphs.fp16 import with_fp16_network
from singleshot.export.graphs.network_graph import network_graph
from singleshot.export.graphs.product_convolutions import with_convolutions_for_products
from singleshot.export.graphs.tail import append_onnx_tail
from singleshot.export.inspection.plan_program import read_plan_program
from singleshot.runtime.card import Postprocess
from singleshot.runtime.precision import Precision
from singleshot.runtime.progress import no_progress
from singleshot.runtime.runners.contract import CLASS_LOGITS
from singleshot.train.networks.options import NetworkOptions
from singleshot.train.networks.registry import NETWORKS, build_detector, build_network

SIDE = 64
POSTPROCESS = Postprocess(candidates=100, max_detections=20)


def emitted_graph(name: str, side: int) -> onnx.ModelProto:
    """Emit a network with random weights, as an export does, with the tail that compilers take."""
    torch.manual_seed(0)
    options = NetworkOptions(input_hw=(side, side), class_count=6)
    spec = NETWORKS[name].input.model_copy(update={"height": side, "width": side})
    if NETWORKS[name].task == "classifier":
        return append_classifier_tail(network_graph(build_network(name, options), spec, heads=(CLASS_LOGITS,)))
    network = build_detector(name, options)
    default_cxcywh = network.default_cxcywh.numpy().astype(np.float32)
    tailed = append_onnx_tail(network_graph(network, spec), default_cxcywh=default_cxcywh, postprocess=POSTPROCESS)
    return with_cluster_tail(tailed, POSTPROCESS)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "vgg_lite" else pytest.mark.slow) for name in NETWORKS]
)
def test_every_network_compiles_for_every_target(name: str) -> None:
    tensorrt = TensorRt(module=pytest.importorskip("tensorrt_rtx"))
    graph = with_convolutions_for_products(emitted_graph(name, max(SIDE, NETWORKS[name].least_side)))
    model = with_batch(with_fp16_network(graph), BatchProfile(), name=name)
    every = tensorrt.compute_capabilities()
    assert every >= (75, 80, 86, 89, 120)
    settings = CompilerSettings(compute_capabilities=every)
    plan = compile_plan(model, tensorrt, settings, name=name, on_progress=no_progress)
    program = read_plan_program(plan.data)
    assert program is not None
    assert program.targets == tuple(f"sm{capability}" for capability in every)
    check_precision(name, Precision.FP16, plan.network_convolutions, program)

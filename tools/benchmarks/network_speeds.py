"""How long each network takes on this machine, by who computes it: untrained, as weights do not change the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import torch

from ...calib.int8.quantized_graph import quantized_graph, tensors_to_measure
from ...calib.int8.table import CalibrationTable, ImagesRecord, TensorRange
from ...export.checkpoint.export import graph_with_tail
from ...export.graphs.graph_file import save_graph
from ...export.quantize.calibrated import QuantizationSettings
from ...runtime.backends import this_machine
from ...runtime.card import Card, Postprocess
from ...runtime.progress import Progress, no_progress
from ...train.networks.options import NetworkOptions
from ...train.networks.registry import build_network, network_named
from .contenders import plan_on
from .figures import estimates
from .measure import Entry, measure
from .runs import BenchRun

_FRAMES, _REPEATS = 50, 3
_RANGE = TensorRange(low=-1.0, high=4.0, limit=4.0)
_FLOAT, _INT8 = ".onnx", ".int8.onnx"


@dataclass(frozen=True, kw_only=True)
class NetworkSpeeds:
    """Times of networks, and the run that they are of.

    Args:
        ms: medians from frame to detections, in milliseconds, by network, then by who computed it.
        run: everything that was measured, and under which conditions.
    """

    ms: dict[str, dict[str, float]]
    run: BenchRun


def measure_networks(
    names: Sequence[str],
    *,
    class_count: int,
    on_progress: Progress = no_progress,
    tell: Callable[[str], None] = lambda _line: None,
) -> NetworkSpeeds:
    """Time networks at their own size with ONNX Runtime and, where it is installed, with OpenVINO in its precisions.

    Each is exported with random weights and quantized with made-up ranges: neither changes the time, but suppression
    has little to do, as an untrained network finds nothing.

    Args:
        names: of networks.
        class_count: background is not counted.
        on_progress: called after each export and each process.
        tell: is given lines: which columns are missing.

    Raises:
        InputError: there is no such network, or one cannot be run.
        MissingDependencyError: what exports it is not installed.
    """
    contenders = _contenders(tell)
    with TemporaryDirectory() as folder:
        entries = []
        for done, name in enumerate(names, start=1):
            _save_graphs(Path(folder), name, class_count)
            entries += [
                Entry(
                    name=name,
                    artefact=f"{folder}/{name}{kind}",
                    backend=backend,
                    modes=frozenset({"back_to_back"}),
                    proves=False,
                )
                for kind, backend in contenders
            ]
            on_progress("exporting", done, len(names))
        plan = replace(plan_on(None), frames=_FRAMES, repeats=_REPEATS)
        run = measure(entries, plan, on_progress=on_progress)  # who runs what is said by the columns
    ms: dict[str, dict[str, float]] = {name: {} for name in names}
    for contender in run.contenders:
        ms[contender.name][contender.runs_on] = estimates(contender)["p50"].value
    return NetworkSpeeds(ms=ms, run=run)


def _contenders(tell: Callable[[str], None]) -> list[tuple[str, str]]:
    """List which graph is run by whom; say what this machine has not."""
    contenders = [(_FLOAT, "onnxruntime")]
    if find_spec("openvino") is None:
        tell("openvino is not installed: pip install 'singleshot[openvino]' brings its columns")
        return contenders
    contenders.append((_FLOAT, "openvino:fp32"))
    if this_machine().has_bf16():
        contenders.append((_FLOAT, "openvino:bf16"))
    else:
        tell("no column for bf16, which this processor does not compute")
    return [*contenders, (_INT8, "openvino:fp32")]


def _save_graphs(folder: Path, name: str, class_count: int) -> None:
    """Write a network's graph, and the same in int8."""
    network = network_named(name)
    card = Card(
        kind="graph",
        task=network.task,
        network=name,
        class_names=tuple(f"class {number}" for number in range(class_count)),
        input=network.input,
        postprocess=Postprocess(variances=network.variances),
    )
    options = NetworkOptions(input_hw=(card.input.height, card.input.width), class_count=class_count)
    torch.manual_seed(0)
    graph = graph_with_tail(build_network(name, options), card)
    save_graph(graph, card, folder / f"{name}{_FLOAT}")
    save_graph(_quantized(graph, card), card, folder / f"{name}{_INT8}")


def _quantized(graph: onnx.ModelProto, card: Card) -> onnx.ModelProto:
    """Quantize every convolution that `singleshot quantize` would, without looking at an image."""
    table = CalibrationTable(
        method="minmax",
        graph_sha256="",
        preprocessing=card.input,
        images=ImagesRecord(count=0, seed=0, listed_sha256="", sha256_of={}),
        ranges=dict.fromkeys(tensors_to_measure(graph), _RANGE),
    )
    return quantized_graph(graph, table, weight_steps=QuantizationSettings().weight_steps)

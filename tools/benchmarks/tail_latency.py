"""What post-processing costs by itself: both tails, several K, on heads that are at hand.

`python -m singleshot.tools.benchmarks.tail_latency [GRAPH]` times generated heads of SSD300's size, and a graph's own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import typer
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnx.utils import Extractor
from onnxruntime import InferenceSession
from rich import box
from rich.console import Console
from rich.table import Table

from ...export.graphs.cluster_tail import with_cluster_tail
from ...export.graphs.tail import CANDIDATES as CHOSEN
from ...export.graphs.tail import OPSET, append_onnx_tail
from ...export.parity.raw_heads import HeadsOfFrame, open_graph_heads
from ...runtime.card import Postprocess
from ...runtime.detection.letterbox import fit_frame
from ...runtime.errors import InputError
from ...runtime.runners.contract import HEADS
from ...runtime.runners.onnxruntime_runner import graph_facts
from ...runtime.runners.quiet_session import open_quietly, quiet_options
from ...runtime.shipped import CLIP, shipped_detector
from ...runtime.sources.open_source import open_source
from ..terminal.exits import exit_codes

TAILS = ("candidates", "onnx", "cluster")
"""The first is what both have in common, softmax and TopK: what a tail takes more is decoding and suppression."""
CANDIDATES = (200, 400, 1000)
"""K."""
BOXES, CLASSES = 8732, 20
"""Of SSD300 on VOC, the usual size to state."""
_FRAMES = 8
_OBJECTS = 300
"""Default boxes of the generated heads that are sure of a class."""

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class TailLatency:
    """What one tail costs a frame: softmax, choice of candidates, decoding and suppression together.

    Args:
        heads: whose.
        boxes: D.
        classes: without the background.
        tail: one of TAILS.
        candidates: K.
        median_ms: median of all runs.
        least_ms: shortest of them.
    """

    heads: str
    boxes: int
    classes: int
    tail: str
    candidates: int
    median_ms: float
    least_ms: float


@dataclass(frozen=True, kw_only=True)
class NamedHeads:
    """Heads to post-process, one value a frame, all of one D and C."""

    name: str
    frames: tuple[HeadsOfFrame, ...]


def tail_latency(
    graph: Annotated[Path | None, typer.Argument(help="A detector's graph; the shipped one if not given.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds.")] = 100,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads that compute.")] = None,
) -> None:
    """Time both tails at several K, in turns."""
    with exit_codes():
        path = graph or shipped_detector()
        spec = graph_facts(path).card.input
        with open_source(str(CLIP)) as source:
            fitted = [fit_frame(frame.image, spec)[None] for frame in islice(source, _FRAMES)]
        found = measure_tails([generated_heads(), heads_of_graph(path, fitted)], repeats=repeats, threads=threads)
        table = Table("heads", box=box.SIMPLE_HEAD)
        for heading in ("boxes x classes", "tail", "K", "median ms", "least"):
            table.add_column(heading, justify="right")
        for item in found:
            size = f"{item.boxes} x {item.classes}"
            figures = (f"{item.median_ms:.3f}", f"{item.least_ms:.3f}")
            table.add_row(item.heads, size, item.tail, str(item.candidates), *figures)
        Console().print(table)


def measure_tails(
    all_heads: Sequence[NamedHeads],
    *,
    repeats: int,
    threads: int | None = None,
) -> list[TailLatency]:
    """Time every tail and K on the same heads in ONNX Runtime, in turns.

    Args:
        all_heads: of one or several networks.
        repeats: rounds; in each, every tail runs once over every frame.
        threads: that compute a frame; none leaves the choice to ONNX Runtime.
    """
    routes = [
        (heads, tail, candidates, _session(heads.frames[0], tail, candidates, threads))
        for heads in all_heads
        for tail in TAILS
        for candidates in CANDIDATES
    ]
    seconds: list[list[float]] = [[] for _ in routes]
    for number in range(repeats + 1):  # the first warms up
        for (heads, _, _, session), taken in zip(routes, seconds, strict=True):
            times = [_timed(session, frame) for frame in heads.frames]
            if number:
                taken.extend(times)
    return [
        TailLatency(
            heads=heads.name,
            boxes=len(heads.frames[0].class_logits),
            classes=heads.frames[0].class_logits.shape[1] - 1,
            tail=tail,
            candidates=candidates,
            median_ms=1e3 * float(np.median(taken)),
            least_ms=1e3 * min(taken),
        )
        for (heads, tail, candidates, _), taken in zip(routes, seconds, strict=True)
    ]


def heads_of_graph(path: Path, fitted: Sequence[NDArray[np.uint8]]) -> NamedHeads:
    """Compute a graph's raw heads on frames.

    Args:
        path: a detector.
        fitted: [1, H, W, 3] uint8 BGR each, of the input's size.

    Raises:
        InputError: the graph does not name its heads and default boxes.
    """
    heads = open_graph_heads(path, graph_facts(path).card, "onnxruntime")
    frames = () if heads is None else tuple(heads(frame) for frame in fitted)
    if not frames or frames[0].default_cxcywh is None:
        raise InputError(f"{path}: expected a detector that names its heads and default boxes, got none. Export it.")
    return NamedHeads(name=path.name, frames=frames)


def generated_heads() -> NamedHeads:
    """Make heads of SSD300's size: most default boxes see background, 300 are sure of a class."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (BOXES, CLASSES + 1)).astype(np.float32)
    logits[:, 0] += 6
    logits[rng.integers(0, BOXES, _OBJECTS), 1 + rng.integers(0, CLASSES, _OBJECTS)] += 8
    offsets = rng.normal(0, 0.5, (BOXES, 4)).astype(np.float32)
    default_cxcywh = np.concatenate([rng.uniform(0, 1, (BOXES, 2)), rng.uniform(0.05, 0.5, (BOXES, 2))], axis=1)
    frame = HeadsOfFrame(class_logits=logits, box_offsets=offsets, default_cxcywh=default_cxcywh.astype(np.float32))
    return NamedHeads(name="generated", frames=(frame,))


def _session(heads: HeadsOfFrame, tail: str, candidates: int, threads: int | None) -> InferenceSession:
    if heads.default_cxcywh is None:
        raise ValueError("heads: expected default boxes, got none")
    postprocess = Postprocess(candidates=candidates)
    model = append_onnx_tail(_heads_alone(heads), default_cxcywh=heads.default_cxcywh, postprocess=postprocess)
    if tail == "cluster":
        model = with_cluster_tail(model, postprocess)
    if tail == TAILS[0]:
        inputs = [value.name for value in model.graph.input]
        model = Extractor(onnx.shape_inference.infer_shapes(model)).extract_model(
            inputs[:1], [CHOSEN.scores, CHOSEN.class_ids]
        )
    return open_quietly(model.SerializeToString(), quiet_options(threads))


def _heads_alone(heads: HeadsOfFrame) -> onnx.ModelProto:
    """Build a graph that hands its inputs through as the raw heads."""
    nodes, inputs, outputs = [], [], []
    for name, value in zip(HEADS, (heads.class_logits, heads.box_offsets), strict=True):
        shape = ["N", *value.shape]
        nodes.append(helper.make_node("Identity", [f"in_{name}"], [name]))
        inputs.append(helper.make_tensor_value_info(f"in_{name}", TensorProto.FLOAT, shape))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    graph = helper.make_graph(nodes, "heads", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def _timed(session: InferenceSession, heads: HeadsOfFrame) -> float:
    values = {"in_class_logits": heads.class_logits[None], "in_box_offsets": heads.box_offsets[None]}
    fed = {value.name: values[value.name] for value in session.get_inputs()}
    started_s = time.perf_counter()
    session.run(None, fed)
    return time.perf_counter() - started_s


if __name__ == "__main__":
    typer.run(tail_latency)

"""Who can run a graph that is to be compared."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

import onnx

from ...runtime.backends import with_known_precision
from ...runtime.card import Card
from ...runtime.errors import InputError
from ...runtime.precision import Precision
from ...runtime.runners.onnxruntime_runner import OnnxRuntimeRunner, graph_facts
from ...runtime.runners.runner import Runner
from ...runtime.session import GraphSession
from ..graphs.cluster_tail import with_cluster_tail
from ..graphs.graph_file import has_half, load_graph, save_graph
from .rounding import honest_network

RunnerName = Literal[
    "onnxruntime",
    "onnxruntime:cpu",
    "onnxruntime:openvino",
    "onnxruntime:rtx",
    "openvino:fp32",
    "openvino:bf16",
    "opencv",
]
"""Behind an `@`, as in `animals.onnx@openvino:bf16`; `onnxruntime` alone computes on CUDA where that works."""


def split_runner(text: str) -> tuple[Path, RunnerName | None]:
    """Split `PATH` or `PATH@RUNNER`; a file whose name holds an `@` is found by its whole name.

    Raises:
        InputError: there is something else behind the `@`.
    """
    path, at, runner = text.rpartition("@")
    if not at or Path(text).exists():
        return Path(text), None
    runner = "openvino:fp32" if runner == "openvino" else with_known_precision(runner)
    if runner not in get_args(RunnerName):
        raise InputError(f"{text}: expected one of {', '.join(get_args(RunnerName))} behind the @, got {runner!r}.")
    return Path(path), runner  # type: ignore[return-value]  # checked above


def open_runner(path: Path, name: RunnerName, *, threads: int | None = None, keeps_casts: bool = False) -> Runner:
    """Open a graph with the runner that was named.

    OpenCV lacks NonMaxSuppression: a graph with the `onnx` tail is given the `cluster` tail for it.

    Raises:
        InputError: the file or the runner cannot be used.
        MissingDependencyError: the runner is not installed.
    """
    if name in ("onnxruntime", "onnxruntime:cpu"):
        return OnnxRuntimeRunner(
            path, threads=threads, on_cpu=keeps_casts or name == "onnxruntime:cpu", keeps_casts=keeps_casts
        )
    if name == "onnxruntime:openvino":
        return OnnxRuntimeRunner(path, threads=threads, provider="openvino")
    if name == "onnxruntime:rtx":
        return OnnxRuntimeRunner(path, threads=threads, provider="rtx")
    if name == "opencv":
        return _open_opencv(path)
    from ...runtime.runners.openvino_runner import OpenVinoRunner

    return OpenVinoRunner(path, precision=Precision(name.partition(":")[2]), threads=threads)


def open_graph(path: Path, name: RunnerName, *, threads: int | None = None, keeps_casts: bool = False) -> GraphSession:
    """Open a session over `open_runner`.

    Raises:
        InputError: the file or the runner cannot be used, or the graph does not follow the contract.
        MissingDependencyError: the runner is not installed.
    """
    return GraphSession(path, open_runner(path, name, threads=threads, keeps_casts=keeps_casts))


@contextmanager
def as_written(path: Path, name: RunnerName) -> Iterator[tuple[Path, bool]]:
    """Give a file that computes what a graph says, for a runner that does not of itself.

    ONNX Runtime on a CPU computes a graph in half precision in float32: see `honest_network`.

    Returns:
        The file, the graph's own where the runner is right, and whether ONNX Runtime must keep its casts.
    """
    model = load_graph(path)
    if not name.startswith("onnxruntime") or not has_half(model):
        yield path, False
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        onnx.save(honest_network(onnx.load(str(path))), str(copy))
        yield copy, True


def open_as_written(path: Path) -> GraphSession:
    """Open a graph in ONNX Runtime so that it computes in the types that it says.

    Raises:
        InputError: the file cannot be used, or the graph does not follow the contract.
    """
    with as_written(path, "onnxruntime") as (file, keeps_casts):
        return open_graph(file, "onnxruntime", keeps_casts=keeps_casts)


def _open_opencv(path: Path) -> Runner:
    from .opencv_runner import OpenCvRunner

    card = graph_facts(path).card
    if card.task == "classifier" or card.postprocess.tail == "cluster":
        return OpenCvRunner(path)
    given = onnx.load(str(path))
    try:
        model = with_cluster_tail(given, card.postprocess)
    except ValueError as error:
        raise InputError(
            f"{path}: expected a graph that can be given the `cluster` tail for OpenCV, got none ({error}). "
            f"Run it with onnxruntime."
        ) from error
    kept = {value.name for value in model.graph.output}
    model.graph.output.extend(value for value in given.graph.output if value.name not in kept)  # raw heads
    with tempfile.TemporaryDirectory() as folder:
        clustered = Path(folder) / path.name
        save_graph(model, _with_cluster(card), clustered)
        return OpenCvRunner(clustered, source=path)


def _with_cluster(card: Card) -> Card:
    return card.model_copy(update={"postprocess": card.postprocess.model_copy(update={"tail": "cluster"})})

"""Runs a graph with OpenVINO on the CPU, in float32 or bfloat16; where the graph says 8 bits, in 8 bits."""

from __future__ import annotations

import os
from collections import OrderedDict
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..files import cache_folder
from ..precision import Precision
from ..require import require
from .contract import EXPORT_AGAIN, FRAMES, Outputs, TensorSpec
from .onnxruntime_runner import check_threads, graph_facts
from .openvino_ties import order_ties

if TYPE_CHECKING:
    import openvino

DEVICE = "CPU"

_HINTS = {Precision.FP32: "f32", Precision.BF16: "bf16"}
"""What floating-point arithmetic can be done in, in OpenVINO's words."""

_KEPT_BYTES = 1 << 30
"""Of compiled graphs in the user's cache; beyond that the oldest are deleted before another is compiled."""

_KEPT_BATCHES = 4
"""Compiled models kept, one a batch size: fixed to one N, a graph runs up to 1.6 times as fast as with N free."""


class OpenVinoRunner:
    """A graph with a card, run by OpenVINO.

    Args:
        path: the .onnx file.
        precision: of floating-point arithmetic. OpenVINO by itself takes bfloat16 where the processor has it; here it
            is what was asked for.
        threads: threads that compute one frame; none leaves the choice to OpenVINO.
        streams: frames computed at the same time, each by one thread, for as many threads as call.
        keeps_compiled: keep what was compiled in the user's cache folder, and take it from there.

    Raises:
        InputError: the file is missing, is no graph, has no card, holds an operator that OpenVINO lacks, or the
            processor does not compute in this precision.
        MissingDependencyError: openvino is not installed.
    """

    def __init__(
        self,
        path: Path,
        *,
        precision: Precision = Precision.FP32,
        threads: int | None = None,
        streams: int = 1,
        keeps_compiled: bool = False,
    ) -> None:
        check_threads(threads)
        require("openvino", extra="openvino", why="the backend openvino")
        facts = graph_facts(path)
        self.card, self.inputs, self.outputs = facts.card, facts.inputs, facts.outputs
        self._path = path
        self._model = _read(path)
        self._settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": _HINTS[precision]}
        if threads is not None:
            self._settings["INFERENCE_NUM_THREADS"] = threads * streams
        if streams > 1:
            self._settings["NUM_STREAMS"] = streams
            self._settings["ENABLE_CPU_PINNING"] = False  # decoding and writing want a share of each core
        if keeps_compiled and (folder := _compiled_folder()) is not None:
            self._settings["CACHE_DIR"] = str(folder)
        self._streams = streams
        self._lock = Lock()
        self._requests: OrderedDict[int, SimpleQueue[openvino.InferRequest]] = OrderedDict()
        has_int8 = _has_int8(self._model)
        self.computes = Precision.INT8 if has_int8 else precision
        self.name = f"openvino {'int8 + ' if has_int8 else ''}{precision} ({DEVICE})"
        if precision == Precision.BF16 and not computes_bf16():
            raise InputError(
                f"{path}: expected a processor that computes bf16, got one without it. Run it with openvino:fp32."
            )
        if FRAMES in self.inputs:  # what it cannot compile shows here and not at the first frame
            self._first_run(self.inputs[FRAMES])

    def infer(self, frames: NDArray[np.uint8]) -> Outputs:
        """Compute all outputs; see `Runner.infer`."""
        idle = self._idle(len(frames))
        request = idle.get()
        try:
            results = request.infer({FRAMES: np.ascontiguousarray(frames)}, share_inputs=True)
            # OpenVINO keeps the file's order of outputs, and may know a tensor by several names.
            return {name: np.array(results[index]) for index, name in enumerate(self.outputs)}
        finally:
            idle.put(request)

    def close(self) -> None:
        """Free the graph."""
        self._requests.clear()
        del self._model

    def _first_run(self, spec: TensorSpec) -> None:
        """Run once, in this thread alone.

        What OpenVINO's Python module does at the first run of a process hangs for ever when two threads come to it at
        once: one waits for C++'s guard of a static holding the interpreter's lock, which the other wants (2026.4).
        """
        count, *shape = (size or 1 for size in spec.shape)
        if spec.dtype == "uint8" and None not in spec.shape[1:]:
            self.infer(np.zeros((count, *shape), np.uint8))
        else:  # it follows no contract of ours, which the session says
            self._idle(count)

    def _idle(self, batch: int) -> SimpleQueue[openvino.InferRequest]:
        """Take the idle requests of a batch size, compiling the model for it the first time."""
        with self._lock:
            if batch not in self._requests:
                compiled = _compile(self._model, batch, self._settings, self._path)
                self._requests[batch] = SimpleQueue()
                for _ in range(self._streams):
                    self._requests[batch].put(compiled.create_infer_request())
            self._requests.move_to_end(batch)
            if len(self._requests) > _KEPT_BATCHES:
                self._requests.popitem(last=False)
            return self._requests[batch]


@cache
def core() -> openvino.Core:
    """Return the one core of this process, which is never freed.

    Its CPU plugin gives the thread a stack for signals, and where several come and go it leaves one behind that is
    freed: the next Ctrl-C or SIGTERM would end the process by a segmentation fault (OpenVINO 2026.4).
    """
    import openvino

    return openvino.Core()


def _compiled_folder() -> Path | None:
    """Make room in the folder of compiled graphs; none where it cannot be written to.

    OpenVINO knows them by the graph, its own version and the settings, compiles anew what it cannot read, and never
    deletes one.
    """
    folder = cache_folder("openvino")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        kept = sorted(((blob.stat(), blob) for blob in folder.glob("*.blob")), key=lambda item: item[0].st_mtime)
        size = sum(facts.st_size for facts, _ in kept)
        for facts, blob in kept:
            if size > _KEPT_BYTES:
                blob.unlink()
                size -= facts.st_size
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def computes_bf16() -> bool:
    """Tell whether OpenVINO computes bfloat16 on this processor; it would silently take float32 where it does not."""
    return "BF16" in core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")


def _read(path: Path) -> openvino.Model:
    try:
        model = core().read_model(str(path))
    except RuntimeError as error:
        raise InputError(_cannot(path, "read", error)) from error
    order_ties(model)
    return model


def _compile(model: openvino.Model, batch: int, settings: dict[str, Any], path: Path) -> openvino.CompiledModel:
    fixed = model.clone()
    shape = fixed.input(FRAMES).get_partial_shape()
    shape[0] = batch
    try:
        fixed.reshape({FRAMES: shape})
        return core().compile_model(fixed, DEVICE, settings)
    except RuntimeError as error:
        raise InputError(_cannot(path, "compile", error)) from error


def _cannot(path: Path, what: str, error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (
        f"{path}: expected a graph that OpenVINO can {what}, got: {' '.join(lines[-2:])}. "
        f"Run it with onnxruntime, or: {EXPORT_AGAIN}"
    )


def _has_int8(model: openvino.Model) -> bool:
    return any(operation.get_type_name() == "FakeQuantize" for operation in model.get_ops())

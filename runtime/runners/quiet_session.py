"""The one place that opens ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

CPU = "CPUExecutionProvider"

Provider = Literal["cuda", "tensorrt", "openvino", "rtx"]
"""What ONNX Runtime can compute with besides the processor."""

ProviderChoice = str | tuple[str, Mapping[str, object]]
"""An execution provider's name, with its settings where it has any."""

RUNTIME_ERRORS = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoModel,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
"""What ONNX Runtime raises for a graph that it cannot load or run."""

_SILENT = 4
"""Severity "fatal": its own lines, of which each error is also raised, would litter stderr beside our one line."""


def quiet_options(threads: int | None = None, *, spins: bool = True) -> ort.SessionOptions:
    """Make options under which ONNX Runtime prints nothing.

    Args:
        threads: threads that compute a run; none leaves the choice to ONNX Runtime.
        spins: threads wait busily for their next part, also between two runs.
    """
    options = ort.SessionOptions()
    if not spins:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _SILENT
    if threads is not None:
        options.intra_op_num_threads = threads
    return options


def open_quietly(
    graph: Path | bytes, options: ort.SessionOptions | None = None, *, providers: Sequence[ProviderChoice] = (CPU,)
) -> ort.InferenceSession:
    """Open a graph, on the CPU unless told otherwise.

    Args:
        graph: the file, or what would be in it.
        options: of `quiet_options`.
        providers: who computes, in order of preference; none where the options say it.

    Raises:
        One of `RUNTIME_ERRORS`: the graph cannot be loaded.
    """
    return ort.InferenceSession(
        graph if isinstance(graph, bytes) else str(graph), options or quiet_options(), providers=list(providers) or None
    )


def reason_of(error: Exception) -> str:
    """Say in one line why ONNX Runtime raised, without its codes."""
    return " ".join(str(error).split(" : ", 3)[-1].split())[:300]

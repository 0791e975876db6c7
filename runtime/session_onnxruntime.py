"""Runs a graph with ONNX Runtime, after checking that the graph follows the contract."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors
from typing_extensions import Self

from .card import CARD_KEY, Card, card_from_json
from .detections import Detections
from .errors import InputError
from .postprocess import greedy_survivors
from .session import check_frames

_OUTPUT_NAMES = ("num_dets", "det_boxes", "det_scores", "det_classes")
_EXACT = "exact"
"""Further output of the `cluster` tail: 0 where suppression has to be finished here."""
_PROVIDERS = {"CUDAExecutionProvider": "CUDA", "CPUExecutionProvider": "CPU"}
"""In order of preference, with the word for reports."""

_SILENT = 4
"""ONNX Runtime's severity "fatal": its own lines would litter stderr beside our one line."""

_CANNOT_LOAD = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoModel,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
_EXPORT_AGAIN = "Export it again with `singleshot export`."


class OnnxRuntimeSession:
    """A graph that follows the contract, run by ONNX Runtime on CUDA where that works, on the CPU elsewhere.

    Args:
        path: the .onnx file.
        threads: threads that compute one frame; none leaves the choice to ONNX Runtime.

    Raises:
        InputError: the file is missing, is no graph, has no card, or does not follow the contract.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise InputError(f"threads: expected at least 1, got {threads}.")
        session = _load(path, threads)
        self._session: ort.InferenceSession | None = session
        self._path = path
        self._card = _card_of(session, path)
        _check_contract(session, self._card, path)
        batch = session.get_inputs()[0].shape[0]
        self._fixed_batch = batch if isinstance(batch, int) else None
        self._backend = f"onnxruntime ({_PROVIDERS[session.get_providers()[0]]})"

    @property
    def card(self) -> Card:
        """The card in the graph's metadata."""
        return self._card

    @property
    def backend(self) -> str:
        """For example `onnxruntime (CPU)`."""
        return self._backend

    def run(self, frames: NDArray[np.uint8]) -> list[Detections]:
        """Detect on a batch; see `Session.run`."""
        if self._session is None:
            raise RuntimeError(f"{self._path}: the session is closed")
        check_frames(frames, self._card.input, batch=self._fixed_batch)
        is_cluster = self._card.postprocess.tail == "cluster"
        names = (*_OUTPUT_NAMES, _EXACT) if is_cluster else _OUTPUT_NAMES
        num_dets, boxes, scores, classes, *exact = self._session.run(names, {"frames": frames})
        found = []
        for row, count in enumerate(num_dets[:, 0].tolist()):
            rows = Detections(boxes_xyxy=boxes[row, :count], scores=scores[row, :count], class_ids=classes[row, :count])
            self._check_found(rows, count)
            if is_cluster and not exact[0][row, 0]:
                # The rows hold the greedy answer and more; were they cut at M, its last rows may be missing.
                rows = greedy_survivors(rows, self._card.postprocess.iou_threshold)
            found.append(rows)
        return found

    def close(self) -> None:
        """Free the graph; further runs are an error."""
        self._session = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_found(self, found: Detections, count: int) -> None:
        """Refuse what would otherwise surface as an index error or as boxes that silently vanish."""
        classes = len(self._card.class_names)
        if len(found) != count:
            raise InputError(
                f"{self._path}: expected num_dets within its {len(found)} rows, got {count}. {_EXPORT_AGAIN}"
            )
        if not (np.isfinite(found.scores).all() and np.isfinite(found.boxes_xyxy).all()):
            raise InputError(f"{self._path}: expected finite boxes and scores, got NaN or infinity. {_EXPORT_AGAIN}")
        if count and not 0 <= found.class_ids.min() <= found.class_ids.max() < classes:
            raise InputError(
                f"{self._path}: expected class ids 0 to {classes - 1} as in the card, "
                f"got {found.class_ids.min()} to {found.class_ids.max()}. {_EXPORT_AGAIN}"
            )


def _load(path: Path, threads: int | None) -> ort.InferenceSession:
    try:
        with path.open("rb") as file:
            file.read(1)
    except FileNotFoundError:
        raise InputError(f"{path}: expected an ONNX graph, got no such file.") from None
    except OSError as error:
        raise InputError(f"{path}: expected an ONNX graph, got {error.strerror}.") from error
    options = ort.SessionOptions()
    options.log_severity_level = _SILENT
    if threads is not None:
        options.intra_op_num_threads = threads
    available = ort.get_available_providers()
    try:
        return ort.InferenceSession(str(path), options, providers=[name for name in _PROVIDERS if name in available])
    except _CANNOT_LOAD as error:
        reason = str(error).split(" : ", 3)[-1].replace("\n", " ").strip()
        raise InputError(
            f"{path}: expected an ONNX graph, got a file that ONNX Runtime cannot load ({reason}). {_EXPORT_AGAIN}"
        ) from error


def _card_of(session: ort.InferenceSession, path: Path) -> Card:
    metadata = session.get_modelmeta().custom_metadata_map
    if CARD_KEY not in metadata:
        raise InputError(f"{path}: expected a graph with a card, got none under {CARD_KEY!r}. {_EXPORT_AGAIN}")
    return card_from_json(metadata[CARD_KEY], source=str(path))


def _check_contract(session: ort.InferenceSession, card: Card, path: Path) -> None:
    """Compare the graph's inputs and outputs with what the card promises."""
    rows = card.postprocess.max_detections
    wanted_in = {"frames": ("uint8", [None, card.input.height, card.input.width, 3])}
    wanted_out: dict[str, tuple[str, list[int | None]]] = {
        "num_dets": ("int32", [None, 1]),
        "det_boxes": ("float32", [None, rows, 4]),
        "det_scores": ("float32", [None, rows]),
        "det_classes": ("int32", [None, rows]),
    }
    if card.postprocess.tail == "cluster":
        wanted_out[_EXACT] = ("int32", [None, 1])
    _check_values("inputs", session.get_inputs(), wanted_in, path)
    _check_values("outputs", session.get_outputs(), wanted_out, path)


def _check_values(
    kind: str, values: list[ort.NodeArg], wanted: dict[str, tuple[str, list[int | None]]], path: Path
) -> None:
    """Names first, then types, then shapes; the first dimension is the batch and may be anything."""
    by_name = {value.name: value for value in values}
    if set(by_name) != set(wanted):
        raise InputError(
            f"{path}: expected the {kind} {', '.join(wanted)}, got {', '.join(by_name) or 'none'}. {_EXPORT_AGAIN}"
        )
    for name, (dtype, shape) in wanted.items():
        value = by_name[name]
        got_dtype = {"tensor(float)": "float32"}.get(value.type, value.type[len("tensor(") : -1])
        got_shape = list(value.shape)
        if got_dtype != dtype or got_shape[1:] != shape[1:] or len(got_shape) != len(shape):
            raise InputError(
                f"{path}: expected {name} {dtype} {_shape_text(shape)}, "
                f"got {got_dtype} {_shape_text(got_shape)}. {_EXPORT_AGAIN}"
            )


def _shape_text(shape: list[int | None] | list[int | str | None]) -> str:
    sizes = ["N" if place == 0 and not isinstance(size, int) else str(size) for place, size in enumerate(shape)]
    return f"[{', '.join(sizes)}]"

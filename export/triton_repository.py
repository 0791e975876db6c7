"""A graph as a model repository of NVIDIA's Triton Inference Server, served by its ONNX Runtime backend."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..runtime.card import Card
from ..runtime.errors import InputError
from ..runtime.session import open_session
from .inspection import TensorInfo, inspect_artefact

MAX_BATCH = 8
"""Frames that Triton may put together where the graph leaves the batch open."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_TYPES = {"uint8": "TYPE_UINT8", "int32": "TYPE_INT32", "float32": "TYPE_FP32"}
"""Element types of the graph contract, as Triton calls them."""


@dataclass(frozen=True, kw_only=True)
class TritonModel:
    """A model that was written.

    Args:
        folder: the model's folder in the repository.
        name: as clients ask for it.
        max_batch: 0 where the graph fixes its batch.
    """

    folder: Path
    name: str
    max_batch: int


def write_triton_model(
    graph: Path, repository: Path, *, name: str | None = None, max_batch: int | None = None
) -> TritonModel:
    """Write REPOSITORY/NAME with `1/model.onnx`, `config.pbtxt` and `labels.txt`, whole or not at all.

    Triton batches frames of several clients where the graph leaves its batch open. `labels.txt` has one class name a
    line, in the order of `det_classes`, for the client: Triton's own classification would read ids as scores.

    Args:
        graph: follows the graph contract.
        repository: folder of Triton's models; it is made where it is missing.
        name: of the model; the file's name without its suffix where not given.
        max_batch: most frames a batch; 8 where not given.

    Raises:
        InputError: the graph cannot be used, the name is taken or not allowed, or the batch does not fit the graph.
    """
    name = graph.stem if name is None else name
    if not _NAME.fullmatch(name):
        raise InputError(f"{name}: expected a model name of letters, digits, _, . and -. Choose one by --name.")
    with open_session(graph) as session:  # refuses what does not follow the contract
        card = session.card
    inspection = inspect_artefact(graph)
    batch = inspection.inputs[0].shape[0]
    if isinstance(batch, int) and max_batch is not None:
        raise InputError(f"--max-batch: expected none, as {graph} takes {batch} frames at a time, got {max_batch}.")
    limit = 0 if isinstance(batch, int) else MAX_BATCH if max_batch is None else max_batch
    config = triton_config(
        name, inputs=inspection.inputs, outputs=inspection.outputs, max_batch=limit, card=card, sha256=inspection.sha256
    )
    folder = repository / name
    if folder.exists():
        raise InputError(f"{folder}: expected no model of that name, got one. Remove it, or choose another by --name.")
    _write_whole(folder, graph, config, card.class_names)
    return TritonModel(folder=folder, name=name, max_batch=limit)


def triton_config(
    name: str,
    *,
    inputs: Sequence[TensorInfo],
    outputs: Sequence[TensorInfo],
    max_batch: int,
    card: Card,
    sha256: str,
) -> str:
    """Write a model's `config.pbtxt`.

    Args:
        name: of the model.
        inputs: of the graph.
        outputs: likewise.
        max_batch: 0 where shapes include the batch; otherwise Triton adds the batch itself.
        card: its network and resize go in as parameters.
        sha256: of the graph, likewise.
    """
    first = 1 if max_batch else 0
    parts = [f"name: {_quoted(name)}", 'backend: "onnxruntime"', f"max_batch_size: {max_batch}"]
    for kind, tensors in (("input", inputs), ("output", outputs)):
        entries = ",\n".join(
            f"  {{ name: {_quoted(item.name)} data_type: {_TYPES[item.dtype]} "
            f"dims: [ {', '.join(map(str, item.shape[first:]))} ] }}"
            for item in tensors
        )
        parts.append(f"{kind} [\n{entries}\n]")
    if max_batch:
        parts.append("dynamic_batching { }")
    parameters = {
        "graph_sha256": sha256,
        "network": card.network,
        "resize": card.input.resize,
    }
    parts += [
        f"parameters {{ key: {_quoted(key)} value: {{ string_value: {_quoted(value)} }} }}"
        for key, value in parameters.items()
    ]
    return "\n".join(parts) + "\n"


def _write_whole(folder: Path, graph: Path, config: str, class_names: Sequence[str]) -> None:
    """Fill a folder beside the final one and rename it: a server that watches never sees half a model."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
            model = Path(temporary) / folder.name
            (model / "1").mkdir(parents=True)
            shutil.copyfile(graph, model / "1" / "model.onnx")
            (model / "config.pbtxt").write_text(config, encoding="utf-8")
            (model / "labels.txt").write_text("".join(f"{item}\n" for item in class_names), encoding="utf-8")
            model.rename(folder)
    except OSError as error:
        raise InputError(f"{folder}: could not be written ({error.strerror}); nothing was changed.") from error


def _quoted(text: str) -> str:
    """Quote for protobuf's text format, whose strings take JSON's escapes for ASCII and raw UTF-8 for the rest."""
    return json.dumps(text, ensure_ascii=False)

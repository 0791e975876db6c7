"""An artefact as a model of NVIDIA's Triton Inference Server: a graph for ONNX Runtime, an engine for TensorRT."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...runtime.card import Card
from ...runtime.engines.engine_checks import check_engine, engine_of, graph_of, load_engine_card
from ...runtime.errors import InputError
from ...runtime.files import StrPath
from ...runtime.session import open_session
from ..inspection.facts import TensorInfo
from ..inspection.inspect_artefact import inspect_artefact
from .folder import folder_named, labels_text, write_folder

MAX_BATCH = 8
"""Frames that Triton may put together where a graph leaves the batch open."""

_TYPES = {"uint8": "TYPE_UINT8", "int32": "TYPE_INT32", "float32": "TYPE_FP32"}
"""Element types of the graph contract, as Triton calls them."""


@dataclass(frozen=True, kw_only=True)
class TritonModel:
    """A model that was written.

    Args:
        folder: the model's folder in the repository.
        name: as clients ask for it.
        max_batch: 0 where the artefact fixes its batch.
    """

    folder: Path
    name: str
    max_batch: int


def write_triton_model(
    artefact: StrPath,
    repository: StrPath,
    *,
    name: str | None = None,
    max_batch: int | None = None,
    trust: bool = False,
) -> TritonModel:
    """Write REPOSITORY/NAME with `1/model.onnx` or `1/model.plan`, `config.pbtxt` and `labels.txt`, or nothing.

    Triton batches frames of several clients where the artefact leaves its batch open. `labels.txt` has one class name a
    line, in the order of class ids, for the client: Triton's own classification would read ids as scores.

    Args:
        artefact: a graph that follows the graph contract, or an engine of TensorRT with its card beside it.
        repository: folder of Triton's models; it is made where it is missing.
        name: of the model; the file's name without its suffix where not given.
        max_batch: most frames a batch; where not given 8, of an engine the most that it takes.
        trust: serve an engine although this user did not build it.

    Raises:
        InputError: the artefact cannot be used, the name is taken or not allowed, or the batch does not fit.
    """
    artefact = Path(artefact)
    folder = folder_named(artefact, Path(repository), name)
    is_engine = artefact.suffix.lower() == ".engine"
    content, card, most = _engine(artefact, trust=trust) if is_engine else _graph(artefact)
    inspection = inspect_artefact(artefact)
    batch = inspection.inputs[0].shape[0]
    if isinstance(batch, int) and max_batch is not None:
        raise InputError(f"--max-batch: expected none, as {artefact} takes {batch} frames at a time, got {max_batch}.")
    if most is not None and (max_batch or most) > most:
        raise InputError(f"--max-batch: expected at most {most}, as {artefact} was built for, got {max_batch}.")
    limit = 0 if isinstance(batch, int) else max_batch or most or MAX_BATCH
    config = triton_config(
        folder.name,
        backend="tensorrt" if is_engine else "onnxruntime",
        inputs=inspection.inputs,
        outputs=inspection.outputs,
        max_batch=limit,
        card=card,
        sha256=inspection.sha256,
    )
    model = "1/model.plan" if is_engine else "1/model.onnx"
    write_folder(folder, {model: content, "config.pbtxt": config, "labels.txt": labels_text(card.class_names)})
    return TritonModel(folder=folder, name=folder.name, max_batch=limit)


def _graph(path: Path) -> tuple[bytes, Card, None]:
    """Read a graph that follows the contract; it bounds no batch."""
    with open_session(path, backend="onnxruntime") as session:
        return path.read_bytes(), session.card, None


def _engine(path: Path, *, trust: bool) -> tuple[bytes, Card, int]:
    """Read an engine that Triton can serve, with the largest batch that it takes."""
    card = load_engine_card(path)
    engine = engine_of(card, source=str(path))
    if engine.compiler != "tensorrt":
        raise InputError(
            f"{path}: expected an engine of TensorRT, as Triton has no backend for TensorRT-RTX, got one of it. "
            f"`singleshot handover {graph_of(path, engine)} --to triton` serves its graph."
        )
    least, _, most = engine.batch
    if 1 < least < most:
        raise InputError(
            f"{path}: expected a batch from 1 on, as Triton sends single frames too, got one from {least} on. "
            f"Build it with --batch 1:{engine.batch[1]}:{most}."
        )
    return check_engine(path, card, None, trust=trust), card, most


def triton_config(
    name: str,
    *,
    backend: Literal["onnxruntime", "tensorrt"] = "onnxruntime",
    inputs: Sequence[TensorInfo],
    outputs: Sequence[TensorInfo],
    max_batch: int,
    card: Card,
    sha256: str,
) -> str:
    """Write a model's `config.pbtxt`.

    Args:
        name: under which clients ask for it.
        backend: that serves it.
        inputs: with their shapes in the artefact, the batch first.
        outputs: with their shapes in the artefact, the batch first.
        max_batch: 0 where shapes include the batch; otherwise Triton adds the batch itself.
        card: its network and resize go in as parameters.
        sha256: of the artefact; goes in as a parameter.
    """
    first = 1 if max_batch else 0
    parts = [f"name: {_quoted(name)}", f"backend: {_quoted(backend)}", f"max_batch_size: {max_batch}"]
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
        "graph_sha256" if backend == "onnxruntime" else "engine_sha256": sha256,
        "network": card.network,
        "resize": card.input.resize,
    }
    parts += [
        f"parameters {{ key: {_quoted(key)} value: {{ string_value: {_quoted(value)} }} }}"
        for key, value in parameters.items()
    ]
    return "\n".join(parts) + "\n"


def _quoted(text: str) -> str:
    """Quote for protobuf's text format, whose strings take JSON's escapes for ASCII and raw UTF-8 for the rest."""
    return json.dumps(text, ensure_ascii=False)

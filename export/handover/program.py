"""How another program takes a detector: what is done to the graph for it, and the proof that detections stay."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from ...runtime.card import Card
from ...runtime.detection.detections import Detections
from ...runtime.detection.letterbox import fit_frame
from ...runtime.detection.postprocess import greedy_survivors
from ...runtime.errors import CheckError, InputError
from ...runtime.files import StrPath
from ...runtime.precision import Precision
from ...runtime.runners.contract import FRAMES, check_task
from ...runtime.runners.quiet_session import open_quietly
from ...runtime.session import open_session
from ..graphs.graph_file import load_graph, precision_of_graph
from ..parity.own_frames import frames_to_prove_on
from ..parity.runners import open_graph

PREFIX = "handover/"
"""How the name of every node and constant that is added begins."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """A detector that is handed over."""

    path: Path
    model: onnx.ModelProto
    card: Card

    @property
    def batch(self) -> int | None:
        """N, where the graph fixes it."""
        return self.model.graph.input[0].type.tensor_type.shape.dim[0].dim_value or None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a detector of this card will lie, and how many frames are looked at together there."""

    card: Card
    folder: Path
    batch: int


@dataclass(frozen=True, kw_only=True)
class Program:
    """What another program wants, and what it makes of the outputs.

    Args:
        name: for messages.
        check: raises InputError for a graph that the program cannot use.
        rewrite: gives the graph that it runs.
        feed: makes of [n, H, W, 3] uint8 BGR frames, fitted to the input, what the program puts into the graph.
        read: makes of the outputs for one frame the detections that the program sees, boxes normalised to the input.
        files: gives what lies beside `model.onnx`, by name.
        next_step: says what to do with the folder.
        suppresses: whether it suppresses what it has read once more, as the card says.
        takes_batch: whether it may look at several frames together.
    """

    name: str
    check: Callable[[Given], None]
    rewrite: Callable[[Given], onnx.ModelProto]
    feed: Callable[[NDArray[np.uint8]], NDArray[Any]]
    read: Callable[[Mapping[str, NDArray[Any]]], Detections]
    files: Callable[[Place], dict[str, str]]
    next_step: Callable[[Place], str]
    suppresses: bool = False
    takes_batch: bool = False


def read_given(path: Path) -> Given:
    """Read a detector's graph.

    Raises:
        InputError: it is no graph of the contract, or a classifier.
    """
    with open_session(path, backend="onnxruntime") as session:
        card = session.card
    check_task(card, "detector", source=str(path))
    return Given(path=path, model=load_graph(path), card=card)


def prove(program: Program, given: Given, rewritten: onnx.ModelProto, frames: StrPath | None) -> str:
    """Hold what the program will see against what the graph says, both in ONNX Runtime on the CPU.

    Args:
        program: its way to feed and to read.
        given: the detector.
        rewritten: what `program.rewrite` made of it.
        frames: as `frames_to_prove_on` takes them.

    Returns:
        What was compared.

    Raises:
        CheckError: a detection differs in any bit, or there is none at all.
        InputError: the frames cannot be used.
    """
    chosen, said = frames_to_prove_on(given.card, frames)
    session = open_quietly(rewritten.SerializeToString())
    names = [value.name for value in session.get_outputs()]
    (taken,) = (value.name for value in session.get_inputs())
    count, differing = 0, 0
    with open_graph(given.path, "onnxruntime:cpu") as first:
        for frame in chosen:
            fitted = np.repeat(fit_frame(frame.image, given.card.input)[np.newaxis], given.batch or 1, axis=0)
            expected = first.run(fitted)[0]
            outputs = session.run(names, {taken: program.feed(fitted)})
            found = program.read(dict(zip(names, outputs, strict=True)))
            if program.suppresses:
                found = greedy_survivors(found, given.card.postprocess)
            count += len(expected)
            differing += not _is_same(expected, found)
    if differing:
        raise CheckError(
            f"{given.path}: expected the same detections for {program.name}, got others in {differing} of "
            f"{len(chosen)} frames ({said}); nothing was written. This is a fault of singleshot: report it."
        )
    if not count:
        raise CheckError(
            f"{given.path}: expected detections to compare, got none in {said}. Name pictures of what it detects by "
            "--frames."
        )
    return f"{count} detections in {said}: what {program.name} reads is equal in every bit"


def _is_same(first: Detections, second: Detections) -> bool:
    return all(
        np.array_equal(getattr(first, name), getattr(second, name)) for name in ("boxes_xyxy", "scores", "class_ids")
    )


def one_at_a_time(given: Given) -> onnx.ModelProto:
    """Copy a graph, with N = 1.

    Raises:
        InputError: its N is fixed to another number.
    """
    if given.batch not in (None, 1):
        raise InputError(
            f"{given.path}: expected a graph that takes one frame at a time or any number of them, got one that takes "
            f"{given.batch}. Hand over one with a free batch."
        )
    model = copy.deepcopy(given.model)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    del model.graph.value_info[:]  # their shapes still speak of the symbol
    return model


def check_onnx_tail(given: Given) -> None:
    """Refuse a `cluster` tail, where nobody finishes its suppression.

    Raises:
        InputError: the graph has one.
    """
    if given.card.postprocess.tail != "onnx":
        raise InputError(
            f"{given.path}: expected a graph with the `onnx` tail, got one with `{given.card.postprocess.tail}`, whose "
            "suppression is finished on the host. Hand over the graph that it was made from."
        )


def check_fp32(given: Given) -> None:
    """Refuse a graph in another precision.

    Raises:
        InputError: it computes in float16 or int8.
    """
    precision = precision_of_graph(given.model)
    if precision != Precision.FP32:
        raise InputError(
            f"{given.path}: expected a graph in fp32, as nvinfer lets TensorRT choose types by itself, got "
            f"{precision}. Hand over the graph that it was made from."
        )


@dataclass(frozen=True, kw_only=True)
class Rewriting:
    """A graph whose input and outputs are being exchanged; all between stays as it is."""

    model: onnx.ModelProto

    def constant(self, name: str, value: object, kind: type[np.generic]) -> str:
        """Add a constant named `handover/NAME`."""
        array = np.asarray(value, kind)
        self.model.graph.initializer.append(onnx.numpy_helper.from_array(array, f"{PREFIX}{name}"))
        return f"{PREFIX}{name}"

    def node(self, operator: str, out: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node with one result of the given name; `attributes` as `helper.make_node` takes them."""
        self.model.graph.node.append(helper.make_node(operator, inputs, [out], name=f"{PREFIX}{out}", **attributes))
        return out

    def column(self, name: str, axis: int) -> str:
        """Add an axis to a tensor."""
        axes = self.constant(f"{name}_axis_{axis}", [axis], np.int64)
        return self.node("Unsqueeze", f"{PREFIX}{name}_column_{axis}", [name, axes])

    def outputs(self, *values: onnx.ValueInfoProto) -> None:
        """Replace the graph's outputs."""
        del self.model.graph.output[:]
        self.model.graph.output.extend(values)

    def feed(self, operator: str, value: onnx.ValueInfoProto, *inputs: str, **attributes: Any) -> None:
        """Take another input, of which one node makes what the graph took until now.

        Args:
            operator: of the node.
            value: the new input; it has the old one's name.
            inputs: further ones of the node.
            attributes: as `helper.make_node` takes them.
        """
        inside = f"{PREFIX}{FRAMES}"
        for node in self.model.graph.node:
            node.input[:] = [inside if name == FRAMES else name for name in node.input]
        made = helper.make_node(operator, [FRAMES, *inputs], [inside], name=inside, **attributes)
        self.model.graph.node.insert(0, made)
        self.model.graph.input[0].CopyFrom(value)

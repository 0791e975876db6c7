"""Which tensors inside a third-party graph may be boxes and scores, for graphs that end in what nobody can read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ...calib.graph_surgery import drop_unused, read_by
from ...runtime.errors import InputError
from ...runtime.files import StrPath
from .graph import ForeignGraph, Outputs, load_foreign_graph
from .guess import guess_reading
from .inputs import ForeignInput, fitted_frames, input_spec, run_frames
from .kinds import usual_input
from .reading import Reading
from .rows import Rows
from .told import Told

_STANDARD = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Domains whose operators ONNX Runtime computes; others are plugins."""
_WEIGHING = {"Conv", "ConvTranspose", "Gemm", "MatMul", "QLinearConv", "FusedConv"}
"""Operators behind whose last ones boxes and scores lie."""
_LEAST_ROWS = 8
"""A tensor with fewer holds no boxes before suppression."""
_MOST_PAIRS = 40
"""Of boxes and scores that are tried, those nearest to the end first."""
_MOST_LISTED = 20
_FRAMES = 4


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A tensor that may be boxes or scores.

    Args:
        name: as `--boxes` and `--scores` take it.
        shape: of one picture.
        low: least value in the pictures.
        high: greatest value in the pictures.
        made_by: the operator.
        read_by: operators, in their order.
        may_be: boxes, scores, or boxes and scores in one.
    """

    name: str
    shape: tuple[int, ...]
    low: float
    high: float
    made_by: str
    read_by: tuple[str, ...]
    may_be: str


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """Candidates, those of most rows first, and the first pair whose values make sense.

    Args:
        candidates: of the graph.
        pictures: what they were run on.
        options: for `adapt`, of the pair; empty where none makes sense.
        guesses: how the pair is read then.
    """

    candidates: tuple[Candidate, ...]
    pictures: str
    options: tuple[str, ...] = ()
    guesses: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Say it for people."""
        if not self.candidates:
            return ["no tensor may be boxes or scores"]
        rows = [("tensor", "shape", "values", "made by", "read by", "may be")]
        for item in self.candidates:
            values = f"{item.low:.4g} to {item.high:.4g}"
            rows.append((item.name, str(list(item.shape)), values, item.made_by, ", ".join(item.read_by), item.may_be))
        widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
        lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        first = " ".join(self.options) or "none of them together makes sense by itself: tell how to read them, too"
        return [*lines, f"values    of {self.pictures}", f"try       {first}"]

    def to_dict(self) -> dict[str, Any]:
        """Give it for JSON."""
        return asdict(self)


def suggest_tensors(
    foreign_path: StrPath, *, foreign_input: ForeignInput | None = None, images: StrPath | None = None
) -> Suggestion:
    """List tensors behind the last weights of a graph that may be boxes and scores, with their ranges on pictures.

    Plugins, and branches that hang on pixels, are left out with all behind them.

    Args:
        foreign_path: an .onnx file with one image input.
        foreign_input: what the network expects.
        images: folder of real images; frames of the shipped clip, or patterns, where not given.

    Raises:
        InputError: the graph cannot be used, whatever of it is taken.
    """
    given, path = foreign_input or ForeignInput(), Path(foreign_path)
    names: list[str] = []

    def cut(model: onnx.ModelProto, control: Iterable[str] = ()) -> None:
        _without(model.graph, control)
        names[:] = _behind_weights(model.graph)
        _give(model, names)

    try:
        foreign = load_foreign_graph(path, [], size=given.size, cut=cut)
    except InputError:
        foreign = load_foreign_graph(path, [], size=given.size, cut=lambda model: cut(model, ("If", "Loop", "Scan")))
    usual, ground = usual_input(foreign)
    spec = input_spec(foreign, given, [], usual=usual, of=ground)
    frames, said = fitted_frames(spec, images, most=_FRAMES)
    outputs, rows = run_frames(foreign, spec, frames)
    foreign = replace(foreign, rows=rows)
    # Rows that are as many as were found are detections already.
    candidates = _candidates(foreign, {name: outputs[name] for name, how in rows.items() if how == Rows()})
    return _with_pair(foreign, outputs, Suggestion(candidates=tuple(candidates), pictures=said))


def _without(graph: onnx.GraphProto, control: Iterable[str]) -> None:
    """Take out plugins, the operators named, and all that reads what they make, in place."""
    gone: set[str] = set()
    kept = []
    for node in graph.node:
        if node.domain not in _STANDARD or node.op_type in control or gone.intersection(read_by(node)):
            gone.update(node.output)
        else:
            kept.append(onnx.NodeProto.FromString(node.SerializeToString()))
    del graph.node[:]
    graph.node.extend(kept)


def _behind_weights(graph: onnx.GraphProto) -> list[str]:
    """Name the tensors between the last weights and the ends, the latter first.

    What hangs on shapes alone, as anchors do, is none of them.
    """
    weighed: set[str] = set()
    read = {name for node in graph.node for name in read_by(node)}
    wanted = {name for node in graph.node for name in node.output if name and name not in read}
    for node in graph.node:
        hangs = not weighed.isdisjoint(read_by(node)) and node.op_type not in ("Shape", "Size")
        if hangs or node.op_type in _WEIGHING:
            weighed.update(name for name in node.output if name)
    names = []
    for node in reversed(graph.node):
        if wanted.isdisjoint(node.output):
            continue
        names += [name for name in node.output if name in weighed]
        if node.op_type not in _WEIGHING:
            wanted |= read_by(node)
    return names


def _give(model: onnx.ModelProto, names: list[str]) -> None:
    """Let a graph give these tensors and no others, in place."""
    outputs = {value.name: value for value in model.graph.output}
    given = [outputs.get(name, onnx.ValueInfoProto(name=name)) for name in names]
    del model.graph.output[:]
    model.graph.output.extend(given)
    drop_unused(model.graph, names)
    opsets = [entry for entry in model.opset_import if entry.domain in _STANDARD]
    del model.opset_import[:]
    model.opset_import.extend(opsets)


def _candidates(foreign: ForeignGraph, cubes: Outputs) -> list[Candidate]:
    """Choose [n, rows, columns] outputs that may be boxes or scores: those with four columns, and as many rows."""
    graph = foreign.model.graph
    makers = {name: node.op_type for node in graph.node for name in node.output}
    readers = {name: tuple(node.op_type for node in graph.node if name in read_by(node)) for name in cubes}
    counts = {max(shape) for value in cubes.values() if 4 in (shape := value.shape[1:]) and max(shape) >= _LEAST_ROWS}
    chosen = []
    for name, value in cubes.items():
        if not np.issubdtype(value.dtype, np.floating) or max(value.shape[1:]) < _LEAST_ROWS:
            continue
        rows, columns = max(value.shape[1:]), min(value.shape[1:])
        may_be = "boxes" if columns == 4 else "scores" if rows in counts else "boxes and scores" if columns > 4 else ""
        if may_be:
            chosen.append(
                Candidate(
                    name=name,
                    shape=(1, *value.shape[1:]),
                    low=float(value.min()),
                    high=float(value.max()),
                    made_by=makers[name],
                    read_by=readers[name],
                    may_be=may_be,
                )
            )
    return sorted(chosen, key=lambda item: -max(item.shape))[:_MOST_LISTED]


def _with_pair(foreign: ForeignGraph, outputs: Outputs, suggestion: Suggestion) -> Suggestion:
    """Find the first pair of boxes and scores, else the first output of both, that reads without contradiction."""
    named: dict[str, list[str]] = {"boxes": [], "scores": [], "boxes and scores": []}
    for item in suggestion.candidates:
        named[item.may_be].append(item.name)
    # One column is rather an objectness, four are rather boxes.
    may_score = sorted((*named["scores"], *named["boxes"]), key=lambda name: min(outputs[name].shape[1:]) in (1, 4))
    told = [(boxes, scores) for boxes in named["boxes"] for scores in may_score]
    row_count = {name: max(outputs[name].shape[1:]) for names in named.values() for name in names}
    told = [pair for pair in told if pair[0] != pair[1] and row_count[pair[0]] == row_count[pair[1]]][:_MOST_PAIRS]
    for boxes, scores in told:
        subset: dict[str, NDArray[Any]] = {name: outputs[name] for name in (boxes, scores)}
        guesses: list[str] = []
        try:
            reading = guess_reading(foreign, subset, Told(boxes=boxes, scores=scores), guesses)
        except InputError:
            continue
        options: tuple[str, ...] = ("--boxes", boxes, "--scores", scores)
        objectness = _objectness(outputs, named["scores"], reading)
        if objectness is not None:
            options = (*options, "--objectness", objectness)
            guesses.append(f"--objectness {objectness}: one column a box beside boxes that are not decoded")
        return replace(suggestion, options=options, guesses=tuple(guesses))
    return _with_one_of_both(foreign, outputs, named["boxes and scores"], suggestion)


def _with_one_of_both(
    foreign: ForeignGraph, outputs: Outputs, names: Iterable[str], suggestion: Suggestion
) -> Suggestion:
    known = foreign.declared.names
    count = None if known is None else len(known)
    for name in names:
        guesses: list[str] = []
        try:
            reading = guess_reading(foreign, {name: outputs[name]}, Told(), guesses, class_count=count)
        except InputError:
            continue
        columns = {
            "boxes": reading.boxes,
            "scores": reading.scores,
            "objectness": reading.objectness,
            "class-ids": reading.class_ids,
        }
        options = tuple(
            text for option, place in columns.items() if place is not None for text in (f"--{option}", f"'{place}'")
        )
        return replace(suggestion, options=options, guesses=tuple(guesses))
    return suggestion


def _objectness(outputs: Outputs, names: list[str], reading: Reading) -> str | None:
    """Find a column beside boxes that are not decoded which needs the scores' activation; None where there is none."""
    rows = reading.boxes.of(outputs).shape[1]
    for name in names:
        value = outputs[name]
        if name == reading.scores.output or sorted(value.shape[1:]) != [1, rows]:
            continue
        is_active = bool(value.min() >= 0 and value.max() <= 1)
        if reading.decoding is not None and is_active == (reading.activation == "none"):
            return name
    return None

"""Third-party graphs: read from a file, brought to the project's opset, with a fixed input size, and run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, version_converter

from ...calib.graph_surgery import all_nodes
from ...runtime.card import CARD_KEY
from ...runtime.errors import InputError
from ...runtime.runners.quiet_session import RUNTIME_ERRORS, open_quietly, reason_of
from ..graphs.tail import MAX_IR_VERSION, OPSET
from .declared import Declared, declared_of
from .levels import Joined
from .mending import add_prefix, fold_branches, keep_numbers, load_with_weights
from .rows import Rows, add_rows

PREFIX = "network/"
"""Before every name of the foreign graph in the adapted one, so that none can meet a name of the contract."""

_INPUT_TYPES: dict[int, type[np.generic]] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.FLOAT16: np.float16,
    TensorProto.UINT8: np.uint8,
}
_SIZES: dict[str, tuple[int, ...]] = {"orig_target_sizes": (1, 0), "im_shape": (0, 1), "scale_factor": ()}
"""Inputs of RT-DETR, D-FINE and Paddle beside the image: which of height and width they are, or factors of 1."""
Outputs = dict[str, NDArray[Any]]
"""By name; `Any` because a foreign graph may put out what it likes."""
Run = Callable[[NDArray[Any]], Outputs]
Cut = Callable[[onnx.ModelProto], None]


@dataclass(frozen=True, kw_only=True)
class ForeignGraph:
    """A detector that somebody else exported.

    Args:
        path: the file.
        model: as read, but for the input's size where that was open.
        input_name: of its one image input.
        input_type: float32, float16 or uint8.
        channels_last: whether the input is [N, H, W, 3]; else it is [N, 3, H, W].
        height: of the input, in pixels.
        width: of the input, in pixels.
        batch: 1, or `N` where any number of images can be given at once.
        declared: what its metadata say.
        rows: by output that is a list of rows, how it becomes [N, rows, columns], as `prefixed` gives it.
        joined: of levels, as `prefixed` gives them.
    """

    path: Path
    model: onnx.ModelProto
    input_name: str
    input_type: type[np.generic]
    channels_last: bool
    height: int
    width: int
    batch: int | str
    declared: Declared
    rows: Mapping[str, Rows] = field(default_factory=dict)
    joined: tuple[Joined, ...] = ()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Of one image, as the graph takes it."""
        return (self.height, self.width, 3) if self.channels_last else (3, self.height, self.width)

    def open(self) -> Run:
        """Give a function that runs the graph as it is: images of the input's type and layout to outputs by name.

        Raises:
            InputError: ONNX Runtime cannot load the graph or, when the function is called, run it.
        """
        return _runner(self.model, self.path)

    def prefixed(self) -> onnx.ModelProto:
        """Return a new model of opset 20 in which every name begins with `PREFIX`.

        Raises:
            InputError: onnx cannot convert it to that opset.
        """
        model = self.model
        opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)
        if opset != OPSET:
            try:
                model = version_converter.convert_version(model, OPSET)
            except (RuntimeError, ValueError, version_converter.ConvertError) as error:
                reason = " ".join(str(error).split())[:200]
                raise InputError(
                    f"{self.path}: expected opset {OPSET} or one that onnx converts to it, got {opset} ({reason}). "
                    f"Export it again with opset {OPSET}."
                ) from error
        given, model = model, onnx.ModelProto()
        model.CopyFrom(given)
        add_rows(model.graph, self.rows)
        for joined in self.joined:
            joined.add(model.graph)
        add_prefix(model.graph, PREFIX)
        model.ir_version = min(max(model.ir_version, 8), MAX_IR_VERSION)
        del model.metadata_props[:]
        model.producer_name, model.producer_version = "singleshot", ""
        return model


def load_foreign_graph(
    path: Path, guesses: list[str], *, size: tuple[int, int] | None = None, cut: Cut | None = None
) -> ForeignGraph:
    """Read a third-party detector and find out what its input is.

    Args:
        path: an .onnx file with one image input.
        guesses: a line is added where the metadata say the size.
        size: height and width of the input in pixels, where the graph leaves them open; its metadata's if not given.
        cut: given the graph, its outputs may be changed in place.

    Raises:
        InputError: it is no ONNX graph, is singleshot's own, has no or several inputs, its input is no image of three
            channels, its size is open and not given, or fixed and given otherwise, what is wanted of it hangs on a
            branch that another picture may not take, or its metadata say that it gives something else than boxes.
    """
    model = load_with_weights(path)
    declared = declared_of(path, {entry.key: entry.value for entry in model.metadata_props})
    if any(entry.key == CARD_KEY for entry in model.metadata_props):
        raise InputError(f"{path}: expected a third-party graph, got one with a singleshot card. Use it as it is.")
    if cut is not None:
        cut(model)
    keep_numbers(model)
    if not model.graph.output:
        raise InputError(f"{path}: expected an ONNX graph, got one without outputs that are tensors of numbers.")
    sizes = _take_sizes(model)
    image = _image_input(model, path)
    tensor = image.type.tensor_type
    dims = [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in tensor.shape.dim]
    if tensor.elem_type not in _INPUT_TYPES or len(dims) != 4 or 3 not in (dims[1], dims[3]):
        kind = TensorProto.DataType.Name(tensor.elem_type)
        raise InputError(
            f"{path}: expected an image input, float32, float16 or uint8 [N, 3, H, W] or [N, H, W, 3], "
            f"got {image.name} {kind} {dims}."
        )
    channels_last = dims[1] != 3
    place = 1 if channels_last else 2
    height, width = _fixed_size(path, dims[place : place + 2], size, declared, guesses)
    for dim, side in zip(tensor.shape.dim[place : place + 2], (height, width), strict=True):
        dim.dim_value = side
    model.graph.initializer.extend(_size_given(value, [height, width]) for value in sizes)
    graph = ForeignGraph(
        path=path,
        model=model,
        input_name=image.name,
        input_type=_INPUT_TYPES[tensor.elem_type],
        channels_last=channels_last,
        height=height,
        width=width,
        batch=_batch(path, dims[0]),
        declared=declared,
    )
    has_branches = any(node.op_type == "If" for node in model.graph.node)
    if not has_branches and (graph.batch == 1 or _takes_any_batch(graph)):
        return graph
    tensor.shape.dim[0].dim_value = 1
    if has_branches:
        fold_branches(model, np.zeros((1, *graph.image_shape), graph.input_type))
        _check_branches(model, path)
    return replace(graph, batch=1)


def _take_sizes(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Take the inputs that tell the picture's size, which is the network's own here, from a graph, in place."""
    weights = {tensor.name for tensor in model.graph.initializer}
    sizes = [value for value in model.graph.input if value.name in _SIZES and value.name not in weights]
    for value in sizes:
        model.graph.input.remove(value)
    return sizes


def _size_given(value: onnx.ValueInfoProto, size: list[int]) -> onnx.TensorProto:
    """Make a constant of an input that tells the picture's size, [height, width] in pixels."""
    values = [size[place] for place in _SIZES[value.name]] or [1, 1]
    kind = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    return numpy_helper.from_array(np.array([values], kind), value.name)


def _image_input(model: onnx.ModelProto, path: Path) -> onnx.ValueInfoProto:
    """Leave the image as the graph's one input, in place, and return it."""
    # Before IR version 4 every initializer was listed as an input, too.
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) > 1:  # one that nothing reads is none
        read = {name for node in all_nodes(model.graph) for name in node.input}
        inputs = [value for value in inputs if value.name in read]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, 4)
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise InputError(f"{path}: expected one input, the image, got {names}. Export it with the image alone.")
    image: onnx.ValueInfoProto = model.graph.input[0]
    shape = image.type.tensor_type.shape
    if len(shape.dim) == 3 and shape.dim[0].dim_value == 3:  # torchvision's detectors take one image without a batch
        name, image.name = image.name, f"{image.name}/batched"
        shape.CopyFrom(onnx.TensorShapeProto(dim=[onnx.TensorShapeProto.Dimension(dim_value=1), *shape.dim]))
        axes = numpy_helper.from_array(np.array([0], np.int64), f"{name}/axes")
        model.graph.initializer.append(axes)
        model.graph.node.insert(0, helper.make_node("Squeeze", [image.name, axes.name], [name]))
    return image


def output_shapes_text(outputs: Outputs) -> str:
    """List outputs with their shapes, for a message."""
    return ", ".join(f"{name} {shape_text(value.shape)}" for name, value in outputs.items())


def shape_text(shape: tuple[int, ...]) -> str:
    """Write a shape for a message; N stands for the frames that were run."""
    return f"[{', '.join(['N', *map(str, shape[1:])])}]" if len(shape) > 2 else str(list(shape))


def _fixed_size(
    path: Path, found: list[int | str], given: tuple[int, int] | None, declared: Declared, guesses: list[str]
) -> tuple[int, int]:
    """Return height and width: the graph's own; where it leaves them open the given ones, else the metadata's."""
    own = [side if isinstance(side, int) and side > 0 else None for side in found]
    if given is not None:
        if any(mine not in (None, side) for mine, side in zip(own, given, strict=True)):
            raise InputError(
                f"--size: expected {found[0]}x{found[1]}, to which {path} is fixed, got {given[0]}x{given[1]}. "
                "Leave it out."
            )
        return given
    height, width = (mine or side for mine, side in zip(own, declared.size or (0, 0), strict=True))
    if not height or not width:
        raise InputError(
            f"{path}: expected an input of fixed size, got {found[0]!r} x {found[1]!r} (height x width). Give --size."
        )
    if None in own:
        guesses.append(f"--size {height}x{width}: the metadata's imgsz")
    return height, width


def _check_branches(model: onnx.ModelProto, path: Path) -> None:
    """Refuse an If that hangs on pixels, unless it is the way out where there is nothing, as torchvision has it."""
    for node in model.graph.node:
        if node.op_type == "If" and not any(_is_constant(attribute.g) for attribute in node.attribute):
            raise InputError(
                f"{path}: expected a graph that takes the same way for every picture, got the branching node "
                f"{node.name or node.output[0]} (If), whose condition hangs on pixels. Name tensors before it by "
                "--boxes and --scores; --suggest lists them."
            )


def _is_constant(branch: onnx.GraphProto) -> bool:
    made = {name for node in branch.node if node.op_type == "Constant" for name in node.output}
    return made.union(item.name for item in branch.initializer).issuperset(value.name for value in branch.output)


def _batch(path: Path, found: int | str) -> int | str:
    if isinstance(found, int) and found > 0:
        if found != 1:
            raise InputError(f"{path}: expected a batch of 1 or an open one, got {found}. Export it with a batch of 1.")
        return 1
    return "N"


def _takes_any_batch(graph: ForeignGraph) -> bool:
    """Say whether two images give two rows of every output; many exporters leave N open in the input alone."""
    try:
        outputs = graph.open()(np.zeros((2, *graph.image_shape), graph.input_type))
    except InputError:
        return False
    return all(value.ndim > 0 and len(value) == 2 for value in outputs.values())


def _runner(model: onnx.ModelProto, path: Path) -> Run:
    try:
        session = open_quietly(model.SerializeToString())
    except RUNTIME_ERRORS as error:
        raise InputError(
            f"{path}: expected a graph that ONNX Runtime loads, got: {reason_of(error)} --suggest lists tensors that "
            "can be computed."
        ) from error
    names = [output.name for output in session.get_outputs()]
    (input_name,) = [value.name for value in session.get_inputs()]

    def run(images: NDArray[Any]) -> Outputs:
        try:
            return dict(zip(names, session.run(names, {input_name: images}), strict=True))
        except RUNTIME_ERRORS as error:
            raise InputError(
                f"{path}: expected a graph that runs on {list(images.shape)}, got: {reason_of(error)}"
            ) from error

    return run

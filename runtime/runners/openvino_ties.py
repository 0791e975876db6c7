"""Ties in OpenVINO: ONNX's TopK gives equal values to the lower index first, OpenVINO's in any order.

OpenVINO has a stable TopK, but for a detector's candidates it takes 20 times as long as the whole network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openvino

_LARGEST_KEY = 2**31 - 1


def order_ties(model: openvino.Model) -> None:
    """Put the indices of equal values in ascending order behind every TopK of a graph that sorts floats.

    The values stay where they are: only among equal ones do indices change places. Each index is turned into a key
    `run * size + index`, where a run is a stretch of equal values, and the keys are sorted. Not promised: which of
    several equal values are chosen where they straddle the K-th place.

    Args:
        model: changed in place.
    """
    for operation in model.get_ops():
        if operation.get_type_name() == "TopK" and operation.get_attributes()["sort"] == "value":
            _order_ties_of(operation)


def _order_ties_of(top: openvino.Node) -> None:
    from openvino import Type, opset11

    attributes, shape = top.get_attributes(), top.input(0).get_partial_shape()
    axis, count = attributes["axis"], top.output(0).get_partial_shape()[attributes["axis"]]
    if attributes["mode"] != "max" or not top.input(0).get_element_type().is_real():
        return
    if count.is_dynamic or count.get_length() < 2 or shape[axis].is_dynamic:
        return
    size, count = shape[axis].get_length(), count.get_length()
    if size * count > _LARGEST_KEY:
        return
    readers = top.output(1).get_target_inputs()

    def constant(value: int) -> openvino.Node:
        return opset11.constant(value, Type.i32)

    def part(start: int, stop: int) -> openvino.Node:
        return opset11.slice(top.output(0), [start], [stop], [1], [axis])

    is_new = opset11.convert(opset11.not_equal(part(1, count), part(0, count - 1)), Type.i32)
    first = opset11.multiply(
        opset11.slice(opset11.convert(top.output(1), Type.i32), [0], [1], [1], [axis]), constant(0)
    )
    runs = opset11.cum_sum(opset11.concat([first, is_new], axis), axis)
    offsets = opset11.multiply(runs, constant(size))
    keys = opset11.add(offsets, opset11.convert(top.output(1), Type.i32))
    ordered = opset11.topk(keys, constant(count), axis, "min", "value", index_element_type="i32")
    indices = opset11.convert(opset11.subtract(ordered.output(0), offsets), top.output(1).get_element_type())
    for reader in readers:
        reader.replace_source_output(indices.output(0))

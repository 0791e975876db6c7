"""The batch of a graph, fixed where a build wants it fixed: static shapes compile to better code."""

from __future__ import annotations

import copy

import onnx

from ...runtime.errors import InputError
from .plan import BatchProfile


def with_batch(model: onnx.ModelProto, batch: BatchProfile, *, name: str) -> onnx.ModelProto:
    """Give a graph the batch of a profile.

    Args:
        model: its inputs' and outputs' first dimension is N, symbolic or fixed.
        batch: asked for.
        name: of the graph, for the error.

    Returns:
        A new model; N is fixed where the profile is, and symbolic where it is not.

    Raises:
        InputError: the graph has another fixed N.
    """
    dim = model.graph.input[0].type.tensor_type.shape.dim[0]
    if dim.dim_value and (not batch.is_fixed or dim.dim_value != batch.least):
        raise InputError(
            f"{name}: expected a graph whose N is free for --batch {batch.least}:{batch.best}:{batch.most}, "
            f"got one that takes {dim.dim_value}. Build with --batch {dim.dim_value}."
        )
    result = copy.deepcopy(model)
    if batch.is_fixed:
        for value in (*result.graph.input, *result.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = batch.least
        del result.graph.value_info[:]  # their shapes still speak of the symbol
    return result

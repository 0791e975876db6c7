"""Runs a graph over images and measures the ranges of its activations, for all methods in one pass."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...runtime.card import Card
from ...runtime.detection.letterbox import fit_frame
from ...runtime.errors import InputError
from ...runtime.progress import Progress, no_progress
from ...runtime.require import require
from ...runtime.runners.contract import DET_SCORES, TOP_SCORES
from ..graph_surgery import open_inner
from .choose_images import Look, Looked, Selection, choose_images
from .domain_gap import Evidence
from .image_pool import ImagePool, Named, sha256_of_pixels
from .quantized_graph import tensors_to_measure
from .ranges import RangeHistogram, limit_by
from .table import METHODS, CalibrationTable, ImagesRecord, Method, TensorRange

if TYPE_CHECKING:
    import onnx

Array = NDArray[np.float32]
Run = Callable[[NDArray[np.uint8]], list[Array]]
Tables = dict[Method, CalibrationTable]

_EMBEDDED = 3
"""Tensors whose channel means make an image's embedding, at a quarter, half and three quarters of the network."""


def choose_calibration_images(
    model: onnx.ModelProto,
    card: Card,
    pool: ImagePool,
    *,
    source: str,
    count: int,
    seed: int,
    without: Collection[str] = frozenset(),
    on_progress: Progress = no_progress,
) -> Selection:
    """Choose images by how a graph's activations differ on them; see `choose_images`.

    Args:
        model: follows the graph contract.
        card: says how images are fitted to the graph.
        pool: to choose from.
        source: the graph's name, for errors.
        count: images wanted.
        seed: decides which images of the pool are looked at.
        without: names that are set aside for another use.
        on_progress: called after each image.

    Raises:
        InputError: there are too few different images, or the graph has nothing to quantize.
        MissingDependencyError: onnx is not installed.
    """
    look = network_look(model, card, source)
    return choose_images(pool, look, count=count, seed=seed, without=without, on_progress=on_progress)


def network_look(model: onnx.ModelProto, card: Card, source: str) -> Look:
    """Say what a graph makes of an image: the channel means of some of its tensors, and its best score.

    Args:
        model: follows the graph contract.
        card: says how images are fitted to the graph.
        source: the graph's name, for errors.

    Raises:
        InputError: the graph has nothing to quantize.
        MissingDependencyError: onnx is not installed.
    """
    measured = _measured_tensors(model, source)
    spread = np.linspace(0, len(measured) - 1, _EMBEDDED + 2)[1:-1].astype(int)
    return _look([measured[index] for index in dict.fromkeys(spread.tolist())], model, card, source)


def collect_calibration(
    model: onnx.ModelProto,
    card: Card,
    pool: ImagePool,
    selection: Selection,
    *,
    source: str,
    on_image: Callable[[Named], None] = lambda _named: None,
    on_progress: Progress = no_progress,
) -> Tables:
    """Measure the ranges of everything that may be quantized, in one pass; memory does not grow with the images.

    Args:
        model: follows the graph contract, float32.
        card: says how images are fitted to the graph.
        pool: that the images were chosen from.
        selection: the images.
        source: the graph's name, for errors.
        on_image: given each image as it is read.
        on_progress: called after each image.

    Returns:
        A table for every method.

    Raises:
        InputError: an activation is NaN or infinite, all are constant, or an image can no longer be read.
        MissingDependencyError: onnx is not installed.
    """
    measured = _measured_tensors(model, source)
    run = _opened(model, measured)
    histograms = {name: RangeHistogram() for name in measured}
    sha256_of = {}
    for done, (name, image) in enumerate(pool.images(selection.names), start=1):
        on_image((name, image))
        sha256_of[name] = sha256_of_pixels(image)
        for tensor, values in zip(measured, run(fit_frame(image, card.input)), strict=True):
            _count(histograms[tensor], values, tensor=tensor, where=name, source=source)
        on_progress("measuring ranges", done, len(selection.names))
    if len(sha256_of) < len(selection.names):
        gone = next(name for name in selection.names if name not in sha256_of)
        raise InputError(f"{gone}: expected the image that was read a moment ago, got none. Leave the images in place.")
    if all(item.low == item.high for item in histograms.values()):
        raise InputError(
            f"{source}: expected activations that change with the image, got constant ones in all {len(histograms)} "
            f"tensors that could be quantized. Its weights are broken: export the graph again."
        )
    record = ImagesRecord(
        count=selection.asked_for, seed=selection.seed, listed_sha256=pool.listed_sha256, sha256_of=sha256_of
    )
    return {method: _table(method, histograms, model, card, record) for method in METHODS}


def images_as_they_are(table: CalibrationTable, pool: ImagePool, *, count: int, seed: int) -> ImagesRecord:
    """Read a table's images again, to hold the table against them."""
    now = {name: sha256_of_pixels(image) for name, image in pool.images(table.images.sha256_of)}
    return ImagesRecord(count=count, seed=seed, listed_sha256=pool.listed_sha256, sha256_of=now)


def graph_sha256(model: onnx.ModelProto) -> str:
    """Fingerprint a graph without its metadata: the card may change, weights and operators may not."""
    return hashlib.sha256(model.graph.SerializeToString(deterministic=True)).hexdigest()


def _count(histogram: RangeHistogram, values: Array, *, tensor: str, where: str, source: str) -> None:
    try:
        histogram.add(values)
    except ValueError:
        raise _not_finite(source, tensor, where) from None


def _not_finite(source: str, tensor: str, where: str) -> InputError:
    return InputError(
        f"{source}: expected finite activations, got NaN or infinity in the tensor {tensor} on {where}. "
        f"Its weights are broken or too large: export the graph again from a sound checkpoint."
    )


def _table(
    method: Method, histograms: dict[str, RangeHistogram], model: onnx.ModelProto, card: Card, record: ImagesRecord
) -> CalibrationTable:
    return CalibrationTable(
        method=method,
        graph_sha256=graph_sha256(model),
        preprocessing=card.input,
        images=record,
        ranges={
            name: TensorRange(low=item.low, high=item.high, limit=limit_by(method, item))
            for name, item in histograms.items()
        },
    )


def _measured_tensors(model: onnx.ModelProto, source: str) -> tuple[str, ...]:
    require("onnx", extra="export", why="calibration")
    measured = tensors_to_measure(model)
    if not measured:
        raise InputError(
            f"{source}: expected convolutions with constant float32 weights, got none. Nothing to quantize."
        )
    return measured


def _look(tensors: Sequence[str], model: onnx.ModelProto, card: Card, source: str) -> Look:
    """Open a graph so that it gives the channel means of some tensors beside its best score."""
    scores = [value.name for value in model.graph.output if value.name in (DET_SCORES, TOP_SCORES)]
    from onnx import helper

    averaged = copy.deepcopy(model)
    means_of = {name: f"{name}/mean" for name in tensors}
    averaged.graph.node.extend(helper.make_node("GlobalAveragePool", [name], [mean]) for name, mean in means_of.items())
    run = _opened(averaged, [*means_of.values(), *scores])

    def look(image: NDArray[np.uint8]) -> Looked:
        found = run(fit_frame(image, card.input))
        height, width = image.shape[:2]
        evidence = Evidence(
            best_score=float(found[-1][0, 0]) if scores else None,
            enlargement=min(card.input.height / height, card.input.width / width),
        )
        means = [values[0].reshape(-1) for values in found[: len(tensors)]]
        for tensor, values in zip(tensors, means, strict=True):
            if not np.isfinite(values).all():
                raise _not_finite(source, tensor, "one of the images")
        return Looked(embedding=np.concatenate(means), evidence=evidence)

    return look


def _opened(model: onnx.ModelProto, names: Sequence[str]) -> Run:
    """Open a graph so that it gives these tensors of one frame, [H, W, 3] uint8, in this order."""
    run = open_inner(model, names)
    batch = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value or 1
    return lambda frame: list(run(np.repeat(frame[np.newaxis], batch, axis=0)).values())

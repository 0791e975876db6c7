"""A float32 graph with the measured ranges that its quantized candidates are made of."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from ...calib.int8.choose_images import Selection
from ...calib.int8.collect import (
    Tables,
    choose_calibration_images,
    collect_calibration,
    graph_sha256,
    images_as_they_are,
)
from ...calib.int8.contact_sheet import ContactSheet
from ...calib.int8.graph_blocks import Block, blocks_of
from ...calib.int8.image_pool import ImagePool
from ...calib.int8.quantized_graph import HALF_RANGE_STEPS, quantized_graph
from ...calib.int8.ranges import STEPS
from ...calib.int8.table import CalibrationTable, Method, load_table
from ...calib.int8.trained_ranges import trained_table
from ...runtime.card import Card, Int8Training
from ...runtime.detection.letterbox import fit_frame
from ...runtime.errors import InputError
from ...runtime.machine import processor_kind, saturates_int8
from ...runtime.precision import Precision
from ...runtime.progress import Progress, no_progress
from ...runtime.session import open_session
from ..graphs.fp16 import with_fp16_network
from ..graphs.graph_file import precision_of_graph

MethodChoice = Literal["minmax", "percentile", "entropy", "mse", "auto"]

WeightRange = Literal["full", "half", "auto"]

_RANGE_OF_STEPS: dict[int, WeightRange] = {STEPS: "full", HALF_RANGE_STEPS: "half"}

HELD_OUT = 64
"""Images, not among those calibrated on, that the answers of parent and quantized graph are compared on."""


@dataclass(frozen=True, kw_only=True)
class QuantizationSettings:
    """How to quantize.

    Args:
        method: range estimator; `auto` tries all and takes the one whose answers differ least from the parent's.
        count: images to calibrate on.
        seed: of their choice.
        fp16: let what is not quantized compute in float16.
        keep_float: regular expression; blocks whose name, or a convolution's in them, has it are never quantized.
        weight_range: `full` rounds weights to 255 steps; `half` to 127, for processors that cut sums of two int8
            products to 16 bits (x86 before VNNI); `auto` is `half` on such a processor.
    """

    method: MethodChoice = "auto"
    count: int = 256
    seed: int = 0
    fp16: bool = False
    keep_float: str | None = None
    weight_range: WeightRange = "auto"

    @property
    def weight_steps(self) -> int:
        """Steps that the largest weight of a channel stands for."""
        is_half = saturates_int8(processor_kind()) if self.weight_range == "auto" else self.weight_range == "half"
        return HALF_RANGE_STEPS if is_half else STEPS


@dataclass(frozen=True, kw_only=True)
class Parent:
    """The float32 graph that is quantized."""

    path: Path
    model: onnx.ModelProto
    card: Card


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """A parent with its measured ranges: everything that candidates are made of.

    Args:
        parent: the graph.
        settings: asked for.
        tables: by method; one alone where a table was reused, or the network trained with its ranges.
        pool: the images.
        selection: those chosen of it; None where nothing was calibrated.
        sheet: of the chosen images.
    """

    parent: Parent
    settings: QuantizationSettings
    tables: Tables
    pool: ImagePool
    selection: Selection | None
    sheet: ContactSheet

    @property
    def methods(self) -> tuple[Method, ...]:
        """The estimators to try: all for `auto`, else the one asked for."""
        wanted = self.settings.method
        return tuple(self.tables) if wanted == "auto" else (wanted,)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What may be quantized or kept in float, in the order of the graph."""
        return tuple(block for block in blocks_of(self.parent.model) if block.name not in self.always_float)

    @cached_property
    def always_float(self) -> tuple[str, ...]:
        """Blocks that the settings keep in float."""
        return blocks_kept(self.parent, self.settings)

    def graph(self, method: str, kept_float: Collection[str] = ()) -> onnx.ModelProto:
        """Make the graph of a method, with some blocks in float (float16 if the settings say so).

        Raises:
            InputError: a name is of no block, or float16 cannot hold a weight.
        """
        table = next(table for name, table in self.tables.items() if name == method)
        kept = {*self.always_float, *kept_float}
        graph = quantized_graph(self.parent.model, table, kept_float=kept, weight_steps=self.weight_steps)
        return fp16_graph(graph, source=self.parent.path) if self.settings.fp16 else graph

    @property
    def weight_steps(self) -> int:
        """Steps that the largest weight of a channel stands for: those that the network was trained with, if it was."""
        trained = self.parent.card.int8
        return self.settings.weight_steps if trained is None else trained.weight_steps

    @property
    def held_out_names(self) -> tuple[str, ...]:
        """Images to compare answers on, sampled by the seed; calibrated ones only where there are no others."""
        others = [name for name in self.pool.names if name not in self._used] or list(self._used)
        sampled = np.random.default_rng(self.settings.seed).permutation(len(others))[:HELD_OUT]
        return tuple(others[index] for index in sampled)

    @property
    def has_others(self) -> bool:
        """Whether there are images that were not calibrated on."""
        return any(name not in self._used for name in self.pool.names)

    def held_out_frames(self) -> list[NDArray[np.uint8]]:
        """Read these images, each [1, H, W, 3] uint8 BGR; where all of them are broken, those calibrated on."""
        return self._frames(self.held_out_names) or self._frames(self._used)

    @property
    def _used(self) -> Collection[str]:
        return next(iter(self.tables.values())).images.sha256_of

    def _frames(self, names: Collection[str]) -> list[NDArray[np.uint8]]:
        return [fit_frame(image, self.parent.card.input)[np.newaxis] for _, image in self.pool.images(names)]


def blocks_kept(parent: Parent, settings: QuantizationSettings) -> tuple[str, ...]:
    """Name the blocks that the settings keep in float.

    Raises:
        InputError: the expression is none, or finds no block or all of them.
    """
    if settings.keep_float is None:
        return ()
    try:
        pattern = re.compile(settings.keep_float)
    except re.error as error:
        raise InputError(f"--keep-float {settings.keep_float}: expected a regular expression, got {error}.") from error
    blocks = blocks_of(parent.model)
    kept = tuple(item.name for item in blocks if any(map(pattern.search, (item.name, *item.convolutions))))
    if not kept:
        names = [item.name for item in blocks]
        near = difflib.get_close_matches(settings.keep_float, names, n=3, cutoff=0.3) or names[:3]
        raise InputError(
            f"--keep-float {settings.keep_float}: expected part of the name of one of {len(names)} blocks of "
            f"{parent.path}, got none that has it. Names are like {', '.join(near)}."
        )
    if len(kept) == len(blocks):
        raise InputError(
            f"--keep-float {settings.keep_float}: expected some of the {len(blocks)} blocks of {parent.path}, got all. "
            f"Nothing would be quantized."
        )
    return kept


def fp16_graph(graph: onnx.ModelProto, *, source: Path, islands: Collection[str] = ()) -> onnx.ModelProto:
    """Let the float convolutions of a graph compute in float16, but for those named as islands.

    Raises:
        InputError: float16 cannot hold a weight.
    """
    try:
        return with_fp16_network(graph, kept_float=islands)
    except ValueError as error:
        raise InputError(f"{source}: {error}. Leave --fp16 out for this graph.") from error


def open_parent(path: Path) -> Parent:
    """Read the graph to be quantized.

    Raises:
        InputError: it is missing, does not follow the contract, or is quantized already.
    """
    with open_session(path, backend="onnxruntime") as session:  # holds the graph against the contract
        card = session.card
    model = onnx.load(str(path))
    precision = precision_of_graph(model)
    if precision != Precision.FP32:
        raise InputError(
            f"{path}: expected a float32 graph, got one that is {precision} already. "
            f"Quantize the graph that it was made from."
        )
    return Parent(path=path, model=model, card=card)


def calibrate(
    parent: Parent,
    pool: ImagePool,
    settings: QuantizationSettings,
    *,
    table: Path | None = None,
    without: Collection[str] = frozenset(),
    on_progress: Progress = no_progress,
) -> Calibrated:
    """Choose images and measure all methods' ranges in one pass over them, or reuse a table that fits.

    A graph that was trained for int8 keeps the ranges that it was trained with.

    Args:
        parent: the graph.
        pool: images to choose from.
        settings: how many, and by which seed.
        table: ranges to reuse.
        without: names of the pool that are not calibrated on.
        on_progress: called after each image.

    Raises:
        InputError: the images or the table cannot be used.
    """
    blocks_kept(parent, settings)
    sheet = ContactSheet()
    if parent.card.int8 is not None:
        tables, selection = _trained(parent, parent.card.int8, settings, table), None
    elif table is not None:
        tables, selection = _reused(load_table(table), table, parent, pool, settings), None
    else:
        selection = choose_calibration_images(
            parent.model,
            parent.card,
            pool,
            source=str(parent.path),
            count=settings.count,
            seed=settings.seed,
            without=without,
            on_progress=on_progress,
        )
        tables = collect_calibration(
            parent.model,
            parent.card,
            pool,
            selection,
            source=str(parent.path),
            on_image=lambda named: sheet.add(named[1]),
            on_progress=on_progress,
        )
    return Calibrated(parent=parent, settings=settings, tables=tables, pool=pool, selection=selection, sheet=sheet)


def _trained(parent: Parent, trained: Int8Training, settings: QuantizationSettings, table: Path | None) -> Tables:
    """Take the ranges that a network was trained with; refuse to be told others."""
    own = {"--method": trained.method, "--weight-range": _RANGE_OF_STEPS.get(trained.weight_steps), "--table": None}
    given = {"--method": settings.method, "--weight-range": settings.weight_range, "--table": table}
    for option, value in given.items():
        if value not in (own[option], "auto"):
            raise InputError(
                f"{option}: expected none for {parent.path}, which was trained for int8 with ranges of its own "
                f"({trained.method}), got {value}. Leave it out."
            )
    return {trained.method: trained_table(parent.model, parent.card, trained, source=str(parent.path))}


def _reused(
    reused: CalibrationTable, path: Path, parent: Parent, pool: ImagePool, settings: QuantizationSettings
) -> Tables:
    """Hold a table against everything that its ranges depend on."""
    if settings.method == "auto":
        raise InputError(f"--method: expected one method with --table, got auto. {path} was made by {reused.method}.")
    reused.check(
        source=str(path),
        graph_sha256=graph_sha256(parent.model),
        preprocessing=parent.card.input,
        method=settings.method,
        images=images_as_they_are(reused, pool, count=settings.count, seed=settings.seed),
    )
    return {reused.method: reused}

"""Any two graphs on the same inputs, output by output: for graphs without a card, of which only names are known."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.card import InputSpec
from ...runtime.detection.letterbox import fit_frame
from ...runtime.errors import CheckError, InputError
from ...runtime.files import StrPath
from ...runtime.progress import Progress, no_progress
from ...runtime.runners.onnxruntime_runner import has_card
from ...runtime.runners.onnxruntime_runner import load_graph as open_in_onnxruntime
from ...runtime.runners.quiet_session import RUNTIME_ERRORS, reason_of
from ..inspection.facts import TensorInfo
from ..inspection.graphs import inspect_graph
from .verify import sampled_frames

Array = NDArray[Any]  # Any: graphs take and give every type

ATOL, RTOL = 1e-4, 1e-3
"""Two float32 graphs of one network differ by the order of their sums: about 1e-6 of the greatest value, a layer."""
_FREE_SIDE = 320
"""Side of an image where a graph leaves it open, a multiple of every usual stride."""
_FREE_SIZE = 8
_RANK = 4
_COLOURS = 3


@dataclass(frozen=True, kw_only=True)
class TensorDifference:
    """How far one output is apart over all runs; `holds` where every value is within atol + rtol x |first|."""

    name: str
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    """Of the first run; where a run's differ, nothing is measured of it."""
    absolute: float
    relative: float
    """Largest difference as a share of the first graph's value; values of 0 are left out."""
    beyond: int
    """Values outside the tolerance."""
    values: int
    holds: bool

    def __str__(self) -> str:
        first, second = (list(shape) for shape in self.shapes)
        verdict = "same" if self.holds else "DIFFERS"
        if first != second:
            return f"{verdict:8}{self.name}: shape {first} against {second}"
        return (
            f"{verdict:8}{self.name} {first}: absolute {self.absolute:.2e}, relative {self.relative:.2e}, "
            f"{self.beyond} of {self.values} values beyond"
        )


@dataclass(frozen=True, kw_only=True)
class RawComparison:
    """What two graphs answered to the same inputs.

    Args:
        first: held to be right.
        second: held against it.
        inputs: as they were given, one line each.
        runs: how many inputs.
        atol: absolute tolerance.
        rtol: tolerance as a share of the first graph's value.
        outputs: of the same name in both.
        alone: outputs that one graph has alone.
    """

    first: Path
    second: Path
    inputs: tuple[str, ...]
    runs: int
    atol: float
    rtol: float
    outputs: tuple[TensorDifference, ...]
    alone: tuple[str, ...]

    def lines(self) -> list[str]:
        """Say what was compared, and each output with its verdict."""
        return [
            f"first   {self.first} (ONNX Runtime)",
            f"second  {self.second} (ONNX Runtime)",
            *(f"input   {text}" for text in self.inputs),
            f"no card says what outputs mean: raw tensors, {self.runs} runs, atol {self.atol:g}, rtol {self.rtol:g}",
            *(str(output) for output in self.outputs),
            *(f"alone   {name}: not compared" for name in self.alone),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        content = asdict(self)
        return {**content, "first": str(self.first), "second": str(self.second), "holds": self.holds}

    @property
    def holds(self) -> bool:
        """Whether every output that both have is the same within the tolerances."""
        return all(output.holds for output in self.outputs)

    def check(self) -> None:
        """Raise unless they agree.

        Raises:
            CheckError: they do not.
        """
        if not self.holds:
            differing = [output for output in self.outputs if not output.holds]
            raise CheckError(
                f"{self.second}: expected the outputs of {self.first} within atol {self.atol:g}, rtol {self.rtol:g}, "
                f"got {len(differing)} of {len(self.outputs)} that differ: {'; '.join(map(str, differing))}."
            )


def are_raw_graphs(first: StrPath, second: StrPath) -> bool:
    """Tell whether two files are graphs of which one has no card, so that only raw tensors can be compared.

    Raises:
        InputError: one of them is missing or no graph.
    """
    paths = [Path(os.fspath(path)) for path in (first, second)]
    return all(path.suffix.lower() == ".onnx" for path in paths) and not all(has_card(path) for path in paths)


def compare_raw(
    first: StrPath,
    second: StrPath,
    *,
    frames: StrPath | None = None,
    count: int,
    atol: float | None = None,
    rtol: float | None = None,
    on_progress: Progress = no_progress,
) -> RawComparison:
    """Run two graphs in ONNX Runtime, on the CPU, on the same inputs and compare every output that both have.

    ONNX Runtime computes float16 in float32 there, rounding what passes from one operator to the next here and there.

    Args:
        first: a graph, held to be right.
        second: a graph with the same inputs; their types may differ.
        frames: a video, an image, a folder or a glob of images, for inputs like [N, 3, H, W] or [N, H, W, 3]: uint8 in
            0 to 255, otherwise RGB in 0 to 1. None, and every other input: generated, the same in every comparison.
        count: how many inputs to run.
        atol: absolute tolerance; ATOL if none is given.
        rtol: tolerance as a share of the first graph's value; RTOL if none is given.
        on_progress: called after each run.

    Raises:
        InputError: the inputs differ, no output is in both, or a graph cannot be run.
    """
    paths = Path(first), Path(second)
    read = [inspect_graph(path) for path in paths]
    ours, theirs = ({item.name: item for item in graph.inputs} for graph in read)
    _check_inputs(paths[1], ours, theirs)
    names = [item.name for item in read[0].outputs if item.name in {other.name for other in read[1].outputs}]
    if not names:
        raise InputError(
            f"{paths[1]}: expected outputs of {paths[0]}, got none of its names. Rename them in one of both."
        )
    found = [_Found(name) for name in names]
    tolerance = ATOL if atol is None else atol, RTOL if rtol is None else rtol
    given = list(_inputs(ours, theirs, frames, count))
    one, other = map(_Graph, paths)
    for done, values in enumerate(given, start=1):
        answers = one(values, ours, names), other(values, theirs, names)
        for output, expected, got in zip(found, *answers, strict=True):
            output.add(expected, got, tolerance)
        on_progress("comparing outputs", done, len(given))
    return RawComparison(
        first=paths[0],
        second=paths[1],
        inputs=tuple(f"{item}, given {list(given[0][name].shape)}" for name, item in ours.items()),
        runs=len(given),
        atol=tolerance[0],
        rtol=tolerance[1],
        outputs=tuple(output.difference() for output in found),
        alone=tuple(item.name for graph in read for item in graph.outputs if item.name not in names),
    )


class _Found:
    """What is gathered of one output, run after run."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None
        self.absolute = self.relative = 0.0
        self.beyond = self.values = 0
        self.has_shape = True

    def add(self, expected: Array, got: Array, tolerance: tuple[float, float]) -> None:
        self.shapes = self.shapes or (expected.shape, got.shape)
        if expected.shape != got.shape:
            self.shapes, self.has_shape = (expected.shape, got.shape), False
            return
        ours, theirs = expected.astype(np.float64), got.astype(np.float64)
        is_same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))  # infinities, too
        with np.errstate(invalid="ignore"):
            apart = np.where(is_same, 0.0, np.abs(ours - theirs))
        apart[np.isnan(apart)] = np.inf
        size = np.where(np.isfinite(ours), np.abs(ours), 0.0)
        self.absolute = max(self.absolute, float(apart.max(initial=0)))
        self.relative = max(self.relative, float((apart[size > 0] / size[size > 0]).max(initial=0)))
        self.beyond += int((apart > tolerance[0] + tolerance[1] * size).sum())
        self.values += apart.size

    def difference(self) -> TensorDifference:
        return TensorDifference(
            name=self.name,
            shapes=self.shapes or ((), ()),
            absolute=self.absolute,
            relative=self.relative,
            beyond=self.beyond,
            values=self.values,
            holds=self.has_shape and not self.beyond,
        )


class _Graph:
    """A graph that ONNX Runtime runs; values are cast to the types of its own inputs."""

    def __init__(self, path: Path) -> None:
        self._path, self._session = path, open_in_onnxruntime(path, None, on_cpu=True)

    def __call__(self, given: dict[str, Array], inputs: dict[str, TensorInfo], names: list[str]) -> list[Array]:
        fed = {name: value.astype(inputs[name].dtype) for name, value in given.items()}
        try:
            return [np.asarray(value) for value in self._session.run(names, fed)]
        except RUNTIME_ERRORS as error:
            raise InputError(
                f"{self._path}: expected a graph that runs on {_texts(fed)}, got an error ({reason_of(error)}). "
                f"Fix the sizes that it leaves open."
            ) from error


def _check_inputs(path: Path, ours: dict[str, TensorInfo], theirs: dict[str, TensorInfo]) -> None:
    for name in sorted({*ours, *theirs}):
        one, other = ours.get(name), theirs.get(name)
        if one is None or other is None or not _may_be_alike(one.shape, other.shape):
            raise InputError(
                f"{path}: expected the inputs of the other graph, got {name} as {other or 'none'} instead of "
                f"{one or 'none'}. Only graphs that take the same can be compared; `singleshot adapt` makes a detector "
                "take camera frames."
            )


def _may_be_alike(first: tuple[int | str, ...], second: tuple[int | str, ...]) -> bool:
    sizes = zip(first, second, strict=False)
    return len(first) == len(second) and all(a == b or isinstance(a, str) or isinstance(b, str) for a, b in sizes)


def _inputs(
    ours: dict[str, TensorInfo], theirs: dict[str, TensorInfo], frames: StrPath | None, count: int
) -> Iterator[dict[str, Array]]:
    images = [None] * count if frames is None else [frame.image for frame in sampled_frames(frames, count)[0]]
    shapes = {name: _shape(ours[name].shape, theirs[name].shape) for name in ours}
    if frames is not None and not any(_channel_of(shape) for shape in shapes.values()):
        raise InputError(
            f"--frames: expected a graph with an input like [N, 3, H, W] or [N, H, W, 3], got {_texts_of(ours)}. "
            f"Leave it out: inputs are generated."
        )
    random = np.random.default_rng(0)
    for image in images:
        yield {
            name: _generated(ours[name], shape, random)
            if image is None or _channel_of(shape) is None
            else _pictured(image, ours[name], shape)
            for name, shape in shapes.items()
        }


def _shape(first: tuple[int | str, ...], second: tuple[int | str, ...]) -> tuple[int, ...]:
    """Take sizes from where they are fixed; the batch is one, and sides of images are those of usual detectors."""
    fixed = [a if isinstance(a, int) else b for a, b in zip(first, second, strict=True)]
    free = _FREE_SIDE if len(fixed) == _RANK and _COLOURS in (fixed[1], fixed[3]) else _FREE_SIZE
    return tuple(size if isinstance(size, int) else (1 if place == 0 else free) for place, size in enumerate(fixed))


def _channel_of(shape: tuple[int, ...]) -> int | None:
    """Name the axis of an image's colours; None of what does not look like an image."""
    if len(shape) != _RANK:
        return None
    return next((axis for axis in (1, 3) if shape[axis] == _COLOURS), None)


def _pictured(image: NDArray[np.uint8], info: TensorInfo, shape: tuple[int, ...]) -> Array:
    channel = _channel_of(shape)
    height, width = shape[2:] if channel == 1 else shape[1:3]
    fitted = fit_frame(image, InputSpec(height=height, width=width, mean=(0, 0, 0), std=(1, 1, 1)))
    pixels: Array = fitted if np.dtype(info.dtype).kind in "iu" else fitted[..., ::-1].astype(np.float32) / 255
    return np.repeat((pixels.transpose(2, 0, 1) if channel == 1 else pixels)[np.newaxis], shape[0], axis=0)


def _generated(info: TensorInfo, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    """Make floats in 0 to 1, pixels, and integers that are valid indices almost everywhere: 0 and 1."""
    try:
        is_float, is_number = np.dtype(info.dtype).kind == "f", np.dtype(info.dtype).kind in "iub"
    except TypeError:
        is_float = is_number = False
    if is_float:
        return random.random(shape, np.float32)
    if is_number:
        return random.integers(0, 256 if info.dtype == "uint8" else 2, shape)
    raise InputError(f"{info.name}: expected an input of numbers, got {info.dtype}. Such graphs cannot be compared.")


def _texts(given: dict[str, Array]) -> str:
    return ", ".join(f"{name} {value.dtype} {list(value.shape)}" for name, value in given.items())


def _texts_of(inputs: dict[str, TensorInfo]) -> str:
    return ", ".join(map(str, inputs.values())) or "none"

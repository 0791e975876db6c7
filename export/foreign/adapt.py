"""A third-party detector becomes a graph that follows the contract, and is proved equal to what it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from ...calib.graph_surgery import open_inner
from ...runtime.card import Card, InputSpec, Measurement, Origin, Postprocess, Resize
from ...runtime.detection.postprocess import detections_from_candidates
from ...runtime.errors import CheckError, InputError
from ...runtime.files import StrPath, sha256_of_file
from ...runtime.generated_frames import generated_frames
from ...runtime.precision import Precision
from ...runtime.runners.contract import DETECTOR_OUTPUTS, detections_from_outputs
from ..graphs.graph_file import check_graph_name, precision_of_graph, write_graph
from ..parity.detections import compare_detections
from ..parity.matching import FramePair
from ..parity.own_frames import remember_frames
from ..parity.parity import Parity
from ..parity.proof_frames import PROOF_FRAMES, frames_of_folder
from ..parity.tolerances import HEADS_TOLERANCE, TOLERANCES
from .declared import Declared, names_of_file
from .final import without_suppression
from .graph import ForeignGraph, Outputs, load_foreign_graph
from .guess import Told, guess_reading
from .nodes import BOXES, SCORES, with_front_and_tail
from .reading import Array, Reading, candidates_from_outputs
from .rows import Rows, rows_of

Colour = Literal["rgb", "bgr"]

_HEADS = "boxes and scores before suppression"
"""What the comparison takes for the raw heads."""

_LOOKED_AT = 32
"""Images that the foreign graph is run on; the proof takes those of them in which it finds most."""
_CERTAIN = 0.25
"""Score from which on something was found, as most detectors' own demonstrations have it."""
_CERTAIN_SHARE = 0.5
"""Of the proof's images, in which something must be found: a wrong reading finds next to nothing in a few."""


_HALF_TOLERANCE = 2.0**-9
"""Of a score or a normalised corner in float16: four roundings of a value up to 1."""


@dataclass(frozen=True, kw_only=True)
class ForeignInput:
    """What the user says of a foreign detector's input.

    Args:
        colour: channel order that it expects.
        mean: per channel in that order, on the 0..255 scale; with no number above 1, on the 0..1 scale.
        std: in the same order and scale; the graph computes (x - mean) / std.
        resize: how frames are fitted to it; where not given, as its exporter does, else `stretch`.
        size: height and width in pixels, where the graph leaves them open and its metadata do not say.
    """

    colour: Colour = "rgb"
    mean: tuple[float, float, float] = (0, 0, 0)
    std: tuple[float, float, float] = (255, 255, 255)
    resize: Resize | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """A written graph, how its outputs were read, and the proof that came before it.

    Args:
        path: where it was written.
        card: in it, with the figures of the proof.
        reading: how the foreign outputs were understood.
        guesses: what of it was guessed and from what, one line each.
        parity: the foreign graph, read in numpy, against the adapted one; the heads are boxes and scores before
            suppression.
    """

    path: Path
    card: Card
    reading: Reading
    guesses: tuple[str, ...]
    parity: Parity

    def lines(self) -> list[str]:
        """Say how the graph was read and what the proof measured."""
        spec, reading = self.card.input, self.reading
        unit = "fractions" if reading.normalised else "pixels"
        undecoded = f", in cells of {', '.join(map(str, reading.strides))} pixels" if reading.strides else ""
        objectness = "" if reading.objectness is None else f", times {reading.objectness}"
        class_ids = "" if reading.class_ids is None else f", class ids {reading.class_ids} from {reading.first_class}"
        return [
            f"input     {spec.width}x{spec.height} {spec.colour}, {spec.resize}, (x - {spec.mean}) / {spec.std}",
            f"boxes     {reading.boxes}: {reading.layout}, {unit}{undecoded}",
            f"scores    {reading.scores}{objectness}: activation {reading.activation}, background {reading.background}"
            f"{class_ids}",
            f"classes   {len(self.card.class_names)}",
            *(f"proof     {line}".replace("raw heads", _HEADS) for line in self.parity.lines()),
        ]


def adapt_detector(
    foreign_path: StrPath,
    out: StrPath,
    *,
    told: Told | None = None,
    foreign_input: ForeignInput | None = None,
    names_path: StrPath | None = None,
    postprocess: Postprocess | None = None,
    images: StrPath | None = None,
) -> Adaptation:
    """Fold preprocessing, suppression and a card into a third-party detector, if the result is proved equal.

    Args:
        foreign_path: an .onnx file with one image input; its outputs hold boxes and scores before suppression.
        out: the graph, `.onnx`; written whole, after the proof, or not at all.
        told: how to read the outputs; what is not told is guessed where the outputs show it.
        foreign_input: what the network expects.
        names_path: class names in the order of the scores, background left out, one a line.
        postprocess: K, M, score floor and IoU threshold.
        images: folder of real images to recognise the outputs by and to prove the graph on; generated patterns, in
            which nothing need be found, where not given.

    Raises:
        InputError: the graph cannot be used, its outputs are not told and not recognisable, or contradict what is told.
        CheckError: the adapted graph differs by more than the tolerances, or nothing is found in the images.
    """
    foreign_path, out = Path(foreign_path), Path(out)
    check_graph_name(out)
    if out.resolve() == foreign_path.resolve():
        raise InputError(f"{out}: expected another file than the foreign graph itself. Choose another name.")
    given, postprocess = foreign_input or ForeignInput(), postprocess or Postprocess()
    told = told or Told()
    guesses: list[str] = []
    with _telling(guesses):
        foreign = load_foreign_graph(foreign_path, guesses, size=given.size, cut=told.cut)
        declared = foreign.declared
        spec = _input_spec(foreign, given, declared, guesses)
        frames = generated_frames(spec) if images is None else frames_of_folder(images, spec, most=_LOOKED_AT)
        outputs, rows = _outputs_of_frames(foreign, spec, frames)
        names = declared.names if names_path is None else names_of_file(names_path)
        count = None if names is None else len(names)
        reading = guess_reading(
            foreign, outputs, told, guesses, class_count=count, is_end_to_end=declared.is_end_to_end
        )
        names = _class_names(foreign, names_path, names, reading, guesses)
        boxes, scores = candidates_from_outputs(outputs, reading, height=foreign.height, width=foreign.width)
        foreign = replace(foreign, rows=rows)
        postprocess = without_suppression(postprocess, reading, boxes.shape[1])
        graph = with_front_and_tail(foreign, spec, reading, postprocess, box_count=boxes.shape[1])
        card = _card(foreign_path, names, spec, postprocess, reading)
        shown = _most_telling(scores)
        parity = _prove(graph, card, frames[shown], boxes[shown], scores[shown])
        _check(parity, out, images, scores[shown])
    if images is not None:
        remember_frames(card.origin.parent_sha256 or "", frames[shown])
    card = card.model_copy(update={"measurements": _measurements(parity, images)})
    write_graph(graph, card, out)
    return Adaptation(path=out, card=card, reading=reading, guesses=tuple(guesses), parity=parity)


def images_from_frames(foreign: ForeignGraph, spec: InputSpec, frames: NDArray[np.uint8]) -> NDArray[Any]:
    """Prepare frames as the foreign network expects them, in numpy.

    Args:
        foreign: the detector.
        spec: of its input.
        frames: [n, H, W, 3] uint8, BGR.

    Returns:
        [n, 3, H, W] or [n, H, W, 3] of the input's type.
    """
    images = frames.astype(np.float32)
    if spec.colour == "rgb":
        images = images[..., ::-1]
    images = np.divide(images - np.array(spec.mean, np.float32), np.array(spec.std, np.float32), dtype=np.float32)
    if not foreign.channels_last:
        images = images.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(images).astype(foreign.input_type)


def _input_spec(foreign: ForeignGraph, given: ForeignInput, declared: Declared, guesses: list[str]) -> InputSpec:
    resize = given.resize
    if resize is None and declared.is_ultralytics:
        resize = "letterbox"
        guesses.append("--letterbox: the metadata are Ultralytics', whose way it is")
    scale = given.mean, given.std
    if any(given.mean) and max(*map(abs, given.mean), *given.std) <= 1:
        scale = _on_255(given.mean), _on_255(given.std)
        guesses.append(f"--mean, --std: on the 0..1 scale, as none is above 1; {scale[0]} and {scale[1]} on 0..255")
    if foreign.input_type is np.uint8:
        # Such a network scales inside.
        if scale not in ((ForeignInput.mean, ForeignInput.std), ((0, 0, 0), (1, 1, 1))):
            raise InputError(
                f"--mean, --std: expected none, as {foreign.path} takes uint8 and scales inside, "
                f"got {given.mean} and {given.std}."
            )
        scale = (0, 0, 0), (1, 1, 1)
    return InputSpec(
        height=foreign.height,
        width=foreign.width,
        resize=resize or "stretch",
        colour=given.colour,
        mean=scale[0],
        std=scale[1],
    )


def _on_255(values: tuple[float, float, float]) -> tuple[float, float, float]:
    first, second, third = (round(255 * value, 6) for value in values)
    return first, second, third


def _card(
    foreign_path: Path, names: tuple[str, ...], spec: InputSpec, postprocess: Postprocess, reading: Reading
) -> Card:
    packages = {name: version(name) for name in ("onnx", "onnxruntime")}
    return Card(
        kind="graph",
        network=foreign_path.name,
        class_names=names,
        input=spec,
        postprocess=postprocess,
        origin=Origin(parent_sha256=sha256_of_file(foreign_path), settings=reading.settings(), packages=packages),
    )


def _outputs_of_frames(
    foreign: ForeignGraph, spec: InputSpec, frames: NDArray[np.uint8]
) -> tuple[Outputs, dict[str, Rows]]:
    """Run the foreign graph frame by frame; outputs that are no lists of rows stay as the first frame gave them."""
    run = foreign.open()
    results = [run(images_from_frames(foreign, spec, frame[None])) for frame in frames]
    joined: Outputs = {}
    rows: dict[str, Rows] = {}
    for name, first in results[0].items():
        values = [result[name] for result in results]
        how = rows_of(values)
        if how is not None:
            rows[name] = how
            joined[name] = np.concatenate([how.of(value) for value in values])
        else:
            joined[name] = first
    return joined, rows


def _class_names(
    foreign: ForeignGraph, path: StrPath | None, known: tuple[str, ...] | None, reading: Reading, guesses: list[str]
) -> tuple[str, ...]:
    """Hold the names of the user's file or of the foreign one against the reading, or number the classes."""
    count = len(reading.class_columns)
    if known is None:
        numbered = tuple(f"class {number}" for number in range(count))
        some = f"{', '.join(numbered[:2])}{', …' if count > 2 else ''}"
        guesses.append(f"--names: {some}, as the file names no classes")
        return numbered
    if path is None and reading.background is not None and len(known) == len(reading.scores):
        known = tuple(name for place, name in enumerate(known) if place != reading.background)
    if len(known) != count:
        if path is not None:
            raise InputError(
                f"{path}: expected {count} class names, one per column of scores but the background's, "
                f"got {len(known)}."
            )
        raise InputError(
            f"--scores: expected a column for each of the {len(known)} classes that {foreign.path} names, got "
            f"{count}. Name the columns by --boxes and --scores, or the classes by --names."
        )
    if path is None:
        guesses.append(f"--names: the {count} in the file's metadata")
    return known


@contextmanager
def _telling(guesses: list[str]) -> Iterator[None]:
    """Add every guess made so far to a refusal, as one of them is often the fault."""
    try:
        yield
    except (InputError, CheckError) as error:
        if not guesses:
            raise
        raise type(error)(f"{error} Guessed so far: {'; '.join(guesses)}.") from error


def _prove(graph: onnx.ModelProto, card: Card, frames: NDArray[np.uint8], boxes: Array, scores: Array) -> Parity:
    """Hold the adapted graph against boxes [n, D, 4] and scores [n, D, classes], read from the foreign one in numpy."""
    run = open_inner(graph, (*DETECTOR_OUTPUTS, BOXES, SCORES))
    pairs, difference = [], 0.0
    for frame, frame_boxes, frame_scores in zip(frames, boxes, scores, strict=True):
        found = run(frame[None])
        clipped = frame_boxes.clip(0, 1)
        apart = found[BOXES][0].clip(0, 1) - clipped, found[SCORES][0] - frame_scores
        # numpy's maximum keeps a NaN, which Python's would drop.
        difference = float(np.max([difference, *(np.abs(values).max() for values in apart)]))
        expected = detections_from_candidates(frame_scores, clipped, card.postprocess)
        (answer,) = detections_from_outputs(card, found, source="the adapted graph")
        pairs.append(FramePair(expected=expected, found=answer, scores=frame_scores, boxes_xyxy=clipped))
    tolerances = TOLERANCES[precision_of_graph(graph)]
    return compare_detections(pairs, card.postprocess, heads_difference=difference, tolerances=tolerances)


def _most_telling(scores: Array) -> NDArray[np.intp]:
    """Choose the frames [n] in which the foreign detector finds most, in their order, from scores [n, D, classes]."""
    best = np.asarray(scores.max(axis=(1, 2)))
    return np.sort(np.argsort(-best, kind="stable")[:PROOF_FRAMES])


def _check(parity: Parity, out: Path, images: StrPath | None, scores: Array) -> None:
    """Raise unless both agree on something; only in generated frames there need be nothing to agree on."""
    is_empty = not (parity.judged or parity.exempt)
    certain = int((scores.max(axis=(1, 2)) >= _CERTAIN).sum())
    if images is not None and (is_empty or certain < _CERTAIN_SHARE * parity.frames):
        found = "none" if is_empty else f"a score of {_CERTAIN} or more in {certain} of {parity.frames}"
        raise CheckError(
            f"{out}: expected detections in the images of {images}, got {found}. Check --input, --mean, --std and "
            "--letterbox, or give images with the detector's objects. Nothing was written."
        )
    most = _HALF_TOLERANCE if parity.tolerances.precision == Precision.FP16 else HEADS_TOLERANCE
    if not is_empty or not (parity.heads_difference or 0.0) <= most:
        parity.check(str(out))


def _measurements(parity: Parity, images: StrPath | None) -> tuple[Measurement, ...]:
    kind = "generated frames, without objects" if images is None else "real frames"
    data = f"{parity.frames} {kind}, the foreign graph read in numpy against this one"
    return parity.measurements(data=data, heads=_HEADS)

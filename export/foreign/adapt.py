"""A third-party detector becomes a graph that follows the contract, and is proved equal to what it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from ...calib.graph_surgery import open_inner
from ...runtime.card import Card, InputSpec, Measurement, Origin, Postprocess
from ...runtime.detection.postprocess import detections_from_candidates
from ...runtime.errors import CheckError, InputError
from ...runtime.files import StrPath, sha256_of_file
from ...runtime.precision import Precision
from ...runtime.runners.contract import DETECTOR_OUTPUTS, detections_from_outputs
from ..graphs.graph_file import check_graph_name, precision_of_graph, write_graph
from ..parity.detections import compare_detections
from ..parity.matching import FramePair
from ..parity.own_frames import remember_frames
from ..parity.parity import Parity
from ..parity.proof_frames import PROOF_FRAMES
from ..parity.tolerances import HEADS_TOLERANCE, TOLERANCES
from .declared import names_of_file
from .final import without_suppression
from .graph import ForeignGraph, Outputs, load_foreign_graph
from .guess import guess_reading
from .heads import heads_by_level
from .inputs import ForeignInput, fitted_frames, input_spec, run_frames
from .kinds import usual_input
from .nodes import BOXES, SCORES, with_front_and_tail
from .reading import Array, Reading, candidates_from_outputs
from .told import Told

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
        undecoded = "" if reading.decoding is None else f", decoded as {reading.decoding.scheme}"
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
        images: folder of real images to recognise the outputs by and to prove the graph on; frames of the demo's clip
            and generated patterns, in which nothing need be found, where not given.

    Raises:
        InputError: the graph cannot be used, its outputs are not told and not recognisable, or contradict what is told.
        CheckError: the adapted graph differs by more than the tolerances, or nothing is found in the images.
    """
    foreign_path, out = Path(foreign_path), Path(out)
    check_graph_name(out)
    if out.resolve() == foreign_path.resolve():
        raise InputError(f"{out}: expected another file than the foreign graph itself. Choose another name.")
    guesses: list[str] = []
    with _telling(guesses):
        read = _read(foreign_path, told or Told(), foreign_input or ForeignInput(), names_path, images, guesses)
        foreign, spec, reading = read.foreign, read.spec, read.reading
        boxes, scores = candidates_from_outputs(read.outputs, reading, height=foreign.height, width=foreign.width)
        postprocess = without_suppression(postprocess or Postprocess(), reading, boxes.shape[1])
        graph = with_front_and_tail(foreign, spec, reading, postprocess, box_count=boxes.shape[1])
        card = _card(foreign_path, read.names, spec, postprocess, reading)
        shown = _most_telling(scores)
        parity = _prove(graph, card, read.frames[shown], boxes[shown], scores[shown])
        _check(parity, out, images, scores[shown])
    if images is not None:
        remember_frames(card.origin.parent_sha256 or "", read.frames[shown])
    card = card.model_copy(update={"measurements": _measurements(parity, read.frames_said)})
    write_graph(graph, card, out)
    return Adaptation(path=out, card=card, reading=reading, guesses=tuple(guesses), parity=parity)


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A foreign detector, what it answers to frames, and how that is understood."""

    foreign: ForeignGraph
    spec: InputSpec
    frames: NDArray[np.uint8]
    frames_said: str
    outputs: Outputs
    reading: Reading
    names: tuple[str, ...]


def _read(
    path: Path,
    told: Told,
    given: ForeignInput,
    names_path: StrPath | None,
    images: StrPath | None,
    guesses: list[str],
) -> _Read:
    foreign = load_foreign_graph(path, guesses, size=given.size, cut=told.cut)
    usual, ground = usual_input(foreign)
    spec = input_spec(foreign, given, guesses, usual=usual, of=ground)
    frames, said = fitted_frames(spec, images, most=_LOOKED_AT)
    outputs, rows = run_frames(foreign, spec, frames)
    names = foreign.declared.names if names_path is None else names_of_file(names_path)
    count = None if names is None else len(names)
    heads = heads_by_level(foreign, outputs, told, guesses, count)
    if heads is not None:
        outputs, told = heads.of(outputs), heads.told(told)
    reading = guess_reading(
        foreign, outputs, told, guesses, heads=heads, class_count=count, is_end_to_end=foreign.declared.is_end_to_end
    )
    return _Read(
        foreign=replace(foreign, rows=rows, joined=() if heads is None else heads.joined),
        spec=spec,
        frames=frames,
        frames_said=said,
        outputs=outputs,
        reading=reading,
        names=_class_names(foreign, names_path, names, reading, guesses),
    )


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
    """Raise unless both agree on something; only where no images are given there need be nothing to agree on."""
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


def _measurements(parity: Parity, frames: str) -> tuple[Measurement, ...]:
    data = f"{frames}, the foreign graph read in numpy against this one"
    return parity.measurements(data=data, heads=_HEADS)

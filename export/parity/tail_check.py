"""Whether a graph's post-processing gives what the rule in numpy makes of the same answers.

A network in which nothing is found yet does not exercise its tail, so scores are raised until there is something to
suppress; and one that answers the same everywhere would not tell its tail from another, so there are generated answers,
among them pairs of boxes that overlap by just more and just less than suppresses.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from ...calib.graph_surgery import drop_unused
from ...runtime.card import Card
from ...runtime.detection.boxes import decode_boxes, encode_boxes, iou_matrix
from ...runtime.detection.detections import Detections
from ...runtime.detection.postprocess import (
    classifications_from_logits,
    detections_from_candidates,
    scores_from_logits,
)
from ...runtime.precision import Precision
from ...runtime.runners.contract import EXACT, HEADS, Outputs, classifications_from_outputs, detections_from_outputs
from ...runtime.runners.quiet_session import open_quietly
from ..graphs.network_part import answers_of
from .matching import FramePair, match_detections
from .tolerances import Tolerances

Array = NDArray[np.float32]

LEAST_ROWS = (20, 200)
"""Scores are raised until so many candidates of a frame stand at one half, or above a higher floor: few, where the
network sees them, and a crowd of default boxes anywhere, some of which overlap by nearly what is allowed."""
TAIL = Tolerances(
    precision=Precision.FP32,
    heads=None,
    score=2e-6,
    box=2e-6,
    iou=0.0,
    tie=1e-5,
    reason="Both sides compute in float32 from the same answers.",
)
_CELLS = 4
"""Across and down; each holds a pair of boxes."""
_BESIDE = 0.01
"""From the overlap that suppresses."""
_ROUNDING = 2e-6
"""Of a score or a corner: softmax, exponential and decoding in float32, some ten roundings of 6e-8 each."""


@dataclass(frozen=True, kw_only=True)
class TailCheck:
    """What came of it.

    Args:
        scenes: frames, as they are and with raised scores, and generated ones.
        rows: that graph and rule both gave.
        differences: one line each.
    """

    scenes: int
    rows: int
    differences: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether there was something to compare, and all of it was the same."""
        return self.rows > 0 and not self.differences

    def line(self) -> str:
        """Say it for a person."""
        apart = f", {len(self.differences)} differ: {'; '.join(self.differences[:3])}" if self.differences else ""
        return f"{self.rows} rows of {self.scenes} scenes are as the rule has them{apart}"


def check_tail(
    model: onnx.ModelProto,
    card: Card,
    answers: Sequence[Array],
    *,
    parent: Card,
    default_cxcywh: Array | None,
) -> TailCheck:
    """Run a graph's tail alone and the rule in numpy over the same answers of its network.

    Args:
        model: names what its network answers.
        card: of the graph: how its outputs are read.
        answers: as `answers_of` names them, each [frames, ...] float32.
        parent: card of its parent, whose post-processing is held to be right.
        default_cxcywh: [D, 4] float32, the parent's; None where the network answers boxes, or is a classifier.
    """
    names, rule = answers_of(model), _Rule(card=parent, default_cxcywh=default_cxcywh)
    part = copy.deepcopy(model)
    drop_unused(part.graph, [output.name for output in part.graph.output], given=names)
    del part.graph.input[:], part.graph.value_info[:]
    part.graph.input.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *values.shape[1:]])
        for name, values in zip(names, answers, strict=True)
    )
    session = open_quietly(part.SerializeToString())
    outputs = [output.name for output in session.get_outputs()]
    # Some backends are given another tail than the file's own: the file says which of the two this is.
    tail = {"tail": "cluster" if EXACT in outputs else "onnx"}
    card = card.model_copy(update={"postprocess": card.postprocess.model_copy(update=tail)})
    differences: list[str] = []
    scenes = rows = 0
    level = max(0.5, (1 + parent.postprocess.score_floor) / 2)
    made = [] if len(names) == 1 else [*_generated(names, answers, level), _pairs(names, answers, level, rule)]
    for number, scene in enumerate(chain(_scenes(names, answers, level), made)):
        results = dict(zip(outputs, session.run(outputs, dict(zip(names, scene, strict=True))), strict=True))
        if len(names) == 1:
            same, apart = _classes_apart(scene, results, card)
        else:
            same, apart = _detections_apart(rule, names, scene, results, card)
        scenes += 1
        rows += same
        differences += [f"scene {number}: {line}" for line in apart]
    return TailCheck(scenes=scenes, rows=rows, differences=tuple(differences))


def check_rows(answers: Sequence[Detections], parent: Card) -> TailCheck | None:
    """Hold detections to what the rule says of any: descending, above the floor, no two rivals too close.

    Args:
        answers: of an artefact whose tail cannot be run by itself, a frame each, boxes normalised.
        parent: card of its parent, whose post-processing is held to be right.

    Returns:
        None where nothing was found.
    """
    rule, differences = parent.postprocess, []
    for number, found in enumerate(answers):
        overlaps = iou_matrix(found.boxes_xyxy, found.boxes_xyxy)
        if not rule.class_agnostic:
            overlaps[found.class_ids[:, None] != found.class_ids[None]] = 0
        np.fill_diagonal(overlaps, 0)
        closest = float(overlaps.max(initial=0))
        if closest > rule.iou_threshold + _ROUNDING:
            differences.append(f"scene {number}: two rivals overlap by {closest:.2f}, {rule.iou_threshold} allowed")
        if len(found) > rule.max_detections or (np.diff(found.scores) > 0).any():
            differences.append(f"scene {number}: {len(found)} rows, or not in descending order")
        if (found.scores < np.float32(rule.score_floor)).any():
            differences.append(f"scene {number}: scores below {rule.score_floor}")
    rows = sum(map(len, answers))
    return TailCheck(scenes=len(answers), rows=rows, differences=tuple(differences)) if rows else None


def _scenes(names: Sequence[str], answers: Sequence[Array], level: float) -> Iterator[list[Array]]:
    """Give each frame's answers as they are, then with scores raised to a level."""
    for index in range(len(answers[0])):
        frame = [values[index : index + 1] for values in answers]
        yield frame
        if len(names) == 1:
            continue
        few, crowd = LEAST_ROWS
        anywhere = frame[0][:, np.random.default_rng(index).permutation(frame[0].shape[1])]
        for scores, least in ((frame[0], few), (anywhere, crowd)):
            yield [_raised(scores, least, level, is_logits=names == HEADS), *frame[1:]]


def _generated(names: Sequence[str], answers: Sequence[Array], level: float) -> Iterator[list[Array]]:
    """Give answers of the same shapes that differ from box to box and class to class."""
    rng, (_, count, classes) = np.random.default_rng(0), answers[0].shape
    for least in LEAST_ROWS:
        scores = rng.normal(0, 3, (1, count, classes))
        boxes = rng.normal(0, 1, (1, count, 4))
        if names != HEADS:
            scores = 1 / (1 + np.exp(-scores))
            centres, sizes = rng.uniform(0, 1, (1, count, 2)), rng.uniform(0.1, 0.4, (1, count, 2))
            boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=2)
        raised = _raised(scores.astype(np.float32), least, level, is_logits=names == HEADS)
        yield [raised, boxes.astype(np.float32)]


def _pairs(names: Sequence[str], answers: Sequence[Array], level: float, rule: _Rule) -> list[Array]:
    """Give answers whose boxes lie in pairs of one class, which overlap by just more and just less than suppresses.

    Each pair has a cell of the image to itself, side by side, the left box in front; nothing else has a score.
    """
    _, count, columns = answers[0].shape
    classes = columns - (names == HEADS)  # of heads the first is the background
    cells = np.arange(min(_CELLS**2, count // 2))
    overlaps = np.clip(rule.card.postprocess.iou_threshold + np.where(cells % 2, _BESIDE, -_BESIDE), 0, 1)
    width, height = 0.4 / _CELLS, 0.8 / _CELLS
    left, top = cells % _CELLS / _CELLS, cells // _CELLS / _CELLS
    boxes = np.tile([0.0, 0.0, width, height], (count, 1))
    scores = np.zeros((count, classes))
    apart = width * (1 - overlaps) / (1 + overlaps)
    for side, (start, score) in enumerate(((left, (1 + level) / 2), (left + apart, level))):
        rows = 2 * cells + side
        boxes[rows] += np.stack([start, top, start, top], axis=1)
        scores[rows, cells % classes] = score - 1e-3 * cells / _CELLS**2  # no two alike
    if names == HEADS and rule.default_cxcywh is not None:
        boxes = encode_boxes(boxes.astype(np.float32), rule.default_cxcywh, rule.card.postprocess.variances)
        background = 1 - scores.sum(axis=1, keepdims=True)
        scores = np.log(np.maximum(np.concatenate([background, scores], axis=1), 1e-12))
    return [scores[None].astype(np.float32), boxes[None].astype(np.float32)]


def _raised(scores: Array, least: int, level: float, *, is_logits: bool) -> Array:
    """Raise all scores alike, so that the best `least` of them stand at `level`."""
    if not is_logits:
        best = np.sort(scores, axis=None)[-least:]
        return np.asarray(np.minimum(scores * (level / max(float(best[0]), 1e-6)), 1), np.float32)
    raised = scores.copy()
    raised[..., 1:] += _lack((scores[..., 1:] - scores[..., :1]).max(axis=-1), least, 0.0)
    # Each class has the background's logit now; where there are many classes, the best is raised above the others.
    best = raised[..., 1:].argmax(axis=-1)[..., None] + 1
    others = np.where(np.arange(raised.shape[-1]) == best, -np.inf, raised)
    lead = np.take_along_axis(raised, best, axis=-1)[..., 0] - np.logaddexp.reduce(others, axis=-1)
    further = np.where(np.arange(raised.shape[-1]) == best, _lack(lead, least, np.log(level / (1 - level))), 0)
    return np.asarray(raised + further, np.float32)


def _lack(leads: Array, least: int, aim: float) -> np.float32:
    """Give what is to be added so that the best `least` leads reach the aim."""
    return np.float32(max(0.0, aim - float(np.sort(leads, axis=None)[-least:][0])))


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """The parent's post-processing in numpy.

    Args:
        card: the parent's.
        default_cxcywh: [D, 4] float32; None where the network answers boxes.
    """

    card: Card
    default_cxcywh: Array | None

    def candidates(self, names: Sequence[str], scene: Sequence[Array]) -> tuple[Array, Array]:
        """Give the scores [D, classes] and clipped boxes [D, 4] of a frame."""
        scores, boxes = scene[0][0], scene[1][0]
        if names == HEADS:
            if self.default_cxcywh is None:
                raise ValueError("default_cxcywh: expected the parent's default boxes, got none")
            scores = scores_from_logits(scores)
            boxes = decode_boxes(boxes, self.default_cxcywh, self.card.postprocess.variances)
        return scores, np.clip(boxes, 0, 1)


def _detections_apart(
    rule: _Rule, names: Sequence[str], scene: Sequence[Array], results: Outputs, card: Card
) -> tuple[int, list[str]]:
    scores, boxes = rule.candidates(names, scene)
    postprocess = rule.card.postprocess
    expected = detections_from_candidates(scores, boxes, postprocess)
    (found,) = detections_from_outputs(card, results, source="tail")
    pair = FramePair(expected=expected, found=found, scores=scores, boxes_xyxy=boxes)
    match = match_detections(pair, postprocess, TAIL)
    left, right = expected.where(match.left), found.where(match.right)
    apart = [
        f"{what} {difference:.1e} apart"
        for what, difference in (
            ("scores", float(np.abs(left.scores - right.scores).max(initial=0))),
            ("boxes", float(np.abs(left.boxes_xyxy - right.boxes_xyxy).max(initial=0))),
        )
        if not difference <= _ROUNDING
    ]
    for side, alone in (("rule", match.expected_alone), ("graph", match.found_alone)):
        apart += [f"{len(alone)} rows of the {side} alone"] if len(alone) else []
    return len(left), apart


def _classes_apart(scene: Sequence[Array], results: Outputs, card: Card) -> tuple[int, list[str]]:
    (expected,) = classifications_from_logits(scene[0])
    (found,) = classifications_from_outputs(card, results, source="tail")
    difference = float(np.abs(expected.scores - found.scores).max(initial=0))
    of_classes = np.abs(expected.scores[0] - found.scores[expected.class_ids[0] == found.class_ids]).min(initial=1)
    apart = [] if difference <= _ROUNDING else [f"scores {difference:.1e} apart"]
    apart += [] if of_classes <= TAIL.tie else [f"another class than {expected.class_ids[0]} first"]
    return len(found.scores), apart

"""Two artefacts on the same real frames: do they say the same?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...runtime.card import Card
from ...runtime.detection.detections import Detections
from ...runtime.detection.letterbox import fit_frame
from ...runtime.errors import CheckError, InputError
from ...runtime.files import StrPath
from ...runtime.progress import Progress, no_progress
from ...runtime.runners.contract import EXACT
from ...runtime.sources.frame import Frame
from ...runtime.sources.open_source import open_source
from .artefact import Artefact, open_artefact
from .classifications import compare_classifications
from .detections import parity_of
from .explain import explain
from .matching import FrameMatch, FramePair, match_detections, pair_of_detections
from .parity import Parity
from .proof_frames import PROOF_FRAMES
from .raw_heads import HeadsOfFrame
from .tolerances import tolerances_for

_INPUT_FIELDS = ("height", "width", "resize")
"""Colour order and normalisation are inside: their outcome is compared."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparedFrame:
    """One frame with both answers, boxes normalised to the networks' input."""

    frame: Frame
    first: Detections
    second: Detections
    match: FrameMatch

    @property
    def badness(self) -> tuple[int, float]:
        """Unmatched detections, then the largest difference of a score or corner: the worst frames have the most."""
        first, second = self.first.where(self.match.left), self.second.where(self.match.right)
        scores = np.abs(first.scores - second.scores).max(initial=0)
        boxes = np.abs(first.boxes_xyxy - second.boxes_xyxy).max(initial=0)
        return len(self.match.expected_alone) + len(self.match.found_alone), float(max(scores, boxes))


@dataclass(frozen=True, kw_only=True, eq=False)
class Verification:
    """How two artefacts compare.

    Args:
        first: what is held to be right.
        second: what is held against it.
        frames: where the frames came from.
        contract: differences of card, names, dtypes and shapes, one line each; where there are any, nothing was run.
        parity: figures; None where the contracts differ.
        compared: every frame of a detector, the worst first; none of classifiers.
        warnings: what went wrong with the frames without ending the run.
    """

    first: Artefact
    second: Artefact
    frames: str
    contract: tuple[str, ...]
    parity: Parity | None
    compared: tuple[ComparedFrame, ...]
    warnings: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether both say the same within the tolerances."""
        return self.parity is not None and self.parity.holds

    def lines(self) -> list[str]:
        """Say what was compared, and the figures with their tolerances."""
        lines = [f"first   {self.first.summary}", f"second  {self.second.summary}", f"frames  {self.frames}"]
        if self.parity is None:
            return [*lines, "contract differs, so nothing was run:", *self.contract]
        tolerances = self.parity.tolerances
        return [
            *lines,
            "names, dtypes, shapes and card agree",
            *self.parity.lines(),
            f"tolerances: {tolerances.precision}. {tolerances.reason}",
        ]

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        return {
            "first": self.first.to_dict(),
            "second": self.second.to_dict(),
            "frames": self.frames,
            "contract": list(self.contract),
            "parity": None if self.parity is None else self.parity.to_dict(),
            "worst": [{"source": item.frame.source, "frame": item.frame.index} for item in self.compared[:4]],
            "holds": self.holds,
        }

    def check(self) -> None:
        """Raise unless they agree.

        Raises:
            CheckError: they do not.
        """
        if self.holds:
            return
        parity = self.parity
        what = "detections" if parity is None else parity.of
        name = f"{self.second.path}: expected the same {what} as {self.first.path}"
        if parity is None:
            raise CheckError(f"{name}, got another contract: {'; '.join(self.contract)}.")
        if not parity.judged and parity.rounding is None:
            raise CheckError(
                f"{name}, got no detection on either side to compare. Name frames with objects by --frames."
            )
        raise CheckError(
            f"{name}, got {'; '.join(parity.faults)}. Measured on {parity.frames} frames of {self.frames}."
        )


def verify(
    first: StrPath,
    second: StrPath,
    *,
    frames: StrPath,
    count: int = PROOF_FRAMES,
    trust: bool = False,
    on_progress: Progress = no_progress,
) -> Verification:
    """Run two artefacts over the same frames and compare names, dtypes, shapes, raw heads and detections.

    Args:
        first: a checkpoint, a graph, an engine or `GRAPH@RUNNER`, as `open_artefact` takes it; held to be right.
        second: what is held against it, of any of these kinds.
        frames: a video, an image, a folder or a glob of images.
        count: frames to compare, spread evenly over them.
        trust: run an engine although this user did not build it.
        on_progress: called after each frame.

    Raises:
        InputError: an artefact or the frames cannot be used.
        MissingDependencyError: what runs one of them is not installed.
    """
    with open_artefact(first, trust=trust) as reference, open_artefact(second, trust=trust) as candidate:
        contract = contract_differences(reference, candidate)
        if contract:
            return Verification(
                first=reference, second=candidate, frames=str(frames), contract=contract, parity=None, compared=()
            )
        # A checkpoint has no tail of its own: it takes on that of what it is held against.
        left, right = reference.with_tail_of(candidate), candidate.with_tail_of(reference)
        chosen, warnings = sampled_frames(frames, count)
        parity, compared = compare_artefacts(left, right, chosen, on_progress)
        return Verification(
            first=left,
            second=right,
            frames=str(frames),
            contract=(),
            parity=parity,
            compared=compared,
            warnings=warnings,
        )


def contract_differences(first: Artefact, second: Artefact) -> tuple[str, ...]:
    """List what differs in the cards and, where both are graphs, in the names, dtypes and shapes of their tensors.

    The first dimension, the batch, may differ; so may the tail, whose outcome is what is compared. The output `exact`
    belongs to the `cluster` tail alone.
    """
    differences = _card_differences(first, second)
    if first.tensors and second.tensors:
        for name in sorted((first.tensors.keys() | second.tensors.keys()) - {EXACT}):
            left, right = first.tensors.get(name, "absent"), second.tensors.get(name, "absent")
            if left != right:
                differences.append(f"{name}: {left} against {right}")
    return tuple(differences)


def sampled_frames(spec: StrPath, count: int) -> tuple[list[Frame], tuple[str, ...]]:
    """Take frames spread evenly over a video or over images.

    Args:
        spec: as `open_source` takes it, but no camera: its frames cannot be shown twice.
        count: how many, or all where there are fewer.

    Returns:
        The frames, and what the source warns of.

    Raises:
        InputError: nothing can be decoded, or it is a camera.
    """
    with open_source(spec) as source:
        if source.kind == "camera":
            raise InputError(f"{spec}: expected a video or images, got a camera. Record it with `rt-detect --save`.")
        length = source.length or count
        wanted = set(np.linspace(0, length - 1, min(count, length), dtype=int).tolist())
        frames = []
        for frame in source:
            if frame.index in wanted:
                frames.append(frame)
            if len(frames) == len(wanted):
                break
        return frames, source.warnings


def compare_artefacts(
    first: Artefact, second: Artefact, frames: list[Frame], on_progress: Progress = no_progress
) -> tuple[Parity, tuple[ComparedFrame, ...]]:
    """Run both over the same frames.

    Args:
        first: held to be right.
        second: of the same contract.
        frames: of any size.
        on_progress: called after each frame.

    Returns:
        The figures; and of detectors the frames, the worst first.
    """
    answers = []
    for done, frame in enumerate(frames, start=1):
        fitted = fit_frame(frame.image, first.card.input)[np.newaxis]  # [1, H, W, 3]
        answers.append((fitted, first.answer(fitted), second.answer(fitted)))
        on_progress("comparing frames", done, len(frames))
    heads = [(ours, theirs) for _, (_, ours), (_, theirs) in answers if ours is not None and theirs is not None]
    differences = [ours.difference(theirs) for ours, theirs in heads]
    heads_difference = float(np.max(differences)) if differences else None  # numpy's keeps a NaN
    explained = explain(
        first, second, [fitted for fitted, _, _ in answers], [(ours, said) for _, (_, ours), said in answers]
    )
    tolerances = tolerances_for(first, second, is_explained=explained.rounding is not None)
    compared: tuple[ComparedFrame, ...] = ()
    if first.card.task == "classifier":
        ours, theirs = ([side[0] for side in sides] for sides in zip(*((a, b) for _, a, b in answers), strict=True))
        parity = compare_classifications(ours, theirs, heads_difference=heads_difference, tolerances=tolerances)
    else:
        pairs = [_pair(expected, found, ours, second.card) for _, (expected, ours), (found, _) in answers]
        matches = [match_detections(pair, second.card.postprocess, tolerances) for pair in pairs]
        parity = parity_of(pairs, matches, heads_difference=heads_difference, tolerances=tolerances)
        compared = tuple(
            ComparedFrame(frame=frame, first=pair.expected, second=pair.found, match=match)
            for frame, pair, match in zip(frames, pairs, matches, strict=True)
        )
    parity = replace(parity, rounding=explained.rounding, lineage=explained.lineage, tail=explained.tail)
    return parity, tuple(sorted(compared, key=lambda item: item.badness, reverse=True))


def _pair(expected: Detections, found: Detections, heads: HeadsOfFrame | None, card: Card) -> FramePair:
    candidates = None if heads is None else heads.candidates(card.postprocess.variances)
    if candidates is None:
        return pair_of_detections(expected, found, class_count=len(card.class_names))
    scores, boxes = candidates
    return FramePair(expected=expected, found=found, scores=scores, boxes_xyxy=boxes)


def _card_differences(first: Artefact, second: Artefact) -> list[str]:
    left, right = first.card, second.card
    fields = [
        ("task", left.task, right.task),
        ("class names", left.class_names, right.class_names),
        *((f"input {name}", getattr(left.input, name), getattr(right.input, name)) for name in _INPUT_FIELDS),
    ]
    if first.is_checkpoint == second.is_checkpoint and left.task == "detector":
        fields += [
            (f"post-processing {name}", value, getattr(right.postprocess, name))
            for name, value in left.postprocess
            if name != "tail"
        ]
    return [f"{name}: {one} against {other}" for name, one, other in fields if one != other]

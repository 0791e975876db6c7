"""Whether thresholds that a gate moved hold on images that they were not chosen on.

`python -m singleshot.tools.proof.thresholds a.onnx a.int8.onnx --data VOC --split val` prints the table of
docs/quantization.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from ...calib.accuracy.average_precision import MIN_OBJECTS
from ...calib.accuracy.evaluate import open_dataset_for
from ...calib.records.asking import records_of
from ...calib.records.labelled_images import LabelledImages, halves, sampled_images
from ...calib.records.operating_point import OperatingPoint, point_at
from ...calib.records.records import Records
from ...export.gate.judge import MOST_IMAGES, moved_scores, open_alike
from ...runtime.card import Card
from ...runtime.detection.detections import Detections
from ...runtime.detection.thresholds import moved_score
from ...runtime.errors import InputError
from ...runtime.runners.onnxruntime_runner import graph_facts
from ...runtime.session import Session
from ..terminal.exits import exit_codes

SCORES = (0.3, 0.5, 0.7)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A class at one of the parent's thresholds, on images that nothing was chosen by.

    Args:
        class_name: of the class.
        score: the parent's threshold.
        moved: the candidate's, found on other images.
        parent: the parent at its threshold.
        unchanged: the candidate at the parent's threshold.
        followed: the candidate at its own.
    """

    class_name: str
    score: float
    moved: float
    parent: OperatingPoint
    unchanged: OperatingPoint
    followed: OperatingPoint


def kept(card: Card, chosen_by: tuple[Records, Records], judged_by: tuple[Records, Records]) -> Iterator[Kept]:
    """Move thresholds by some images, as a gate does, and see what they give on others.

    Args:
        card: of the candidate.
        chosen_by: answers of parent and candidate to the images that thresholds are found on.
        judged_by: likewise to the others.
    """
    moved = card.model_copy(update={"moved_scores": moved_scores(*chosen_by)})
    for name in judged_by[0].averaged:
        answers = judged_by[0].answers_of(name), judged_by[1].answers_of(name)
        for score in SCORES:
            own = moved_score(moved, name, score)
            yield Kept(
                class_name=name,
                score=score,
                moved=own,
                parent=point_at(answers[0], score),
                unchanged=point_at(answers[1], score),
                followed=point_at(answers[1], own),
            )


def table(found: list[Kept]) -> list[str]:
    """Write the mean over classes of how far precision and recall are from the parent's, in points, as Markdown."""
    lines = [
        "| score | threshold | precision apart | recall apart | precision | recall |",
        "|---|---|---|---|---|---|",
    ]
    for score in SCORES:
        items = [item for item in found if item.score == score]
        parents = [item.parent for item in items]
        own = [item.moved for item in items]
        rows = (
            ("as it was", [item.unchanged for item in items]),
            (f"moved to {min(own):.2f} .. {max(own):.2f}", [item.followed for item in items]),
        )
        for how, points in rows:
            pairs = list(zip(points, parents, strict=True))
            precision = np.array([100 * (mine.precision - its.precision) for mine, its in pairs])
            recall = np.array([100 * (mine.recall - its.recall) for mine, its in pairs])
            lines.append(
                f"| {score:g} | {how} | {np.abs(precision).mean():.2f} | {np.abs(recall).mean():.2f} | "
                f"{precision.mean():+.2f} | {recall.mean():+.2f} |"
            )
    return lines


def thresholds(
    parent: Annotated[Path, typer.Argument(metavar="PARENT.onnx", help="Float32.")],
    candidate: Annotated[Path, typer.Argument(metavar="CANDIDATE.onnx", help="Made of it.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="Labelled images that calibrated neither.")],
    split: Annotated[str, typer.Option(help="Of the data.")] = "val",
    seed: Annotated[int, typer.Option(help="Of the halves.")] = 0,
    lowered: Annotated[float, typer.Option(help="Lower the candidate's scores by this much first.")] = 0.0,
) -> None:
    """Move thresholds by each half of labelled images and see what they give on the other."""
    with exit_codes():
        card = graph_facts(candidate).card
        dataset = open_dataset_for(card, data)
        images = sampled_images(dataset, dataset.split_meant_by(split), seed=seed, most=MOST_IMAGES)
        first, second = (
            (_answers(parent, half, lowered=0), _answers(candidate, half, lowered=lowered))
            for half in halves(images, seed=seed)
        )
        found = [*kept(card, first, second), *kept(card, second, first)]
        if not found:
            raise InputError(
                f"{data} {split}: expected a detector's classes with at least {MIN_OBJECTS} objects in a half of the "
                f"images, got none in {len(images)} images. Name more labelled images."
            )
        print(f"{len(images)} images, each half judged by what the other chose\n")
        print("\n".join(table(found)))


class _Lowered:
    """A detector's session whose scores are lower."""

    def __init__(self, session: Session, by: float) -> None:
        self._session, self._by, self.card = session, np.float32(by), session.card

    def run(self, frames: NDArray[np.uint8]) -> list[Detections]:
        return [replace(item, scores=np.maximum(item.scores - self._by, 0)) for item in self._session.run(frames)]


def _answers(graph: Path, images: LabelledImages, *, lowered: float) -> Records:
    with open_alike(graph) as session:
        asked: Any = _Lowered(session, lowered)  # as much of a session as a detector's records ask for
        return records_of(asked, images)


if __name__ == "__main__":
    typer.run(thresholds)

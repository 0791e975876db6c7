"""Does `harvest` find more wrong frames than a random draw? `python -m singleshot.tools.benchmarks.harvest_gain`.

On labelled images whose labels it does not see: of those it takes, and of all, in how many is something missed, found
where nothing is, or taken for another class. Takes two passes over the images.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ...calib.harvest.embedding import embedding_of
from ...calib.harvest.harvest import NOTES, harvest
from ...calib.harvest.unsureness import score_doubt
from ...calib.records.mistakes import confused
from ...data.dataset import Dataset, open_dataset
from ...data.image_stream import streamed_images
from ...runtime.detection.thresholds import DEFAULT_SCORE, thresholds_from_options
from ...runtime.session import Session, detect, open_session
from ...runtime.shipped import shipped_detector
from ..terminal.exits import exit_codes
from ..terminal.stage_progress import stage_progress


def main(
    data: Annotated[Path, typer.Argument(help="Labelled images.")],
    split: Annotated[str, typer.Option(help="To take from.")] = "val",
    share: Annotated[float, typer.Option(help="Of the images, to be harvested.")] = 0.1,
    model: Annotated[Path | None, typer.Option(show_default="the shipped detector")] = None,
) -> None:
    """Print the share of images that are wrong, by how they were drawn."""
    with exit_codes():
        path = model or shipped_detector()
        with open_session(path) as session, tempfile.TemporaryDirectory() as folder:
            dataset = open_dataset(data, class_names=session.card.class_names, missing_is_background=True, anyway=True)
            wrong, doubt = _looked_at(session, dataset, split)
            taken = _harvested(session, path, dataset, split, Path(folder), count=round(share * len(wrong)))
        ids = sorted(wrong, key=lambda each: -doubt[each])[: len(taken)]
        for name, drawn in (("random", list(wrong)), ("most doubtful", ids), ("harvest", taken)):
            figures = np.array([wrong[image_id] for image_id in drawn])
            print(f"{name}: {len(drawn)} images, {(figures > 0).mean():.2f} wrong, {figures.mean():.2f} mistakes each")


def _looked_at(session: Session, dataset: Dataset, split: str) -> tuple[dict[str, int], dict[str, float]]:
    """Count the mistakes in each image, and measure its doubt."""
    thresholds = thresholds_from_options((), session.card)
    wrong: dict[str, int] = {}
    doubt: dict[str, float] = {}
    with stage_progress() as on_progress:
        for sample, image in streamed_images(dataset, split, seed=0, on_progress=on_progress):
            found = detect(session, image)
            labelled, answered = confused(sample, found, classes=len(session.card.class_names), score=DEFAULT_SCORE)
            wrong[sample.image_id] = int((labelled != answered).sum())
            doubt[sample.image_id] = score_doubt(found, thresholds)
    return wrong, doubt


def _harvested(session: Session, model: Path, dataset: Dataset, split: str, folder: Path, *, count: int) -> list[str]:
    """Harvest from the images alone: which were taken."""
    (folder / "images").mkdir()
    id_of: dict[str, str] = {}
    for sample in dataset.samples(split, seed=0):
        link = folder / "images" / f"{len(id_of):06}{sample.image_path.suffix}"
        link.symlink_to(sample.image_path.resolve())
        id_of[str(link)] = sample.image_id
    with stage_progress() as on_progress:
        harvest(
            [folder / "images"],
            session,
            embedding_of(model, session.card),
            folder / "out",
            thresholds=thresholds_from_options((), session.card),
            count=count,
            on_progress=on_progress,
        )
    lines = (folder / "out" / NOTES).read_text(encoding="utf-8").splitlines()
    return [id_of[json.loads(line)["source"]] for line in lines]


if __name__ == "__main__":
    typer.run(main)

"""How many people does `--blur person` hide? `python -m singleshot.tools.benchmarks.blur_recall VOCdevkit`.

On labelled images, each alone: in a video a person whom one frame misses is hidden by what was found in those before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from ...data.dataset import open_dataset
from ...data.image_stream import streamed_images
from ...runtime.detection.boxes import grown
from ...runtime.loop.blur import MARGIN, SHARE, SURE
from ...runtime.session import detect, open_session
from ...runtime.shipped import shipped_detector
from ..terminal.exits import exit_codes
from ..terminal.stage_progress import stage_progress

SCORES = (0.5, 0.25, SURE, 0.05)
_HIDDEN = 0.9
"""Of an object's box, so much has to be hidden."""
_GRID = 200


def main(
    data: Annotated[Path, typer.Argument(help="Labelled images.")],
    split: Annotated[str, typer.Option()] = "val",
    name: Annotated[str, typer.Option(help="The class to be hidden.")] = "person",
    model: Annotated[Path | None, typer.Option(show_default="the shipped detector")] = None,
) -> None:
    """Print the share of labelled objects that are hidden, by the score from which on boxes are."""
    hidden: dict[float, list[bool]] = {score: [] for score in SCORES}
    needless: dict[float, list[float]] = {score: [] for score in SCORES}
    is_large: list[bool] = []
    with exit_codes(), open_session(model or shipped_detector()) as session, stage_progress() as on_progress:
        class_id = session.card.class_id(name)
        dataset = open_dataset(data, class_names=session.card.class_names, missing_is_background=True, anyway=True)
        for sample, image in streamed_images(dataset, split, seed=0, on_progress=on_progress):
            found = detect(session, image)
            found = found.where(found.class_ids == class_id)
            size = np.array([sample.width_px, sample.height_px] * 2, np.float32)
            labelled = sample.boxes_xyxy_px[sample.class_ids == class_id] / size
            is_large += (labelled[:, 3] - labelled[:, 1] >= 0.5).tolist()
            for score in SCORES:
                boxes = found.boxes_xyxy[found.scores >= score]
                mask = _mask(grown(boxes, np.full(len(boxes), MARGIN)))
                hidden[score] += [_share(mask, box) >= _HIDDEN for box in labelled]
                needless[score] += [] if len(labelled) else [float(mask.mean())]
    print(f"asked for 0.5, `--blur` hides from {min(SURE, SHARE * 0.5):g} on; {len(is_large)} objects of {name}")
    for score in SCORES:
        large = np.array(hidden[score])[np.array(is_large)].mean()
        print(
            f"{score:g}: {np.mean(hidden[score]):.0%} hidden, {large:.0%} of those half as high as the picture; "
            f"{np.mean(needless[score]):.1%} of the area of pictures without any"
        )


def _mask(boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
    mask = np.zeros((_GRID, _GRID), np.bool_)
    for left, top, right, bottom in _cells(boxes).tolist():
        mask[top:bottom, left:right] = True
    return mask


def _share(mask: NDArray[np.bool_], box: NDArray[np.float32]) -> float:
    left, top, right, bottom = _cells(box).tolist()
    part = mask[top : max(bottom, top + 1), left : max(right, left + 1)]
    return float(part.mean()) if part.size else 0.0


def _cells(boxes: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.clip(np.rint(boxes * _GRID), 0, _GRID).astype(np.int64)


if __name__ == "__main__":
    typer.run(main)

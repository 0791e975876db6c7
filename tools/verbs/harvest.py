"""`singleshot harvest`: from a camera's recordings back to labelled photos."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..terminal.backend_option import BackendFlag, TrustFlag
from ..terminal.stage_progress import stage_progress, tell
from ..terminal.tiles_option import TilesFlag
from ..terminal.verb import verb

if TYPE_CHECKING:
    from ...calib.harvest.harvest import Harvest
    from ...runtime.session import Session


@dataclass(frozen=True, kw_only=True)
class HarvestOptions:
    """What `harvest` is told."""

    source: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Recordings as the camera gave them, folders of them or of images, the folder of rt-detect --events.",
        ),
    ]
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="A folder that is not there yet.")]
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A detector.", show_default="the shipped detector")
    ] = None
    backend: BackendFlag = "auto"
    trust: TrustFlag = False
    count: Annotated[int, typer.Option(min=1, help="Images wanted.")] = 100
    to: Annotated[Literal["coco", "yolo"], typer.Option("--to", help="The layout to write.")] = "coco"
    score: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[CLASS=]NUMBER",
            help="The score from which on objects are shown, near to which the detector is unsure; repeatable.",
            show_default="0.5",
        ),
    ] = None
    tiles: TilesFlag = None
    lines: Annotated[
        Path | None,
        typer.Option(
            metavar="FOUND.jsonl",
            help="What rt-detect --json wrote about these recordings, instead of looking again; a low --score of "
            "that run says most.",
        ),
    ] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False


@verb
def harvest(options: HarvestOptions) -> None:
    """Collect the frames in which a detector is least sure, as a data set with proposals to correct.

    Of each second of a video the frame of most doubt is considered, no picture twice, spread as calibration's choice.
    harvest.jsonl says where each image is from. Ctrl-C ends the looking: what was seen until then is chosen from.

    Examples:
      singleshot harvest camera.mkv -o to-label

      singleshot harvest recordings/ events/ --model animals.onnx --count 300 --to yolo -o to-label

      singleshot harvest camera.mkv --lines found.jsonl -o to-label
    """
    from ...calib.harvest.answers import RecordedAnswers
    from ...calib.harvest.embedding import embedding_of
    from ...calib.harvest.harvest import harvest as harvested
    from ...runtime.detection.thresholds import thresholds_from_options
    from ...runtime.detection.tiles import Tiles
    from ...runtime.shipped import shipped_detector

    model = options.model or shipped_detector()
    tiles = None if options.tiles is None else Tiles.from_option(options.tiles)
    with _opened(model, options) as session, stage_progress() as on_progress:
        names = session.card.class_names
        answers = None if options.lines is None else RecordedAnswers(options.lines, names)
        done = harvested(
            options.source,
            session,
            embedding_of(model, session.card),
            options.out,
            thresholds=thresholds_from_options(options.score or (), session.card),
            count=options.count,
            target=options.to,
            tiles=tiles,
            answers=answers,
            on_progress=on_progress,
        )
    tell(*(f"warning: {line}" for line in done.warnings))
    print(json.dumps(done.to_dict(), indent=1) if options.as_json else "\n".join(_lines(done, options)))
    if done.is_interrupted:
        raise KeyboardInterrupt


def _opened(model: Path, options: HarvestOptions) -> Session:
    from ...runtime.backends import split_option
    from ...runtime.machine import frames_in_flight
    from ...runtime.session import open_session

    backend, precision = split_option(options.backend)
    return open_session(
        model,
        backend=backend,
        precision=precision,
        streams=frames_in_flight(),
        spins=False,
        trust=options.trust,
        tell=tell,
    )


def _lines(done: Harvest, options: HarvestOptions) -> list[str]:
    looked = f"interrupted after {done.looked_at}" if done.is_interrupted else f"of {done.looked_at}"
    return [
        f"{options.out}: {options.to} layout, {done.images} images, {looked} frames",
        f"{done.doubtful} frames in doubt, {done.alike} of them left out as nearly the same as another",
        f"{done.proposals} boxes are proposed, {done.unsure} of them unsure: correct them before you train on them",
    ]

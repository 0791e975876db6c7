"""`singleshot certify`: which backends and precisions agree with FP32, measured and written into the card."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...runtime.errors import InputError
from ..terminal.data_options import AnywayFlag, BackgroundFlag
from ..terminal.stage_progress import stage_progress
from ..terminal.verb import verb

if TYPE_CHECKING:
    from ...export.parity.certify import LabelledData


@dataclass(frozen=True, kw_only=True)
class CertifyOptions:
    """What `certify` is told."""

    graph: Annotated[Path, typer.Argument(metavar="GRAPH.onnx", help="A graph of singleshot.")]
    frames: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="A video, an image, a folder or a glob of images. Needed.")
    ] = None
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="OUT.onnx", help="The graph with the new card. Needed.")
    ] = None
    parent: Annotated[
        Path | None, typer.Option(metavar="FP32.onnx", help="What an fp16 or int8 graph was made from.")
    ] = None
    max_frames: Annotated[int, typer.Option(min=1, help="Frames to compare, spread evenly over the source.")] = 64
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Labelled images: the loss of accuracy then decides.")
    ] = None
    split: Annotated[str | None, typer.Option(help="Of --data.", show_default="val")] = None
    seed: Annotated[int | None, typer.Option(help="Of a seeded split.", show_default="0")] = None
    max_drop: Annotated[
        float | None,
        typer.Option(min=0, help="Points of AP50:95 (classifiers: top-1) that may be lost.", show_default="0.5"),
    ] = None
    missing_is_background: BackgroundFlag = False
    anyway: AnywayFlag = False
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False


@verb
def certify(options: CertifyOptions) -> None:
    """Measure which backends and precisions say the same as FP32, and write that into the graph's card.

    `--backend auto` takes only what is certified. A graph in fp32 is run by OpenVINO in fp32 and, where the processor
    has it, bf16; an int8 graph in int8. What differs is written too: then auto leaves it alone. Exit code 1 if nothing
    agrees.

    Examples:
      singleshot certify animals.int8.onnx --parent animals.onnx --frames photos/ --data VOC -o animals.int8.onnx

      singleshot certify animals.onnx --frames photos/ -o animals.onnx
    """
    from ...runtime.require import require

    require("onnx", extra="export", why="a new card")
    from ...export.graphs.graph_file import check_graph_name
    from ...export.parity.certify import certify as certify_graph
    from ...runtime.runners.onnxruntime_runner import graph_facts

    graph_facts(options.graph)  # a graph without a card needs `adapt`, whatever else is missing
    frames, out = _needed(options)
    check_graph_name(out)
    _check_labels(options)
    with stage_progress() as on_progress:
        certification = certify_graph(
            options.graph,
            out,
            frames=frames,
            count=options.max_frames,
            parent=options.parent,
            data=_labelled(options),
            on_progress=on_progress,
        )
    print(json.dumps(certification.to_dict(), indent=1) if options.as_json else "\n".join(certification.lines()))
    certification.check()


def _needed(options: CertifyOptions) -> tuple[str, Path]:
    """Ask for the frames and the file to write, which no graph can do without."""
    if options.frames is None:
        raise InputError("--frames: expected pictures to compare on, got nothing. Name a video or a folder of images.")
    if options.out is None:
        raise InputError("--out: expected a file for the graph with the new card, got nothing. Give -o OUT.onnx.")
    return options.frames, options.out


def _check_labels(options: CertifyOptions) -> None:
    """Look for the labelled images and their split before any frame is compared."""
    if options.data is None:
        return
    from ...calib.accuracy.evaluate import open_dataset_for
    from ...runtime.session import open_session

    with open_session(options.graph, backend="onnxruntime") as session:
        dataset = open_dataset_for(session.card, options.data)
    dataset.sample_ids(dataset.split_meant_by(options.split or "val"), seed=options.seed or 0)


def _labelled(options: CertifyOptions) -> LabelledData | None:
    from ...export.parity.certify import LabelledData

    names = ("split", "seed", "max_drop", "missing_is_background", "anyway")
    asked = {name: getattr(options, name) for name in names}
    given = {name: value for name, value in asked.items() if value is not None and value is not False}
    if options.data is not None:
        return LabelledData(root=options.data, **{"split": "val", **given})
    if given:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise InputError(f"{named}: expected --data DIR with it, got none. Name labelled images.")
    return None

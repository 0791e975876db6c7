"""`singleshot certify`: which backends and precisions agree with FP32, measured and written into the card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...runtime.errors import InputError
from ..terminal.exits import exit_codes

if TYPE_CHECKING:
    from rich.console import Console

    from ...export.parity.certify import Certification, LabelledData


def certify(
    graph: Annotated[Path, typer.Argument(metavar="GRAPH.onnx", help="A graph of singleshot.")],
    frames: Annotated[str, typer.Option(metavar="SOURCE", help="A video, an image, a folder or a glob of images.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT.onnx", help="The graph with the new card.")],
    parent: Annotated[
        Path | None, typer.Option(metavar="FP32.onnx", help="What an fp16 or int8 graph was made from.")
    ] = None,
    max_frames: Annotated[int, typer.Option(min=1, help="Frames to compare, spread evenly over the source.")] = 64,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Labelled images: the loss of accuracy then decides.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Of --data.", show_default="val")] = None,
    seed: Annotated[int | None, typer.Option(help="Of a seeded split.", show_default="0")] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(min=0, help="Points of AP50:95 (classifiers: top-1) that may be lost.", show_default="0.5"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure which backends and precisions say the same as FP32, and write that into the graph's card.

    `--backend auto` takes only what is certified. A graph in fp32 is run by OpenVINO in fp32 and, where the processor
    has it, bf16; an int8 graph in int8. What differs is written too: then auto leaves it alone. Exit code 1 if nothing
    agrees.

    Examples:
      singleshot certify animals.onnx --frames photos/ -o animals.onnx

      singleshot certify animals.int8.onnx --parent animals.onnx --frames photos/ --data VOC -o animals.int8.onnx
    """
    from rich.console import Console

    talk = Console(stderr=True)
    with exit_codes():
        from ...runtime.require import require

        require("onnx", extra="export", why="a new card")
        labelled = _labelled(data, split, seed, max_drop)
        certification = _certify_with_progress(
            graph, out, frames=frames, count=max_frames, parent=parent, data=labelled, talk=talk
        )
        print(json.dumps(certification.to_dict(), indent=1) if as_json else "\n".join(certification.lines()))
        certification.check()


def _labelled(data: Path | None, split: str | None, seed: int | None, max_drop: float | None) -> LabelledData | None:
    from ...export.parity.certify import LabelledData

    if data is None:
        if (split, seed, max_drop) != (None, None, None):
            raise InputError("--split, --seed, --max-drop: expected --data with them, got none. Name labelled images.")
        return None
    return LabelledData(root=data, split=split or "val", seed=seed or 0, max_drop=0.5 if max_drop is None else max_drop)


def _certify_with_progress(
    graph: Path,
    out: Path,
    *,
    frames: str,
    count: int,
    parent: Path | None,
    data: LabelledData | None,
    talk: Console,
) -> Certification:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ...export.parity.certify import certify as certify_graph

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=talk, transient=True) as progress:
        task = progress.add_task("frames", total=None)
        return certify_graph(
            graph,
            out,
            frames=frames,
            count=count,
            parent=parent,
            data=data,
            on_progress=lambda what, done, total: progress.update(task, description=what, completed=done, total=total),
        )

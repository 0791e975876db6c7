"""`singleshot export`: from a checkpoint to one ONNX graph, proved equal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ..terminal.stage_progress import tell
from ..terminal.verb import verb


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What `export` is told."""

    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="best.ckpt of a run.")]
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.onnx", help="The graph.")]
    candidates: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="K: pairs of box and class that enter non-maximum suppression; 400 is fast.",
            show_default="1000",
        ),
    ] = None
    max_detections: Annotated[
        int | None, typer.Option(min=1, help="M: detections that leave it.", show_default="100")
    ] = None
    score_floor: Annotated[
        float | None,
        typer.Option(help="Nothing below this score leaves the graph; below 1.", show_default="0.01"),
    ] = None
    iou_threshold: Annotated[
        float | None, typer.Option(help="Overlap that suppresses; above 0.", show_default="0.45")
    ] = None
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Real images for the proof; the checkpoint's own frames if not given."),
    ] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False


@verb
def export(options: ExportOptions) -> None:
    """Write a checkpoint as one ONNX graph, from uint8 camera frames to detections, or to a classifier's top 5.

    PyTorch and ONNX Runtime are compared on real images first: where they differ, nothing is written and the exit
    code is 1.

    Example: singleshot export runs/animals/best.ckpt -o animals.onnx
    """
    from rich.console import Console

    from ...runtime.require import require

    for package in ("torch", "onnx"):
        require(package, extra="train", why="an export from a checkpoint")
    from ...export.checkpoint.export import export_checkpoint
    from ...runtime.card import Postprocess, postprocess_settings

    given = {
        name: value for name, value in vars(options).items() if name in Postprocess.model_fields and value is not None
    }
    with Console(stderr=True).status("Exporting, then comparing PyTorch with ONNX Runtime"):
        postprocess = postprocess_settings(**given) if given else None
        written = export_checkpoint(options.checkpoint, options.out, postprocess=postprocess, images=options.images)
    if options.as_json:
        print(json.dumps({"graph": str(written.path), "parity": written.parity.to_dict()}, indent=1))
        return
    tell(*written.parity.lines())
    if written.card.int8 is not None:
        mend = f"`singleshot quantize {written.path} --images DIR` makes the int8 graph that was trained"
        tell(f"float32; trained for int8, {written.card.int8.summary}: {mend}")
    print(f"{written.path}: {written.path.stat().st_size / 1e6:.1f} MB, equal to {options.checkpoint}")

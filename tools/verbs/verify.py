"""`singleshot verify`: do two artefacts say the same on the same frames?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..terminal.backend_option import TrustFlag
from ..terminal.exits import exit_codes

if TYPE_CHECKING:
    from rich.console import Console

    from ...export.parity.verify import Verification


def verify(
    first: Annotated[str, typer.Argument(metavar="A", help="Checkpoint, graph or engine, held to be right.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Likewise, held against it.")],
    frames: Annotated[str, typer.Option(metavar="SOURCE", help="A video, an image, a folder or a glob of images.")],
    max_frames: Annotated[int, typer.Option(min=1, help="Frames to compare, spread evenly over the source.")] = 16,
    save: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="A picture of the frames that differ most, side by side.")
    ] = None,
    trust: TrustFlag = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Compare two artefacts on the same real frames.

    Card, names, dtypes and shapes first, then raw heads where both name them, then detections one to one, or classes.
    Tolerances follow the coarser precision and are shown with their reason. Exit code 1 and the figures where they
    differ.

    PyTorch runs checkpoints, TensorRT engines, ONNX Runtime graphs. GRAPH@RUNNER runs a graph elsewhere: onnxruntime,
    openvino:fp32 (or openvino), openvino:bf16, opencv.

    Examples:
      singleshot verify runs/animals/best.ckpt animals.onnx --frames clip.mp4 --save worst.png

      singleshot verify animals.onnx animals.onnx@openvino:bf16 --frames photos/

      singleshot verify animals.onnx animals.int8.onnx@openvino --frames photos/
    """
    from rich.console import Console

    talk = Console(stderr=True)
    with exit_codes():
        from ...runtime.require import require

        require("onnx", extra="export", why="a comparison of artefacts")
        from ..pages.worst_frames import check_picture_name, save_worst_frames

        if save is not None:
            check_picture_name(save)
        verification = _verify_with_progress(first, second, frames, max_frames, trust=trust, talk=talk)
        for warning in verification.warnings:
            talk.print(f"warning: {warning}", highlight=False, markup=False, soft_wrap=True)
        print(json.dumps(verification.to_dict(), indent=1) if as_json else "\n".join(verification.lines()))
        if save is not None and verification.compared:
            drawn = save_worst_frames(verification, save)
            talk.print(f"{save}: the {drawn} frames that differ most", highlight=False, markup=False, soft_wrap=True)
        elif save is not None:
            talk.print(f"{save}: not written, there are no detections to draw", highlight=False, markup=False)
        verification.check()


def _verify_with_progress(
    first: str, second: str, frames: str, count: int, *, trust: bool, talk: Console
) -> Verification:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from ...export.parity.verify import verify as verify_artefacts

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=talk, transient=True) as progress:
        task = progress.add_task("frames", total=None)
        return verify_artefacts(
            first,
            second,
            frames=frames,
            count=count,
            trust=trust,
            on_progress=lambda what, done, total: progress.update(task, description=what, completed=done, total=total),
        )

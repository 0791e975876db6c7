"""`singleshot verify`: do two artefacts say the same on the same frames?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ..terminal.backend_option import TrustFlag
from ..terminal.stage_progress import stage_progress, tell
from ..terminal.verb import verb


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """What `verify` is told."""

    first: Annotated[str, typer.Argument(metavar="A", help="Checkpoint, graph or engine, held to be right.")]
    second: Annotated[str, typer.Argument(metavar="B", help="Checkpoint, graph or engine, held against it.")]
    frames: Annotated[str, typer.Option(metavar="SOURCE", help="A video, an image, a folder or a glob of images.")]
    max_frames: Annotated[int, typer.Option(min=1, help="Frames to compare, spread evenly over the source.")] = 16
    save: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="A picture of the frames that differ most, side by side.")
    ] = None
    trust: TrustFlag = False
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False


@verb
def verify(options: VerifyOptions) -> None:
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
    from ...runtime.require import require

    require("onnx", extra="export", why="a comparison of artefacts")
    from ...export.parity.verify import verify as verify_artefacts
    from ..pages.worst_frames import check_picture_name, save_worst_frames

    save = options.save
    if save is not None:
        check_picture_name(save)
    with stage_progress() as on_progress:
        verification = verify_artefacts(
            options.first,
            options.second,
            frames=options.frames,
            count=options.max_frames,
            trust=options.trust,
            on_progress=on_progress,
        )
    tell(*(f"warning: {warning}" for warning in verification.warnings))
    print(json.dumps(verification.to_dict(), indent=1) if options.as_json else "\n".join(verification.lines()))
    if save is not None and verification.compared:
        tell(f"{save}: the {save_worst_frames(verification, save)} frames that differ most")
    elif save is not None:
        tell(f"{save}: not written, there are no detections to draw")
    verification.check()

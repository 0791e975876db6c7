"""`singleshot verify`: do two artefacts say the same on the same frames?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ...runtime.errors import InputError
from ..terminal.backend_option import TrustFlag
from ..terminal.stage_progress import stage_progress, tell
from ..terminal.verb import verb


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """What `verify` is told."""

    first: Annotated[str, typer.Argument(metavar="A", help="Checkpoint, graph or engine, held to be right.")]
    second: Annotated[str, typer.Argument(metavar="B", help="Checkpoint, graph or engine, held against it.")]
    frames: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="A video, an image, a folder or a glob of images.")
    ] = None
    max_frames: Annotated[int, typer.Option(min=1, help="Frames to compare, spread evenly over the source.")] = 16
    save: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="A picture of the frames that differ most, side by side.")
    ] = None
    trust: TrustFlag = False
    atol: Annotated[
        float | None, typer.Option(min=0, help="Of graphs without a card: absolute tolerance, 1e-4 if none is given.")
    ] = None
    rtol: Annotated[
        float | None, typer.Option(min=0, help="Of graphs without a card: relative tolerance, 1e-3 if none is given.")
    ] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False


@verb
def verify(options: VerifyOptions) -> None:
    """Compare two artefacts on the same real frames.

    Card, names, dtypes and shapes first, then raw heads where both name them, then detections one to one, or classes.
    Tolerances follow the coarser precision and are shown with their reason. Exit code 1 and the figures where they
    differ.

    PyTorch runs checkpoints, TensorRT engines, ONNX Runtime graphs. GRAPH@RUNNER runs a graph elsewhere: onnxruntime,
    openvino:fp32 (or openvino), openvino:bf16, opencv.

    Graphs of which one has no card are compared output by output, on --frames where an input looks like an image, else
    on generated values.

    Examples:
      singleshot verify runs/animals/best.ckpt animals.onnx --frames clip.mp4 --save worst.png

      singleshot verify animals.onnx animals.onnx@openvino:bf16 --frames photos/

      singleshot verify animals.onnx animals.int8.onnx@openvino --frames photos/
    """
    from ...runtime.require import require

    require("onnx", extra="export", why="a comparison of artefacts")
    from ...export.parity.raw_tensors import are_raw_graphs
    from ..pages.worst_frames import check_picture_name

    if options.save is not None:
        check_picture_name(options.save)
    if are_raw_graphs(options.first, options.second):
        _verify_raw(options)
    else:
        _verify_artefacts(options)


def _verify_artefacts(options: VerifyOptions) -> None:
    from ...export.parity.verify import verify as verify_artefacts
    from ..pages.worst_frames import save_worst_frames

    save, frames = options.save, options.frames
    if frames is None:
        raise InputError("--frames: expected a video, an image, a folder or a glob of images, got none.")
    if options.atol is not None or options.rtol is not None:
        raise InputError("--atol, --rtol: expected with graphs without a card alone: cards bring their tolerances.")
    with stage_progress() as on_progress:
        verification = verify_artefacts(
            options.first,
            options.second,
            frames=frames,
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


def _verify_raw(options: VerifyOptions) -> None:
    from ...export.parity.raw_tensors import compare_raw

    if options.save is not None:
        raise InputError(f"{options.save}: expected graphs with cards for a picture of their detections.")
    with stage_progress() as on_progress:
        comparison = compare_raw(
            options.first,
            options.second,
            frames=options.frames,
            count=options.max_frames,
            atol=options.atol,
            rtol=options.rtol,
            on_progress=on_progress,
        )
    print(json.dumps(comparison.to_dict(), indent=1) if options.as_json else "\n".join(comparison.lines()))
    comparison.check()

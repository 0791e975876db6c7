"""`rt-detect`: a detector on a video, a camera or images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .terminal.backend_option import BackendFlag, TrustFlag
from .terminal.detection_run import DetectionOptions, run_detection
from .terminal.exits import exit_codes


def rt_detect(
    video: Annotated[
        str,
        typer.Option(metavar="SOURCE", help="A video, a camera (cam0 or 0), an image, a folder or a glob of images."),
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A graph (.onnx) or an engine (.engine).", show_default="the shipped detector"
        ),
    ] = None,
    backend: BackendFlag = "auto",
    trust: TrustFlag = False,
    save: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Annotated video (.mp4, .mkv); for images a folder.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="OUT.jsonl", help="One JSON line per frame; - means stdout.")
    ] = None,
    score: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[CLASS=]NUMBER", help="Least score, for all classes or for one; repeatable.", show_default="0.5"
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Show a window; q or Escape ends the run.")] = False,
    max_frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.")] = None,
) -> None:
    """Detect objects in a video, a camera's picture or images.

    Prints what was found, the frame rate and the stage times. Ctrl-C ends a run early; what was written until then is
    complete.

    Examples:
      rt-detect --video clip.mp4 --save found.mp4 --json found.jsonl

      rt-detect --video cam0 --show --score 0.4 --score person=0.7

      rt-detect --video 'photos/**/*.jpg' --save annotated/

      rt-detect --video clip.mp4 --backend openvino:fp32

      rt-detect --video clip.mp4 --json - | grep '"dog"'
    """
    options = DetectionOptions(
        video=video,
        model=model,
        backend=backend,
        trust=trust,
        save=save,
        json=json,
        scores=tuple(score or ()),
        show=show,
        max_frames=max_frames,
    )
    with exit_codes():
        run_detection(options)


def main() -> None:
    """Run the command `rt-detect`."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command("rt-detect")(rt_detect)
    app()


if __name__ == "__main__":
    main()

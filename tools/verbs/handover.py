"""`singleshot handover`: an artefact as another program serves it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..terminal.verb import verb


@dataclass(frozen=True, kw_only=True)
class HandoverOptions:
    """What `handover` is told."""

    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A graph (.onnx); for Triton also an engine of TensorRT.")
    ]
    to: Annotated[Literal["triton", "deepstream", "gstreamer", "frigate"], typer.Option(help="Who takes it over.")]
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Where its folder is made; Triton's model repository. Made if absent."
        ),
    ]
    name: Annotated[
        str | None, typer.Option(help="Of the folder.", show_default="the file's, and but for Triton who takes it over")
    ] = None
    max_batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Most frames that Triton or DeepStream put together.",
            show_default="8; of an engine its most; DeepStream 1",
        ),
    ] = None
    frames: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|VIDEO", help="What the proof runs on.", show_default="what the detector was validated on"
        ),
    ] = None
    trust: Annotated[
        bool, typer.Option("--trust", help="Take an engine that is not in your list of builds; it can run code.")
    ] = False


@verb
def handover(options: HandoverOptions) -> None:
    """Write a detector as Triton, DeepStream, GStreamer or Frigate serve it.

    triton takes the file as it is, classifiers too. The others get a graph with the input and outputs that they want,
    and their configuration; it is written only if what they will read is what the graph says.

    Examples:
      singleshot handover animals.onnx --to triton -o models

      singleshot handover animals.onnx --to frigate --frames photos -o handed
    """
    from ...runtime.require import require

    require("onnx", extra="export", why="a graph for another program")
    from ...export.handover.handover import hand_over

    written = hand_over(
        options.file,
        options.out,
        to=options.to,
        name=options.name,
        max_batch=options.max_batch,
        frames=options.frames,
        trust=options.trust,
    )
    print(f"{written.folder}: {written.proof or 'the file as it is'}")
    print(written.next_step)

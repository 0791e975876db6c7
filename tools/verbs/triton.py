"""`singleshot triton`: a graph or an engine as a model of Triton Inference Server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..terminal.exits import exit_codes


def triton(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A graph (.onnx), or an engine of TensorRT.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="REPO", help="Triton's model repository; made if absent.")
    ],
    name: Annotated[
        str | None, typer.Option(help="What clients ask for.", show_default="the file's name without its suffix")
    ] = None,
    max_batch: Annotated[
        int | None,
        typer.Option(min=1, help="Most frames that Triton puts together.", show_default="8; of an engine its most"),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Take an engine that is not in your list of builds; it can run code.")
    ] = False,
) -> None:
    """Write a detector or classifier as a model of NVIDIA's Triton Inference Server.

    Clients send uint8 BGR frames of the network's size and get the outputs of the graph. labels.txt has the class names
    in the order of class ids.

    Example: singleshot triton animals.onnx -o models
    """
    with exit_codes():
        from ...runtime.require import require

        require("onnx", extra="export", why="a model repository")
        from ...export.triton import write_triton_model

        written = write_triton_model(file, out, name=name, max_batch=max_batch, trust=trust)
    batch = f"batches of up to {written.max_batch}" if written.max_batch else "its own batch"
    print(f"{written.folder}: {batch}. tritonserver --model-repository {out} serves it as {written.name}")

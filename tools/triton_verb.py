"""`singleshot triton`: a graph as a model of Triton Inference Server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .exits import exit_codes


def triton(
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="A graph.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="REPO", help="Triton's model repository; made if absent.")
    ],
    name: Annotated[
        str | None, typer.Option(help="What clients ask for.", show_default="the file's name without .onnx")
    ] = None,
    max_batch: Annotated[
        int | None, typer.Option(min=1, help="Most frames that Triton puts together.", show_default="8")
    ] = None,
) -> None:
    """Write a graph as a model of NVIDIA's Triton Inference Server.

    Clients send uint8 BGR frames of the network's size and get the four outputs of the graph. labels.txt has the class
    names in the order of det_classes.

    Example: singleshot triton animals.onnx -o models
    """
    with exit_codes():
        from ..runtime.require import require

        require("onnx", extra="export", why="a model repository")
        from ..export.triton_repository import write_triton_model

        written = write_triton_model(file, out, name=name, max_batch=max_batch)
    batch = f"batches of up to {written.max_batch}" if written.max_batch else "the graph's own batch"
    print(f"{written.folder}: {batch}. tritonserver --model-repository {out} serves it as {written.name}")

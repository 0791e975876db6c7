"""The option `--backend` of every verb that runs a graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...runtime.backends import BACKEND_OPTIONS
from .stage_progress import tell

if TYPE_CHECKING:
    from ...runtime.session import Session

BackendFlag = Annotated[
    str,
    typer.Option(
        "--backend",
        metavar="|".join(BACKEND_OPTIONS),
        help="Who runs a graph. auto: OpenVINO in int8 or bf16 where the card holds that it agrees with FP32, "
        "ONNX Runtime elsewhere; what was chosen is said.",
    ),
]


TrustFlag = Annotated[
    bool, typer.Option("--trust", help="Run an engine that you did not build: such a file can run code.")
]


def open_with(
    path: Path,
    option: str,
    *,
    threads: int | None = None,
    trust: bool = False,
    tell: Callable[[str], None] = tell,
) -> Session:
    """Open an artefact as `--backend` says.

    Args:
        path: the artefact.
        option: of `BACKEND_OPTIONS`.
        threads: that compute a frame.
        trust: run an engine although this user did not build it.
        tell: is given the line that says who runs it and why.

    Raises:
        InputError: as `open_session`.
    """
    from ...runtime.backends import split_option
    from ...runtime.session import open_session

    backend, precision = split_option(option)
    return open_session(path, backend=backend, precision=precision, threads=threads, tell=tell, trust=trust)

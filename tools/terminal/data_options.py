"""Options of every verb that reads labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataFlags = Annotated[
    list[Path],
    typer.Option(
        "--data",
        metavar="DIR",
        help="Labelled images: a folder or file of any tool; once for each of several data sets, each with classes of "
        "its own.",
    ),
]
StrictFlag = Annotated[
    bool, typer.Option("--strict", help="Stop at the first problem of the data instead of counting it.")
]
BackgroundFlag = Annotated[
    bool,
    typer.Option(
        "--missing-is-background",
        help="An image without a file of labels has no objects, instead of being left out.",
    ),
]
AnywayFlag = Annotated[
    bool,
    typer.Option(
        "--anyway", help="Go on with the rest where half of the images or of the objects, or more, cannot be used."
    ),
]

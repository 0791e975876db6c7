"""Options of every verb that reads labelled images."""

from __future__ import annotations

from typing import Annotated

import typer

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

"""The option `--tiles` of the verbs that detect."""

from __future__ import annotations

from typing import Annotated

import typer

TilesFlag = Annotated[
    str | None,
    typer.Option(
        "--tiles",
        metavar="COLUMNSxROWS",
        help="Look at overlapping parts of each frame too, for small objects: 2x2 takes 5 times as long.",
    ),
]

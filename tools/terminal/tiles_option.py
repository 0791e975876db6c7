"""The option `--tiles` of the verbs that detect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...runtime.card import Card
    from ...runtime.detection.tiles import Tiles

TilesFlag = Annotated[
    str | None,
    typer.Option(
        "--tiles",
        metavar="COLUMNSxROWS",
        help="Look at overlapping parts of each frame too, for small objects: 2x2 takes 5 times as long.",
    ),
]


def tiles_meant_by(option: str | None, card: Card) -> Tiles | None:
    """Read the option.

    Args:
        option: as it was given, if it was.
        card: of what runs.

    Raises:
        InputError: it is nothing like 2x2, or this is no detector.
    """
    if option is None:
        return None
    from ...runtime.detection.tiles import Tiles
    from ...runtime.errors import InputError

    tiles = Tiles.from_option(option)
    if card.task != "detector":
        raise InputError(f"--tiles: expected a detector, which finds boxes, got a {card.task}. Leave it out.")
    return tiles

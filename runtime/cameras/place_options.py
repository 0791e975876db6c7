"""Places and rules of one camera, as options say them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Any, get_args

from ..errors import InputError
from ..rules.event import Kind

_KINDS = get_args(Kind)


def places_of_one_camera(zones: Sequence[str], lines: Sequence[str], *, cameras: int) -> dict[str, Any]:
    """Give what a file has below `[cameras.NAME]` of its places.

    Args:
        zones: as `--zone` takes them.
        lines: as `--line` takes them.
        cameras: how many there are.

    Raises:
        InputError: one is not of that form, or there are several cameras.
    """
    check_one_camera("--zone" if zones else "--line", [*zones, *lines], cameras=cameras)
    return {"zones": points_from_options("--zone", zones), "lines": points_from_options("--line", lines)}


def check_one_camera(option: str, places: Sequence[str], *, cameras: int) -> None:
    """Refuse places that would be every camera's.

    Raises:
        InputError: there are some, and several cameras.
    """
    if places and cameras > 1:
        raise InputError(
            f"{option}: expected one source, as a place is in one camera's picture, got {cameras}. "
            f"Give each its places in a file for --config."
        )


def points_from_options(flag: str, options: Sequence[str]) -> dict[str, list[list[float]]]:
    """Read `NAME=X,Y,X,Y,...`.

    Args:
        flag: for errors, `--zone`.
        options: one a place.

    Returns:
        Points [x, y] by name.

    Raises:
        InputError: one is not of that form, or a name stands twice.
    """
    places: dict[str, list[list[float]]] = {}
    for option in options:
        name, _, text = option.partition("=")
        try:
            values = [float(value) for value in text.split(",")]
        except ValueError:
            values = []
        if not values or len(values) % 2:
            raise InputError(f"{flag}: expected NAME=X,Y,X,Y as fractions of the picture, got {option!r}.")
        if name in places:
            raise InputError(f"{flag}: expected names that differ, got {name} twice.")
        places[name] = [list(islice(values, at, at + 2)) for at in range(0, len(values), 2)]
    return places


def rules_from_options(options: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read `person enters yard`, `person,dog stays yard for 10s`, `anything absent for 5m`.

    Returns:
        What a file has below `[rules.NAME]`, by the name that is the text with `-` between its words.

    Raises:
        InputError: one is not of that form, or stands twice.
    """
    rules: dict[str, dict[str, Any]] = {}
    for option in options:
        words = option.split()
        at = next((number for number, word in enumerate(words) if word in _KINDS), 0)
        what, rest = " ".join(words[:at]), words[at + 1 :]
        lasts = rest[-1] if len(rest) > 1 and rest[-2] == "for" else None
        place = rest if lasts is None else rest[:-2]
        if not what or len(place) > 1:
            raise InputError(
                f"--rule: expected WHAT {'|'.join(_KINDS)} [PLACE] [for TIME], like 'person stays yard for 10s', "
                f"got {option!r}. WHAT is a class, several with commas, or anything."
            )
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", option).strip("-.")
        if name in rules:
            raise InputError(f"--rule: expected rules that differ, got {option!r} twice.")
        classes = [] if what == "anything" else [label.strip() for label in what.split(",")]
        rule = {"what": classes, "when": words[at], "place": "".join(place), "for": lasts}
        rules[name] = {key: value for key, value in rule.items() if value is not None}
    return rules

"""Writes a camera's zones and lines into the file that a run was told by, and leaves the rest of it as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..files import StrPath, whole_file
from ..live.place_editor import points_of
from ..require import require
from ..rules.places import Line, Place, Zone
from .configuration import load_run_config

if TYPE_CHECKING:
    from tomlkit.items import Array

_DIGITS = 4
"""Of a fraction: less than a pixel of 8K."""


def save_places(path: StrPath, camera: str, places: Sequence[Place], *, before: Sequence[Place]) -> None:
    """Write what changed of a camera's places into a TOML file, whole or not at all.

    Comments, order and whatever else is in it stay, and so does what somebody else wrote meanwhile, places too: the run
    takes them when it reads the file anew.

    Args:
        path: of the file; a link is followed.
        camera: by its name in the file.
        places: all that the camera has from now on.
        before: all that it had; what is in both alike is left as the file has it.

    Raises:
        InputError: the file cannot be read or written, has no such camera, or has rules about a place that is gone;
            nothing was changed.
        MissingDependencyError: the package `tomlkit` is not installed.
    """
    tomlkit = require("tomlkit", extra="live", why="saving places")
    path = Path(path).resolve()
    load_run_config(path)  # says what is wrong with it
    text = path.read_bytes()
    document = tomlkit.parse(text)
    cameras = document.unwrap()["cameras"]
    if camera not in cameras:
        raise InputError(f"{path}: expected one of the cameras {', '.join(cameras)}, got {camera}.")
    try:
        for key, kind in (("zones", Zone), ("lines", Line)):
            _set(document["cameras"][camera], key, _by_name(places, kind), _by_name(before, kind))
        changed = tomlkit.dumps(document).encode()
    except (tomlkit.exceptions.TOMLKitError, LookupError, ValueError):  # keys with dots, mixed with tables
        raise _other_form(path, camera) from None
    if b"\r\n" in text:
        changed = changed.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    with whole_file(path) as temporary:
        temporary.write_bytes(changed)
        _check(temporary, path, camera, places, before)


def _by_name(places: Sequence[Place], kind: type[Place]) -> dict[str, list[list[float]]]:
    return {place.name: _rounded(points_of(place)) for place in places if isinstance(place, kind)}


def _rounded(points: Sequence[Sequence[float]]) -> list[list[float]]:
    return [[round(value, _DIGITS) for value in point] for point in points]


def _set(camera: Any, key: str, points: Mapping[str, list[list[float]]], before: Mapping[str, object]) -> None:
    """Bring a camera's table of zones or lines to what it is to be; tomlkit's tables are dicts of any."""
    from tomlkit import inline_table, nl, table
    from tomlkit.items import InlineTable

    changed = {name: wanted for name, wanted in points.items() if before.get(name) != wanted}
    is_new = key not in camera
    if is_new:
        if not changed:
            return
        camera[key] = inline_table() if isinstance(camera, InlineTable) else table()
    own = camera[key]
    for name in [name for name in own if name in before and name not in points]:
        del own[name]
    for name, wanted in changed.items():
        own[name] = _array(wanted)
    if not own:
        del camera[key]
    elif is_new and not isinstance(camera, InlineTable):
        own.add(nl())


def _array(points: list[list[float]]) -> Array:
    from tomlkit import array

    whole = array()
    whole.extend(points)
    return whole


def _check(written: Path, path: Path, camera: str, places: Sequence[Place], before: Sequence[Place]) -> None:
    """Read back what was written; a mistake here would cost somebody his file."""
    try:
        found = {place.name for place in load_run_config(written).places_of(camera)}
    except InputError as error:
        raise InputError(str(error).replace(str(written), str(path))) from None
    names, earlier = {place.name for place in places}, {place.name for place in before}
    if names - earlier - found or (earlier - names) & found:
        raise _other_form(path, camera)


def _other_form(path: Path, camera: str) -> InputError:
    return InputError(
        f"{path}: expected zones and lines as tables, like [cameras.{camera}.zones], got another form. Write them so."
    )

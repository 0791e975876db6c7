"""Which places and rules a camera has, by what a run is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from ..card import Card
from ..errors import InputError
from ..rules.places import Line, Place, Zone, line_of, zone_of
from ..rules.rule import Rule
from ..rules.settings import RuleSettings
from ..rules.watch import check_place_of, check_places

Points = Sequence[Sequence[float]]


def read_places(camera: str, zones: Mapping[str, Points], lines: Mapping[str, Points]) -> list[Place]:
    """Make a camera's zones and lines.

    Raises:
        InputError: one is none, or two have one name.
    """
    places: list[Place] = []
    try:
        places += [zone_of(name, points) for name, points in zones.items()]
        places += [line_of(name, points) for name, points in lines.items()]
        check_places(places)
    except InputError as error:
        raise InputError(f"cameras.{camera}: {error}") from None
    return places


def rules_by_camera(rules: Mapping[str, RuleSettings], places: Mapping[str, Sequence[Place]]) -> dict[str, list[Rule]]:
    """Say which rules each camera has.

    Args:
        rules: by name.
        places: by camera.

    Raises:
        InputError: a rule cannot be read, or names a camera or a place that is not there.
    """
    found: dict[str, list[Rule]] = {camera: [] for camera in places}
    for name, settings in rules.items():
        rule = settings.rule(name)
        for camera in settings.cameras:
            if camera not in places:
                raise InputError(f"rules.{name}.cameras: expected one of {', '.join(places)}, got {camera}.")
        for camera in settings.cameras or _cameras_with(rule, places):
            try:
                check_place_of(rule, places[camera])
            except InputError as error:
                raise InputError(f"cameras.{camera}: {error}") from None
            found[camera].append(rule)
    return found


def check_classes(rules: Mapping[str, RuleSettings], card: Card) -> None:
    """Refuse rules about what the model does not know.

    Raises:
        InputError: a class is none of the model's.
    """
    for name, settings in rules.items():
        for label in settings.what:
            if label not in card.class_names:
                near = get_close_matches(label, card.class_names, n=1)
                meant = f" Is {near[0]} meant?" if near else ""
                known = ", ".join(card.class_names)
                raise InputError(
                    f"rules.{name}.what: expected one of the model's classes, {known}, got {label}.{meant}"
                )


def needs_tracks(places: Sequence[Place], rules: Sequence[Rule]) -> bool:
    """Whether objects have to be followed: for all but what is absent from the whole picture."""
    return bool(places) or any(rule.kind != "absent" for rule in rules)


def _cameras_with(rule: Rule, places: Mapping[str, Sequence[Place]]) -> list[str]:
    """Give the cameras that have a rule's place, or all where there is none, so that it is said what is wrong."""
    kind = Line if rule.kind == "crosses" else Zone
    fitting = [
        camera
        for camera, own in places.items()
        if not rule.place or any(isinstance(place, kind) and place.name == rule.place for place in own)
    ]
    return fitting or list(places)

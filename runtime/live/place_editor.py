"""Zones and lines that viewers draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field

from ..rules.places import Line, Place, Zone, line_of, zone_of

_Points = Annotated[Sequence[tuple[float, float]], Field(max_length=100)]
_Named = Annotated[Mapping[str, _Points], Field(max_length=50)]


class PlaceEditor(Protocol):
    """Has the places of each camera, and takes others."""

    @property
    def kept_in(self) -> str:
        """The name of the file that keeps them; empty where they go with the run."""

    def places(self, camera: str) -> Sequence[Place] | None:
        """Return those that hold; none where a camera's picture has no places, as images have none."""

    def replace(self, camera: str, places: Sequence[Place]) -> None:
        """Let these hold from the camera's next frame on, and keep them.

        Raises:
            SingleshotError: a rule needs one that would be gone, or they cannot be kept; nothing was changed.
        """


class ToldPlaces(BaseModel):
    """All places of a camera, as a viewer draws them: points by name, in fractions of the picture."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    camera: str
    zones: _Named = {}
    lines: _Named = {}

    def places(self) -> list[Place]:
        """Make places of them.

        Raises:
            InputError: one is none.
        """
        return [
            *(zone_of(name, points) for name, points in self.zones.items()),
            *(line_of(name, points) for name, points in self.lines.items()),
        ]


def points_of(place: Zone | Line) -> list[tuple[float, float]]:
    """Return the corners of a zone, or the ends of a line."""
    return list(place.corners) if isinstance(place, Zone) else [place.start, place.end]

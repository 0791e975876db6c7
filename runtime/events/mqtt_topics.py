"""The names of what a broker is told."""

from __future__ import annotations

import re

from ..rules.event import Event

_NOT_A_LEVEL = re.compile(r"[+#/\s\x00]")


class Topics:
    """Topics of one run.

    Args:
        base: what all begin with.
    """

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")

    @property
    def status(self) -> str:
        """Whether the run is `online` or `offline`; retained."""
        return f"{self.base}/status"

    def camera(self, camera: str) -> str:
        """Whether a camera is `online` or `offline`; retained."""
        return f"{self.base}/{level(camera)}/status"

    def objects(self, camera: str) -> str:
        """How many objects of each class are in the picture; retained."""
        return f"{self.base}/{level(camera)}/objects"

    def place(self, camera: str, place: str) -> str:
        """What is counted at a zone or line; retained."""
        return f"{self.base}/{level(camera)}/places/{level(place)}"

    def snapshot(self, camera: str) -> str:
        """The latest event's picture, JPEG; retained."""
        return f"{self.base}/{level(camera)}/snapshot"

    def event(self, event: Event) -> str:
        """An event of a rule."""
        return self.rule(event.camera, event.rule)

    def rule(self, camera: str, rule: str) -> str:
        """The events of a rule."""
        return f"{self.base}/{level(camera)}/events/{level(rule)}"


def level(name: str) -> str:
    """Make one level of a topic of a name."""
    return _NOT_A_LEVEL.sub("_", name)

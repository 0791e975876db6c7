"""Zones and lines that are drawn while a run goes on: taken at once, and kept in the file that it was told by."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import SingleshotError
from ..live.place_editor import PlaceEditor
from ..loop.observers import FollowingLater
from ..rules.places import Place
from ..rules.watch import Watch
from .saving import save_places


class DrawnPlaces(PlaceEditor):
    """Has the places of a run's cameras; each method may be called from any thread.

    Args:
        watches: by camera, of those in whose pictures places mean something.
        later: of cameras whose objects are not followed yet.
        path: the file; without one places go with the run.
    """

    def __init__(self, watches: Mapping[str, Watch], later: Mapping[str, FollowingLater], *, path: Path | None) -> None:
        self._watches = watches
        self._later = later
        self._path = path
        self._turn = threading.Lock()

    @property
    def kept_in(self) -> str:
        """The file's name, without its folder."""
        return "" if self._path is None else self._path.name

    def places(self, camera: str) -> Sequence[Place] | None:
        """Return those that hold."""
        return self._watches[camera].places if camera in self._watches else None

    def replace(self, camera: str, places: Sequence[Place]) -> None:
        """Let these hold from the camera's next frame on, and keep them.

        Raises:
            InputError: a rule needs one that would be gone, or the file cannot be written; nothing was changed.
            MissingDependencyError: objects cannot be followed, as the extra `track` is not installed.
        """
        watch = self._watches[camera]
        with self._turn:
            before = watch.places
            if places and camera in self._later:
                self._later[camera].open()
            watch.replace_places(places)
            if self._path is None:
                return
            try:
                save_places(self._path, camera, places, before=before)
            except SingleshotError:
                watch.replace_places(before)
                raise

"""What a broker retains of a run: which cameras are there, what is counted, the latest pictures."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..detection.classifications import Classification
from ..loop.run_state import RunState
from ..rules.event import Event, PlaceCount
from ..sinks.frame_result import FrameResult
from .home_assistant import Discovery
from .mqtt_topics import Topics


@dataclass(kw_only=True)
class _Camera:
    objects: Counter[str] = field(default_factory=Counter)
    """Classes that are not there any more stay, with 0."""
    places: dict[str, PlaceCount] = field(default_factory=dict)
    picture: bytes | None = None


class MqttState:
    """Collects what is to be retained; each method may be called from any thread.

    Args:
        topics: of the run.
        state: of the run, which knows the cameras' states.
        rules: kind of each rule's events by its name, by camera.
        discovery: tells Home Assistant what there is; none if it is not to be told.
        has_pictures: whether events have pictures.
    """

    def __init__(
        self,
        topics: Topics,
        state: RunState,
        rules: Mapping[str, Mapping[str, str]],
        *,
        discovery: Discovery | None,
        has_pictures: bool,
    ) -> None:
        self._topics = topics
        self._state = state
        self._rules = rules
        self._discovery = discovery
        self._has_pictures = has_pictures
        self._lock = threading.Lock()
        self._cameras = {name: _Camera() for name in rules}

    def replace_rules(self, rules: Mapping[str, Mapping[str, str]]) -> None:
        """Go on with other rules; those that are gone stay known to Home Assistant until somebody deletes them."""
        with self._lock:
            self._rules = rules

    def see(self, camera: str, result: FrameResult) -> None:
        """Take the newest result of a camera."""
        labels = result.labels[:1] if isinstance(result.found, Classification) else result.labels
        with self._lock:
            seen = self._cameras[camera]
            seen.objects = Counter({**dict.fromkeys(seen.objects, 0), **Counter(labels)})
            seen.places = {place.name: place for place in result.places}

    def see_picture(self, event: Event, picture: bytes) -> None:
        """Take the picture of an event, JPEG."""
        with self._lock:
            self._cameras[event.camera].picture = picture

    def wanted(self) -> Mapping[str, str | bytes]:
        """Give payloads by topic, discovery first."""
        snapshot = self._state.snapshot()
        with self._lock:
            found: dict[str, str | bytes] = {}
            if self._discovery is not None:
                for name, camera in self._cameras.items():
                    found |= self._discovered(self._discovery, name, camera)
            for state in snapshot.cameras:
                is_there = state.state in ("live", "back", "stalled")
                found[self._topics.camera(state.name)] = "online" if is_there else "offline"
            for name, camera in self._cameras.items():
                objects = {"total": camera.objects.total(), "classes": dict(camera.objects)}
                found[self._topics.objects(name)] = json.dumps(objects, ensure_ascii=False)
                for place in camera.places.values():
                    found[self._topics.place(name, place.name)] = json.dumps(_place(place), ensure_ascii=False)
                if camera.picture is not None:
                    found[self._topics.snapshot(name)] = camera.picture
        return found

    def _discovered(self, discovery: Discovery, name: str, camera: _Camera) -> dict[str, str]:
        entities = list(discovery.camera(name, has_pictures=self._has_pictures))
        entities += [discovery.rule(name, rule, kind) for rule, kind in self._rules[name].items()]
        entities += [discovery.label(name, label) for label in camera.objects]
        for place in camera.places.values():
            entities += discovery.place(name, place.name, is_zone=place.kind == "zone")
        return dict(discovery.message(name, entity) for entity in entities)


def _place(place: PlaceCount) -> dict[str, object]:
    values: dict[str, object] = {"kind": place.kind}
    if place.kind == "zone":
        values |= {"inside": dict(place.inside), "inside_total": sum(place.inside.values())}
        values |= {"longest_s": int(place.longest_s)}
    for way, counts in (("came_in", place.came_in), ("went_out", place.went_out)):
        values |= {way: dict(counts), f"{way}_total": sum(counts.values())}
    return values

"""What Home Assistant is told, so that cameras, counts and events appear there by themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ... import __version__
from .mqtt_topics import Topics


@dataclass(frozen=True, kw_only=True)
class Entity:
    """One thing that Home Assistant shows.

    Args:
        component: its kind: `sensor`, `event` and so on.
        key: what tells it from the camera's others, for good.
        values: of its configuration.
    """

    component: str
    key: str
    values: Mapping[str, Any]


class Discovery:
    """Makes the messages of Home Assistant's MQTT discovery: topic and JSON, retained.

    Args:
        topics: of the run.
        prefix: that Home Assistant listens to.
    """

    def __init__(self, topics: Topics, prefix: str) -> None:
        self._topics = topics
        self._prefix = prefix.rstrip("/")
        self._node = _id(topics.base)

    def message(self, camera: str, entity: Entity) -> tuple[str, str]:
        """Give the topic and the configuration of an entity."""
        unique = f"{self._node}_{_id(camera)}_{_id(entity.key)}"
        available = [{"topic": self._topics.status}]
        if entity.key != "status":
            available.append({"topic": self._topics.camera(camera)})
        values = {
            **entity.values,
            "unique_id": unique,
            "availability": available,
            "availability_mode": "all",
            "device": {
                "identifiers": [f"{self._node}_{_id(camera)}"],
                "name": camera,
                "manufacturer": "singleshot",
                "model": "camera",
                "sw_version": __version__,
            },
            "origin": {"name": "singleshot", "sw_version": __version__},
        }
        topic = f"{self._prefix}/{entity.component}/{self._node}/{_id(camera)}_{_id(entity.key)}/config"
        return topic, json.dumps(values, ensure_ascii=False)

    def camera(self, camera: str, *, has_pictures: bool) -> Iterator[Entity]:
        """Give what each camera has."""
        yield Entity(
            component="binary_sensor",
            key="status",
            values={
                "name": "Connection",
                "device_class": "connectivity",
                "entity_category": "diagnostic",
                "state_topic": self._topics.camera(camera),
                "payload_on": "online",
                "payload_off": "offline",
            },
        )
        yield self._count("objects", "Objects", self._topics.objects(camera), "['total']")
        if has_pictures:
            yield Entity(
                component="image",
                key="snapshot",
                values={
                    "name": "Last event",
                    "image_topic": self._topics.snapshot(camera),
                    "content_type": "image/jpeg",
                },
            )

    def label(self, camera: str, label: str) -> Entity:
        """Give the count of a class in the picture."""
        path = f"['classes'][{_quoted(label)}]"
        return self._count(f"objects_{label}", label.capitalize(), self._topics.objects(camera), path)

    def place(self, camera: str, place: str, *, is_zone: bool) -> Iterator[Entity]:
        """Give what is counted at a zone or a line."""
        topic = self._topics.place(camera, place)
        if is_zone:
            yield self._count(f"{place}_inside", f"{place} inside", topic, "['inside_total']")
        for way, name in (("came_in", "in"), ("went_out", "out")):
            yield self._count(f"{place}_{name}", f"{place} {name}", topic, f"['{way}_total']", is_total=True)

    def rule(self, camera: str, rule: str, kind: str) -> Entity:
        """Give the events of a rule."""
        return Entity(
            component="event",
            key=f"rule_{rule}",
            values={"name": rule, "state_topic": self._topics.rule(camera, rule), "event_types": [kind]},
        )

    def _count(self, key: str, name: str, topic: str, path: str, *, is_total: bool = False) -> Entity:
        return Entity(
            component="sensor",
            key=key,
            values={
                "name": name,
                "state_topic": topic,
                "value_template": f"{{{{ value_json{path} | default(0) }}}}",
                "state_class": "total_increasing" if is_total else "measurement",
            },
        )


def _quoted(text: str) -> str:
    """Write a text as Jinja has it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _id(name: str) -> str:
    """Make of a name what may stand in an id."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)

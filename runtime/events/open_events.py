"""All that a run's events do, open."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..closing import Closing
from ..errors import InputError
from ..loop.run_state import RunState
from ..sinks.frame_result import FrameResult
from .clips import ClipRecorder
from .dispatch import Dispatch, Reaction
from .event_folder import EventFolder
from .events_sink import EventsSink
from .home_assistant import Discovery
from .message import Target
from .mqtt import Broker, MqttEvents, Retained
from .mqtt_state import MqttState
from .mqtt_topics import Topics
from .plan import EventsPlan
from .settings import MqttSettings, WebhookSettings
from .webhook import Webhook

Tell = Callable[[str], None]


class Events(Closing):
    """All that a run's events do, open; it ends with the last of its sinks.

    Args:
        plan: held by `check` to what can be known before.
        state: of the run; is told what becomes of messages.
        tell: is given a line when a target is away or back, or something could not be written; from any thread.

    Raises:
        InputError: the folder cannot be written to.
    """

    def __init__(self, plan: EventsPlan, state: RunState, *, tell: Tell) -> None:
        self._plan = plan
        self._tell = tell
        self._broker: Broker | None = None
        self._retained: Retained | None = None
        self._state: MqttState | None = None
        folder = None if plan.folder is None else EventFolder(plan.folder, tell, keep=plan.keep)
        targets = self._open_webhooks()
        if plan.mqtt is not None:
            targets["mqtt"] = self._open_broker(plan.mqtt, state)
        self._dispatch = Dispatch(
            folder, targets, **({} if self._state is None else {"on_picture": self._state.see_picture})
        )
        self._reactions = self._reactions_of(plan)
        leads_s = {camera: plan.lead_s(camera) for camera in plan.cameras}
        self._leads_s = {camera: lead_s for camera, lead_s in leads_s.items() if lead_s is not None}
        self._recorders = {
            camera: ClipRecorder(lead_s, self._dispatch.save_clip, tell=tell)
            for camera, lead_s in self._leads_s.items()
        }
        for recorder in self._recorders.values():
            self._dispatch.watch(recorder)
        self._lock = threading.Lock()
        self._open_sinks = 0
        self._is_closed = False
        state.set_deliveries(lambda: self._dispatch.counts)

    @property
    def paths(self) -> tuple[str, ...]:
        """The folder, once there is something in it."""
        folder = self._plan.folder
        return (str(folder),) if folder is not None and any(folder.iterdir()) else ()

    def recorder(self, camera: str) -> ClipRecorder | None:
        """Give what a recording of a camera hands its packets to; none without clips."""
        return self._recorders.get(camera)

    def sink(self, camera: str) -> EventsSink:
        """Make the sink of a camera."""
        self._open_sinks += 1
        return EventsSink(
            self._dispatch,
            lambda rule: self._reactions.get(rule, _NOTHING),
            recorder=self.recorder(camera),
            on_result=lambda result: self._see(camera, result),
            on_close=self._leave,
            tell=self._tell,
        )

    def check_replaceable(self, plan: EventsPlan) -> None:
        """Refuse other rules that need what was not opened at the start.

        Raises:
            InputError: they do.
        """
        for rule in plan.rules:
            if plan.urls.get(rule.rule) not in (None, *self._plan.urls.values()):
                raise InputError(
                    f"rules.{rule.rule}.webhook: expected an address that was there at the start, got another. "
                    f"Start anew for it."
                )
            lead_s = min((self._leads_s.get(camera, 0.0) for camera in rule.cameras), default=0.0)
            if rule.clip is not None and rule.clip.before_s > lead_s:
                raise InputError(
                    f"rules.{rule.rule}.clip: expected {lead_s:g} s before an event at most, as at the start, got "
                    f"{rule.clip.before_s:g} s. Start anew for it."
                )

    def replace(self, plan: EventsPlan) -> None:
        """Go on with other rules, which `check_replaceable` has seen."""
        self._reactions = self._reactions_of(plan)
        if self._state is not None:
            self._state.replace_rules(_kinds(plan))

    def close(self) -> None:
        """Do what was taken, and leave; a second time does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._dispatch.close()
        if self._retained is not None:
            self._retained.close()
        if self._broker is not None:
            self._broker.close()

    def _see(self, camera: str, result: FrameResult) -> None:
        if self._state is not None:
            self._state.see(camera, result)

    def _leave(self) -> None:
        with self._lock:
            self._open_sinks -= 1
            is_last = self._open_sinks == 0
        if is_last:
            self.close()

    def _open_webhooks(self) -> dict[str, Target]:
        settings = self._plan.webhook or WebhookSettings()
        return {url: Webhook(url, settings, tell=self._tell) for url in dict.fromkeys(self._plan.urls.values())}

    def _open_broker(self, settings: MqttSettings, state: RunState) -> Target:
        topics = Topics(settings.topic)
        self._state = MqttState(
            topics,
            state,
            _kinds(self._plan),
            discovery=Discovery(topics, settings.discovery_prefix) if settings.discovery else None,
            has_pictures=any(rule.snapshot for rule in self._plan.rules),
        )
        self._broker = Broker(settings, topics, tell=self._tell)
        self._retained = Retained(self._broker, self._state.wanted)
        self._broker.start()
        self._retained.start()
        return MqttEvents(self._broker, topics, tell=self._tell)

    def _reactions_of(self, plan: EventsPlan) -> dict[str, Reaction]:
        return {
            rule.rule: Reaction(
                targets=tuple(
                    name
                    for name in (plan.urls.get(rule.rule), None if plan.mqtt is None else "mqtt")
                    if name is not None
                ),
                snapshot=rule.snapshot and plan.has_pictures,
                clip=rule.clip,
            )
            for rule in plan.rules
        }


_NOTHING = Reaction(snapshot=False)
"""What an event does whose rule is not there any more."""


def _kinds(plan: EventsPlan) -> dict[str, dict[str, str]]:
    """Give the kind of each rule, by camera."""
    return {camera: {rule.rule: rule.kind for rule in plan.rules if camera in rule.cameras} for camera in plan.cameras}

"""What a run's events do, by what it is told."""

from __future__ import annotations

from pathlib import Path

from ..amounts import BYTES, SECONDS, read_amount
from ..errors import InputError
from ..events.clip_length import LONGEST_S, ClipLength
from ..events.kept_files import Keep
from ..events.plan import EventsPlan, RuleDelivery
from ..rules.settings import RuleSettings
from .configuration import RunConfig


def checked_events_plan(config: RunConfig) -> EventsPlan:
    """Say what the events of a run do, and find out what of it cannot be; nothing is opened or made.

    Raises:
        InputError: something cannot be.
        MissingDependencyError: a package is not installed.
    """
    cameras_of = {name: [rule.name for rule in config.rules_of(name)] for name in config.cameras}
    plan = EventsPlan(
        cameras=tuple(config.cameras),
        rules=[
            RuleDelivery(
                rule=name,
                kind=rule.when,
                cameras=[camera for camera, own in cameras_of.items() if name in own],
                snapshot=rule.snapshot,
                clip=_clip(name, rule),
                webhook=None if rule.webhook is None else rule.webhook.get_secret_value(),
            )
            for name, rule in config.rules.items()
        ],
        folder=None if config.events is None else Path(config.events),
        keep=_keep(config),
        webhook=config.webhook,
        mqtt=config.mqtt,
    )
    plan.check()
    return plan


def _keep(config: RunConfig) -> Keep:
    text = config.keep_events
    if text is None:
        return Keep()
    if config.events is None:
        raise InputError(f"keep_events: expected events as well, got none of which {text} could be kept. Give events.")
    if (age_s := read_amount(text, SECONDS)) is not None:
        return Keep(age_s=age_s)
    if (size_bytes := read_amount(text, BYTES)) is not None:
        return Keep(size_bytes=round(size_bytes))
    raise InputError(f"keep_events: expected an age like 7d or 12h, or a size like 20GiB or 500MB, got {text!r}.")


def _clip(name: str, rule: RuleSettings) -> ClipLength | None:
    if rule.clip is None:
        return None
    times_s = [read_amount(time, SECONDS) for time in rule.clip.split("+")]
    if len(times_s) != 2 or times_s[0] is None or times_s[1] is None or sum(filter(None, times_s)) > LONGEST_S:
        raise InputError(
            f"rules.{name}.clip: expected times before and after the event like 5s+10s, {LONGEST_S:g} s together at "
            f"most, got {rule.clip!r}."
        )
    return ClipLength(before_s=times_s[0], after_s=times_s[1])

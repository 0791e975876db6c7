"""A rule as a file of cameras has it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from ..amounts import SECONDS, read_amount
from ..errors import InputError
from .event import Kind, Way
from .hours import Hours
from .places import check_name
from .rule import Rule

LASTING: tuple[Kind, ...] = ("stays", "absent")
"""Kinds that say for how long."""


class RuleSettings(BaseModel):
    """When something counts as an event."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: Kind
    """Objects enter, leave or stay in a place, cross a line, or are absent."""
    what: tuple[str, ...] = ()
    """A class or several; every class if not given."""
    place: str = ""
    """A zone, or a line that is crossed; the whole picture if not given."""
    cameras: tuple[str, ...] = ()
    """Whose; those that have the place if not given."""
    at_least: Annotated[int, Field(ge=1)] | None = None
    """It is about how many are there, not about each: when there are so many, or no longer."""
    for_: Annotated[str | None, Field(alias="for")] = None
    """How long objects stay or are absent: `10s`, `5m`, `1h`."""
    hours: str | None = None
    """Of the day, by the machine's clock: `22:00-06:00`."""
    cool_down: str | None = None
    """It does not fire again for so long, at the same camera."""
    way: Way | None = None
    """Of a crossing; either if not given."""
    snapshot: bool = True
    """The picture is kept, and the object's part of it."""
    clip: str | None = None
    """A video is kept, from so long before until so long after: `5s+10s`."""
    webhook: SecretStr | None = None
    """Who is sent it, instead of the run's address."""

    @field_validator("what", "cameras", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    def rule(self, name: str) -> Rule:
        """Make the rule.

        Args:
            name: of the rule.

        Raises:
            InputError: the name or a value cannot be read, or one is missing or means nothing for this kind.
        """
        check_name("rules", name)
        lasts = self.when in LASTING
        if self.for_ is None and lasts:
            raise InputError(f"rules.{name}.for: expected a time like 10s, 5m or 1h of what {self._does}, got none.")
        nothing: dict[str, object] = {"for": self.for_ if not lasts else None}
        nothing |= {"at_least": self.at_least} if self.when == "crosses" else {"way": self.way}
        for key, value in nothing.items():
            if value is not None:
                raise InputError(
                    f"rules.{name}.{key}: expected none, as it means nothing for what {self._does}, got {value}. "
                    f"Leave it out."
                )
        try:
            hours = None if self.hours is None else Hours.read(self.hours)
        except InputError as error:
            raise InputError(f"rules.{name}.{error}") from None
        return Rule(
            name=name,
            kind=self.when,
            what=self.what,
            place=self.place,
            at_least=self.at_least,
            for_s=_seconds(f"rules.{name}.for", self.for_),
            hours=hours,
            cool_down_s=_seconds(f"rules.{name}.cool_down", self.cool_down),
            way=self.way,
        )

    @property
    def _does(self) -> str:
        return "is absent" if self.when == "absent" else self.when


def _seconds(key: str, text: str | None) -> float:
    if text is None:
        return 0.0
    if (seconds := read_amount(text, SECONDS)) is None:
        raise InputError(f"{key}: expected a time like 10s, 5m or 1h, got {text!r}.")
    return seconds

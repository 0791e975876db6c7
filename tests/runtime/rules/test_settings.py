"""Rules as a file has them."""

from __future__ import annotations

from datetime import time

import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.rules.hours import Hours
from singleshot.runtime.rules.rule import Rule
from singleshot.runtime.rules.settings import RuleSettings


def rule_of(**values: object) -> Rule:
    return RuleSettings.model_validate(values).rule("r")


def test_rule_is_read() -> None:
    values = {"what": "person", "when": "stays", "place": "yard", "for": "1.5m", "hours": "22:00-06:00"}
    assert rule_of(**values, cool_down="1h", at_least=2) == Rule(
        name="r",
        kind="stays",
        what=("person",),
        place="yard",
        at_least=2,
        for_s=90,
        hours=Hours(start=time(22), end=time(6)),
        cool_down_s=3600,
    )
    assert rule_of(when="crosses", what=["dog", "cat"], place="gate", way="in").way == "in"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param(
            {"when": "stays"}, "rules.r.for: expected a time like 10s, 5m or 1h of what stays, got", id="none"
        ),
        pytest.param(
            {"when": "absent"}, "rules.r.for: expected a time like 10s, 5m or 1h of what is absent", id="gone"
        ),
        pytest.param(
            {"when": "enters", "for": "10s"},
            "rules.r.for: expected none, as it means nothing for what enters, got 10s. Leave it out.",
            id="a time of what is over at once",
        ),
        pytest.param({"when": "crosses", "at_least": 2}, "rules.r.at_least: expected none, as it means", id="count"),
        pytest.param({"when": "enters", "way": "in"}, "rules.r.way: expected none, as it means nothing", id="way"),
        pytest.param({"when": "stays", "for": "10"}, "rules.r.for: expected a time like 10s, 5m or 1h, got", id="unit"),
        pytest.param({"when": "stays", "for": "0s"}, "got '0s'.", id="no time"),
        pytest.param({"when": "enters", "cool_down": "x"}, "rules.r.cool_down: expected a time like", id="cool-down"),
        pytest.param({"when": "enters", "hours": "22-6"}, "rules.r.hours: expected times of the day like", id="hours"),
    ],
)
def test_what_cannot_be_read_or_means_nothing_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        rule_of(**values)
    assert message in str(caught.value)

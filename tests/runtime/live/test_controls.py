"""What viewers set holds for that camera at once, and goes when the run is told anew."""

from __future__ import annotations

import numpy as np
import pytest

from singleshot.runtime.errors import InputError
from singleshot.tests.fixtures.live_page import GivenRun


def test_a_score_and_a_hidden_class_hold_for_one_camera() -> None:
    run = GivenRun()
    controls = run.controls()
    controls.set_scores("door", 0.25, ["dog"])
    applied = run.applied[-1]
    assert [of_session.tolist() for of_session in applied["door"]] == [[0.25, 2.0]]
    assert [of_session.tolist() for of_session in applied["yard"]] == [[0.5, 0.5]]
    assert controls.shown_score("door") == 0.25
    controls.set_scores("yard", None, ["cat"])
    assert [of_session.tolist() for of_session in run.applied[-1]["door"]] == [[0.25, 2.0]]
    assert [of_session.tolist() for of_session in run.applied[-1]["yard"]] == [[2.0, 0.5]]


def test_what_was_set_goes_with_a_reload() -> None:
    run = GivenRun()
    controls = run.controls()
    controls.set_scores("door", 0.25, ["dog"])
    run.told = {name: [np.array([0.75, 0.75, 0.5], np.float32)[:2]] for name in run.names}
    controls.forget()
    assert [of_session.tolist() for of_session in run.applied[-1]["door"]] == [[0.75, 0.75]]
    assert (controls.shown_score("door"), controls.scores("door").hidden) == (0.75, frozenset())


@pytest.mark.parametrize(
    ("camera", "score", "hidden", "line"),
    [
        pytest.param("attic", 0.5, [], "camera: expected one of this run, got 'attic'.", id="no such camera"),
        pytest.param("door", 0.5, ["cow"], "hidden: expected classes of this model, got 'cow'.", id="no such class"),
        pytest.param("door", 1.5, [], "score: expected a number from .* to 1, got 1.5.", id="above one"),
        pytest.param("door", -0.1, [], "score: expected a number from .* to 1, got -0.1.", id="below the floor"),
        pytest.param("door", float("nan"), [], "score: expected a number from .* to 1, got nan.", id="no number"),
    ],
)
def test_what_cannot_be_set(camera: str, score: float, hidden: list[str], line: str) -> None:
    run = GivenRun()
    with pytest.raises(InputError, match=line):
        run.controls().set_scores(camera, score, hidden)
    assert run.applied == []

"""Score options, for all classes and for one."""

from __future__ import annotations

import json

import pytest

from singleshot.runtime.card import Card, InputSpec, MovedScores, Postprocess, card_from_json
from singleshot.runtime.detection.thresholds import moved_line, thresholds_from_options
from singleshot.runtime.errors import InputError


def card(score_floor: float = 0.01) -> Card:
    return Card(
        kind="graph",
        network="any",
        class_names=("cat", "dog", "a=b"),
        input=InputSpec(height=8, width=8, mean=(0, 0, 0), std=(1, 1, 1)),
        postprocess=Postprocess(score_floor=score_floor),
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param([], [0.5, 0.5, 0.5], id="none given"),
        pytest.param(["0.3"], [0.3, 0.3, 0.3], id="for all"),
        pytest.param(["dog=0.4"], [0.5, 0.4, 0.5], id="for one"),
        pytest.param(["dog=0.4", "0.9"], [0.9, 0.4, 0.9], id="a class's own goes first, in any order"),
        pytest.param(["0.3", "0.6", "dog=0.1", "dog=0.2"], [0.6, 0.2, 0.6], id="the last counts"),
        pytest.param(["a=b=0.7"], [0.5, 0.5, 0.7], id="a name with an equals sign"),
        pytest.param(["0.01", "cat=1"], [1.0, 0.01, 0.01], id="the floor and 1 are allowed"),
    ],
)
def test_options_become_thresholds(options: list[str], expected: list[float]) -> None:
    assert thresholds_from_options(options, card()).tolist() == pytest.approx(expected)


def test_default_rises_to_a_floor_above_it() -> None:
    assert thresholds_from_options([], card(score_floor=0.6)).tolist() == pytest.approx([0.6] * 3)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        pytest.param("0.001", "--score 0.001: expected at least 0.01, the floor", id="below the floor"),
        pytest.param("dog=0", "--score dog=0: expected at least 0.01, the floor", id="a class below the floor"),
        pytest.param("1.5", "--score 1.5: expected a number from 0.01 to 1", id="above 1"),
        pytest.param("-0.5", "--score -0.5: expected a number from 0.01 to 1", id="negative"),
        pytest.param("nan", "--score nan: expected a number", id="no number"),
        pytest.param("dog=high", "--score dog=high: expected a number", id="a word"),
        pytest.param("horse=0.5", "horse: expected one of the classes cat, dog, a=b", id="no such class"),
    ],
)
def test_other_options_are_refused(option: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        thresholds_from_options([option], card())
    assert str(caught.value).startswith(message)


MOVED = card().model_copy(
    update={
        "moved_scores": (
            MovedScores(parent=(0.2, 0.6), own=(0.1, 0.4)),
            MovedScores(class_name="dog", parent=(0.5,), own=(0.45,)),
        )
    }
)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param([], [0.325, 0.45, 0.325], id="the default moves too, a class with its own scores by these"),
        pytest.param(["0.4"], [0.25, 0.35, 0.25], id="between two scores the shift is interpolated"),
        pytest.param(["0.9"], [0.7, 0.85, 0.7], id="beyond the last it stays"),
        pytest.param(["0.05"], [0.01, 0.01, 0.01], id="never below the floor"),
        pytest.param(["cat=0.5"], [0.5, 0.45, 0.325], id="a class's own is taken as it is"),
    ],
)
def test_scores_that_moved_move_thresholds(options: list[str], expected: list[float]) -> None:
    assert thresholds_from_options(options, MOVED).tolist() == pytest.approx(expected, abs=1e-6)


def test_what_moved_is_said_in_one_line() -> None:
    assert moved_line(["cat=0.5"], MOVED) == (
        "scores moved since the float32 graph: dog 0.50 is 0.45, a=b 0.50 is 0.32 here; "
        "--score CLASS=NUMBER is as given"
    )
    assert moved_line([], card()) is None
    many = MOVED.model_copy(update={"class_names": tuple("abcdefg")})
    assert " and 2 more here" in str(moved_line([], many))


def test_a_card_without_moved_scores_still_opens() -> None:
    old = json.loads(card().to_json())
    del old["moved_scores"]
    assert card_from_json(json.dumps(old), source="old") == card()
    with pytest.raises(ValueError, match="expected ascending scores of the parent, and an own one for each"):
        MovedScores(parent=(0.2,), own=(0.1, 0.4))

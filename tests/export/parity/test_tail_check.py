"""A tail is held to the rule in numpy, whether or not its network finds anything."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from singleshot.export.graphs.cluster_tail import with_cluster_tail
from singleshot.export.graphs.network_part import cut_at, run_network
from singleshot.export.parity.raw_heads import default_boxes_of
from singleshot.export.parity.tail_check import TailCheck, check_rows, check_tail
from singleshot.runtime.card import Card
from singleshot.runtime.generated_frames import generated_frames
from singleshot.runtime.runners.contract import HEADS
from singleshot.tests.fixtures.found import Found, detections
from singleshot.tests.fixtures.small_detector import CARD, small_detector_graph

Array = NDArray[np.float32]


def checked(model: onnx.ModelProto, *, quiet: bool = False, is_dead: bool = False, card: Card = CARD) -> TailCheck:
    parent = small_detector_graph()
    logits, offsets = run_network(cut_at(parent, HEADS), list(generated_frames(CARD.input)[:, np.newaxis]))
    if quiet:
        logits[..., 0] += 30
    if is_dead:
        logits, offsets = np.zeros_like(logits), np.zeros_like(offsets)
    return check_tail(model, card, [logits, offsets], parent=card, default_cxcywh=default_boxes_of(parent))


@pytest.mark.parametrize("quiet", [pytest.param(False, id="much is found"), pytest.param(True, id="nothing is found")])
def test_both_tails_are_the_rule(quiet: bool) -> None:
    model = small_detector_graph()
    for tailed in (model, with_cluster_tail(model, CARD.postprocess)):
        check = checked(tailed, quiet=quiet)
        assert check.holds, check.line()
        assert (check.scenes, check.rows > 20) == (15, True)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(pytest.param("score_floor", floor, id=f"a floor of {floor}") for floor in (0.45, 0.6, 0.9)),
        *(pytest.param("iou_threshold", overlap, id=f"overlap {overlap}") for overlap in (0.01, 0.05, 0.95, 0.99)),
    ],
)
def test_a_tail_of_other_settings_has_something_to_do(setting: str, value: float) -> None:
    card = CARD.model_copy(update={"postprocess": CARD.postprocess.model_copy(update={setting: value})})
    model = copy.deepcopy(small_detector_graph())
    (item,) = (item for item in model.graph.initializer if item.name == f"tail/{setting}")
    item.CopyFrom(numpy_helper.from_array(np.full_like(numpy_helper.to_array(item), value), item.name))
    check = checked(model, quiet=True, card=card)
    assert check.holds, check.line()
    assert check.rows > 20


@pytest.mark.parametrize(
    "is_dead", [pytest.param(False, id="nothing is found"), pytest.param(True, id="the same is answered everywhere")]
)
@pytest.mark.parametrize(
    ("name", "change"),
    [
        pytest.param("centre_variance", lambda values: 2 * values, id="variances swapped"),
        pytest.param("default_centres", lambda values: values * (-1, 1) + (1, 0), id="boxes mirrored"),
        pytest.param("default_sizes", lambda values: 1.1 * values, id="default boxes larger"),
        pytest.param("iou_threshold", lambda values: values + 0.02, id="a greater overlap suppresses"),
        pytest.param("iou_threshold", lambda values: values - 0.02, id="a lesser overlap suppresses"),
        pytest.param("class_count", lambda values: values + 1, id="classes counted with the background"),
    ],
)
def test_a_damaged_tail_is_not(name: str, change: Callable[[Array], Array], is_dead: bool) -> None:
    model = copy.deepcopy(small_detector_graph())
    (item,) = (item for item in model.graph.initializer if item.name == f"tail/{name}")
    values = numpy_helper.to_array(item)
    item.CopyFrom(numpy_helper.from_array(np.asarray(change(values), values.dtype), item.name))
    check = checked(model, quiet=True, is_dead=is_dead)
    assert not check.holds
    assert "differ: scene" in check.line()


def at(left: float) -> list[float]:
    return [left, 0.1, left + 0.4, 0.5]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        pytest.param([(0.9, 0, at(0)), (0.8, 0, at(0.5)), (0.7, 1, at(0))], (), id="apart, or of other classes"),
        pytest.param(
            [(0.9, 0, at(0)), (0.8, 0, at(0.1))],
            ("scene 0: two rivals overlap by 0.60, 0.45 allowed",),
            id="one that the other suppresses",
        ),
        pytest.param(
            [(0.8, 0, at(0)), (0.9, 0, at(0.5))], ("scene 0: 2 rows, or not in descending order",), id="ascending"
        ),
        pytest.param([(0.005, 0, at(0))], ("scene 0: scores below 0.01",), id="below the floor"),
    ],
)
def test_rows_are_held_to_what_the_rule_says_of_any(rows: list[Found], said: tuple[str, ...]) -> None:
    check = check_rows([detections(*rows)], CARD)
    assert check is not None
    assert (check.rows, check.differences) == (len(rows), said)


def test_no_rows_say_nothing() -> None:
    assert check_rows([detections()], CARD) is None

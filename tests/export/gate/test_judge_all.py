"""The accuracy gate: it lets through what loses nothing, repairs what can be repaired, refuses the rest."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from singleshot.export.gate.judge import Candidate, GateSettings
from singleshot.export.gate.judge_all import gate, gate_quantizer
from singleshot.export.gate.quantizer import Quantizer
from singleshot.export.gate.result import GateResult
from singleshot.export.graphs.fp16 import with_fp16_network
from singleshot.export.graphs.graph_file import save_graph
from singleshot.runtime.card import Card
from singleshot.runtime.errors import CheckError, InputError
from singleshot.runtime.session import open_session
from singleshot.tests.fixtures.hostile_detector import (
    BLOCKS,
    CARD,
    EVERY_LAYER,
    hostile_detector_graph,
    quantized_by_rounding,
    write_labelled,
)

RULE = GateSettings(max_drop=5, replicates=100)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three detectors that say the same in float, and pictures labelled with what they say."""
    folder = tmp_path_factory.mktemp("gate")
    for name, outliers in (("plain", ()), ("one", (2,)), ("all", EVERY_LAYER)):
        save_graph(hostile_detector_graph(outliers), CARD, folder / f"{name}.onnx")
    write_labelled(folder / "data", folder / "plain.onnx")
    return folder


def quantizer(parent: Path, folder: Path, methods: Sequence[str] = ("minmax",)) -> Quantizer:
    def build(method: str, kept_float: Collection[str]) -> onnx.ModelProto:
        return quantized_by_rounding(parent, kept_float, clip=0.02 if method == "clipping" else 1.0)

    return Quantizer(methods=tuple(methods), blocks=BLOCKS, build=build, card=CARD, folder=folder)


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, GateResult]:
    """The gate's result on each of them."""
    found = {}
    for name in ("plain", "one", "all"):
        scratch = folder / f"{name}.candidates"
        scratch.mkdir()
        parent = folder / f"{name}.onnx"
        found[name] = gate_quantizer(parent, quantizer(parent, scratch), data=folder / "data", settings=RULE)
    return found


def test_what_loses_nothing_passes_at_once(results: dict[str, GateResult]) -> None:
    result = results["plain"]
    assert result.accepted is not None
    assert result.accepted.candidate.kept_float == ()
    assert result.search is not None
    assert result.search.harms == ()
    assert (result.data.choosing, result.data.judging) == (24, 24)
    assert result.lines()[2].startswith("accepted: int8 minmax: no measurable loss (drop [")


def test_a_hostile_network_is_repaired(results: dict[str, GateResult]) -> None:
    result = results["one"]
    assert result.search is not None
    whole = result.judged[0]
    assert whole.deltas[0].drop > 50
    assert not whole.candidate.is_eligible
    assert result.accepted is not None
    assert result.accepted.candidate.kept_float == ("conv2",)
    assert result.accepted.deltas[0].drop <= RULE.max_drop
    assert result.search.harms[0].block == "conv2"
    assert result.search.harms[0].sure_drop > 50
    assert [item.sure_drop < 5 for item in result.search.harms] == [False, True, True, True]


def test_a_network_hostile_throughout_is_refused_with_the_figures(
    results: dict[str, GateResult], tmp_path: Path
) -> None:
    result = results["all"]
    assert result.accepted is None
    assert result.measurements() == ()
    assert len(result.judged) == 1
    with pytest.raises(CheckError) as caught:
        result.check(tmp_path / "out.onnx")
    text = str(caught.value)
    assert "expected a graph within 5 points of AP50:95 of" in text
    assert "got int8 minmax: " in text
    assert "a drop of" in text
    assert "No graph was written." in text
    assert "\n" not in text


def test_with_no_drop_allowed_a_loss_of_any_size_is_refused(folder: Path, results: dict[str, GateResult]) -> None:
    repaired = results["one"].accepted
    assert repaired is not None
    whole = results["one"].judged[0].candidate
    settings = GateSettings(max_drop=0, replicates=50)
    given = [Candidate(name="int8", path=whole.path)]
    assert gate(folder / "one.onnx", given, data=folder / "data", settings=settings).accepted is None


def test_the_better_range_estimator_is_chosen(folder: Path, tmp_path: Path) -> None:
    parent = folder / "plain.onnx"
    made = quantizer(parent, tmp_path, ["clipping", "minmax"])
    result = gate_quantizer(parent, made, data=folder / "data", settings=RULE)
    assert result.search is not None
    assert [trial.method for trial in result.search.trials] == ["clipping", "minmax"]
    assert result.search.trials[0].drop > result.search.trials[1].drop
    assert result.accepted is not None
    assert result.accepted.candidate.name == "int8 minmax"


def test_what_chooses_does_not_judge(folder: Path, tmp_path: Path) -> None:
    parent = folder / "one.onnx"
    seen: dict[str, set[int]] = {}
    gate_quantizer(
        parent,
        quantizer(parent, tmp_path),
        data=folder / "data",
        settings=RULE,
        on_progress=lambda stage, done, _total: seen.setdefault(stage, set()).add(done),
    )
    assert {stage for stage in seen if stage.startswith("judging")} == {
        "judging int8 minmax",
        "judging int8 minmax, 1 of 4 blocks in float",
    }
    assert all(len(done) == 24 for stage, done in seen.items() if stage.startswith(("judging", "trying")))
    assert {"blocks by disagreement", "latency"} <= set(seen)


def test_given_candidates_are_judged_by_all_images(folder: Path, tmp_path: Path) -> None:
    parent = folder / "plain.onnx"
    half, broken = tmp_path / "half.onnx", tmp_path / "broken.onnx"
    save_graph(with_fp16_network(onnx.load(str(parent))), CARD, half)
    broken.write_bytes(b"no graph")
    result = gate(
        parent,
        [Candidate(name="broken", path=broken), Candidate(name="fp16", path=half)],
        data=folder / "data",
        settings=RULE,
    )
    assert (result.data.choosing, result.data.judging) == (0, 48)
    assert result.judged[0].failure is not None
    assert not result.judged[0].passes
    assert "broken: cannot be run (" in result.lines()[1]
    assert result.accepted is not None
    assert result.accepted.candidate.name == "fp16"
    assert abs(result.accepted.deltas[0].drop) < 1
    assert {name for name, _, _ in result.points} == {"parent", "fp16"}


def test_the_card_gets_both_figures_and_the_drop(results: dict[str, GateResult]) -> None:
    result = results["one"]
    own, parents, drop, speed = result.measurements()
    assert own.metric == "AP50:95, mean over cat, dog"
    assert parents.metric == "AP50:95, mean over cat, dog, of the parent"
    assert drop.value == pytest.approx(100 * (parents.value - own.value))
    assert "95 % interval [" in drop.note
    assert "allowed 5" in drop.note
    assert drop.data == "data val, 24 images, a half that nothing was chosen by, seed 0"
    assert speed.value > 0


def test_the_json_is_json(results: dict[str, GateResult]) -> None:
    written = json.loads(json.dumps(results["all"].to_dict()))
    assert written["accepted"] is None
    assert written["judged"][0]["deltas"][0]["drop"] > 50
    assert len(written["search"]["harms"]) == len(BLOCKS)


def test_the_front_holds_what_nothing_beats(results: dict[str, GateResult]) -> None:
    result = results["all"]
    best = max(figure for _, _, figure in result.points)
    assert "parent" in result.front
    assert next(figure for name, _, figure in result.points if name == "parent") == best


def write_quarters(root: Path, names: Sequence[str]) -> Path:
    """Pictures of one bright quarter each, labelled with its class."""
    (root / "images").mkdir(parents=True)
    lines = ["image,label,xmin,ymin,xmax,ymax"]
    for number in range(40):
        image = np.full((32, 32, 3), 40, np.uint8)
        row, column = divmod(number % 4, 2)
        image[16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = 200
        cv2.imwrite(str(root / "images" / f"{number}.png"), image)
        lines.append(f"{number}.png,{names[number % 4]},0,0,31,31")
    (root / "val.csv").write_text("\n".join(lines) + "\n")
    return root


def with_factor(graph: Path, factor: float, out: Path, card: Card) -> Path:
    model = onnx.load(str(graph))
    (constant,) = (item for item in model.graph.initializer if item.name == "factor")
    constant.CopyFrom(numpy_helper.from_array(np.array(factor, np.float32), "factor"))
    save_graph(model, card, out)
    return out


def test_a_classifier_is_judged_by_its_accuracy(graphs: Path, tmp_path: Path) -> None:
    parent = graphs / "quarters_classifier.onnx"
    with open_session(parent) as session:
        card = session.card
    candidates = [
        Candidate(name="upside down", path=with_factor(parent, -1 / 51, tmp_path / "down.onnx", card)),
        Candidate(name="surer", path=with_factor(parent, 1 / 25, tmp_path / "surer.onnx", card)),
    ]
    data = write_quarters(tmp_path / "data", card.class_names)
    result = gate(parent, candidates, data=data, settings=RULE)
    assert result.metric == "top-1 accuracy"
    assert [item.deltas[0].drop for item in result.judged] == [100, 0]
    assert [len(item.lost) for item in result.judged] == [40, 0]
    assert result.accepted is not None
    assert result.accepted.candidate.name == "surer"
    assert result.accepted.shift is not None
    assert result.accepted.shift.median > 0


def few_objects(folder: Path, tmp_path: Path) -> GateResult:
    settings = GateSettings(images=2)
    return gate(folder / "plain.onnx", [], data=folder / "data", settings=settings)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        pytest.param(
            lambda *_: GateSettings(max_drop=-1), r"--max-drop: expected points from 0 to 100, got -1", id="drop"
        ),
        pytest.param(lambda *_: GateSettings(images=0), r"--gate-images: expected at least 1, got 0", id="no image"),
        pytest.param(few_objects, r"expected a class with at least 10 objects among the 2 images", id="few objects"),
    ],
)
def test_what_cannot_be_asked_for(
    folder: Path, tmp_path: Path, ask: Callable[[Path, Path], object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        ask(folder, tmp_path)

"""The accuracy gate: it lets through what loses nothing, repairs what can be repaired, refuses the rest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from singleshot.export.gate import judge_all
from singleshot.export.gate.judge import Candidate, GateSettings
from singleshot.export.gate.judge_all import gate, gate_images, gate_quantizer
from singleshot.export.gate.quantizer import Quantizer
from singleshot.export.gate.result import GateResult
from singleshot.export.graphs.fp16 import with_fp16_network
from singleshot.export.graphs.graph_file import save_graph
from singleshot.runtime.card import Card
from singleshot.runtime.errors import CheckError, InputError
from singleshot.runtime.progress import Progress, no_progress
from singleshot.runtime.session import open_session
from singleshot.tests.fixtures.hostile_detector import (
    BLOCKS,
    CARD,
    EVERY_LAYER,
    hostile_detector_graph,
    quantized_by_rounding,
    write_labelled,
)

pytestmark = pytest.mark.slow
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
    """The gate's result on each of them, one half of the images choosing and the other judging."""
    found = {}
    for name in ("plain", "one", "all"):
        scratch = folder / f"{name}.candidates"
        scratch.mkdir()
        parent = folder / f"{name}.onnx"
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(judge_all, "FEW_FOR_HALVES", 48)
            found[name] = found_by(parent, quantizer(parent, scratch), folder)
    return found


def found_by(
    parent: Path, made: Quantizer, folder: Path, *, settings: GateSettings = RULE, on_progress: Progress = no_progress
) -> GateResult:
    images = gate_images(CARD, folder / "data", settings)
    return gate_quantizer(parent, made, images=images, settings=settings, on_progress=on_progress)


def test_what_loses_nothing_passes_at_once(results: dict[str, GateResult]) -> None:
    result = results["plain"]
    assert result.accepted is not None
    assert result.accepted.candidate.kept_float == ()
    assert result.search is not None
    assert result.search.harms == ()
    assert (result.data.choosing, result.data.judging) == (24, 24)
    assert result.lines()[2].startswith("accepted: int8 minmax: no measurable loss (95 % interval of the drop [")


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
    result = found_by(parent, made, folder)
    assert result.search is not None
    assert [trial.method for trial in result.search.trials] == ["clipping", "minmax"]
    assert result.search.trials[0].drop > result.search.trials[1].drop
    assert result.accepted is not None
    assert result.accepted.candidate.name == "int8 minmax"


def test_what_chooses_does_not_judge(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_all, "FEW_FOR_HALVES", 48)
    parent = folder / "one.onnx"
    seen: dict[str, set[int]] = {}
    found_by(
        parent,
        quantizer(parent, tmp_path),
        folder,
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


@pytest.mark.slow
def test_few_images_are_judged_in_parts_by_what_the_others_chose(folder: Path, tmp_path: Path) -> None:
    parent = folder / "one.onnx"
    result = found_by(parent, quantizer(parent, tmp_path), folder)
    assert (result.data.parts, result.data.choosing, result.data.judging) == (4, 48, 48)
    assert result.data.text == "data val, 48 images, each of 4 parts judged by what the others chose, seed 0"
    assert result.judged[0].candidate.is_lost
    assert result.judged[0].deltas[0].drop > 50
    assert result.accepted is not None
    assert result.accepted.candidate.kept_float == ("conv2",)


def test_a_network_hostile_throughout_is_refused_by_few_images_too(folder: Path, tmp_path: Path) -> None:
    parent = folder / "all.onnx"
    assert found_by(parent, quantizer(parent, tmp_path), folder).accepted is None


@pytest.fixture(scope="module")
def sparse(folder: Path) -> Path:
    """A dozen pictures of one object each: no class has ten."""
    return write_labelled(folder / "sparse", folder / "plain.onnx", images=12, objects=1)


@pytest.mark.parametrize("is_strict", [pytest.param(False, id="accepted"), pytest.param(True, id="refused, strictly")])
def test_what_the_images_cannot_tell_is_said(folder: Path, sparse: Path, tmp_path: Path, *, is_strict: bool) -> None:
    parent = folder / "plain.onnx"
    given = Candidate(name="clipped", path=tmp_path / "clipped.onnx")
    save_graph(quantized_by_rounding(parent, (), clip=0.7), CARD, given.path)
    settings = GateSettings(max_drop=0.5, replicates=200, is_strict=is_strict)
    result = gate(parent, [given], data=sparse, settings=settings)
    assert result.metric == "AP50:95 of all classes pooled"
    assert result.averaged == ()
    first = result.judged[0].deltas[0]
    assert first.drop > 0.5
    assert first.drop_interval is not None
    assert first.drop_interval.low < 0.5
    unable = f"these 12 images cannot tell 0.5 points apart, they could tell {first.resolution:.2g}"
    if is_strict:
        with pytest.raises(CheckError, match=f"{unable}: --strict refuses that"):
            result.check(tmp_path / "out.onnx")
        return
    assert result.accepted is not None
    assert unable in result.lines()
    assert unable in next(item.note for item in result.measurements() if item.metric.startswith("drop"))


@pytest.mark.parametrize(
    ("outliers", "clip"),
    [pytest.param((), 0.7, id="accepted"), pytest.param(EVERY_LAYER, 1.0, id="refused, a collapse")],
)
def test_fewer_than_ten_objects_refuse_a_measured_loss_alone(
    folder: Path, tmp_path: Path, outliers: Sequence[int], clip: float
) -> None:
    data = write_labelled(tmp_path / "data", folder / "plain.onnx", images=2, objects=4)
    parent = folder / ("all.onnx" if outliers else "plain.onnx")

    def build(method: str, kept_float: Collection[str]) -> onnx.ModelProto:
        return quantized_by_rounding(parent, kept_float, clip=clip)

    made = Quantizer(methods=("minmax",), blocks=BLOCKS, build=build, card=CARD, folder=tmp_path)
    settings = GateSettings(max_drop=0.5, replicates=200)
    result = gate_quantizer(parent, made, images=gate_images(CARD, data, settings), settings=settings)
    assert (result.data.choosing, result.data.judging) == (0, 2)
    first = result.judged[0].deltas[0]
    assert first.drop > 0.5
    if outliers:
        assert result.accepted is None
        assert first.drop > 50
    else:
        assert f"these 2 images cannot tell 0.5 points apart, they could tell {first.resolution:.2g}" in result.lines()


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
    settings = GateSettings(images=2, is_strict=True)
    return gate(folder / "plain.onnx", [], data=folder / "data", settings=settings)


def broken_pictures(folder: Path, tmp_path: Path) -> GateResult:
    data = Path(shutil.copytree(folder / "data", tmp_path / "data"))
    for picture in sorted((data / "images").iterdir())[2:]:
        picture.write_bytes(picture.read_bytes()[:100])  # its size can still be read
    return gate(folder / "plain.onnx", [], data=data, settings=replace(RULE, is_strict=True))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        pytest.param(
            lambda *_: GateSettings(max_drop=-1), r"--max-drop: expected points from 0 to 100, got -1", id="drop"
        ),
        pytest.param(lambda *_: GateSettings(images=0), r"--gate-images: expected at least 1, got 0", id="no image"),
        pytest.param(
            few_objects, r"expected at least 10 objects .* among the 2 images to judge by, got 8", id="few objects"
        ),
        pytest.param(
            broken_pictures, r"expected at least 10 objects .* among the 48 images to judge by, got 8", id="broken"
        ),
    ],
)
def test_what_cannot_be_asked_for(
    folder: Path, tmp_path: Path, ask: Callable[[Path, Path], object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        ask(folder, tmp_path)

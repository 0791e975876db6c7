"""The gate's page stands alone and shows what was lost."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import onnx
import pytest

from singleshot.calib.records.bootstrap import Interval
from singleshot.export.gate.judge import Candidate, GateSettings
from singleshot.export.gate.judge_all import gate
from singleshot.export.gate.result import GateResult
from singleshot.export.gate.search import Search, Trial
from singleshot.export.gate.sensitivity import BlockHarm
from singleshot.export.graphs.fp16 import with_fp16_network
from singleshot.export.graphs.graph_file import save_graph
from singleshot.tests.fixtures.hostile_detector import (
    CARD,
    hostile_detector_graph,
    quantized_by_rounding,
    write_labelled,
)
from singleshot.tests.fixtures.parsed_page import ParsedPage
from singleshot.tools.pages.figure import BLUE, GREEN, ORANGE
from singleshot.tools.pages.gate_page import deltas_figure, front_figure, save_gate_page


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> GateResult:
    """A candidate that collapses, one that is broken, and one that loses nothing."""
    folder = tmp_path_factory.mktemp("page")
    parent = folder / "one.onnx"
    save_graph(hostile_detector_graph((2,)), CARD, parent)
    candidates = {"int8": quantized_by_rounding(parent, ()), "fp16 <all>": with_fp16_network(onnx.load(str(parent)))}
    for name, model in candidates.items():
        save_graph(model, CARD, folder / f"{name}.onnx")
    (folder / "broken.onnx").write_bytes(b"no graph")
    return gate(
        parent,
        [Candidate(name=name, path=folder / f"{name}.onnx") for name in ("int8", "broken", "fp16 <all>")],
        data=write_labelled(folder / "data", parent, images=24),
        settings=GateSettings(max_drop=1, replicates=50),
    )


def page_of(result: GateResult, path: Path, *, title: str) -> ParsedPage:
    save_gate_page(result, path, title=title)
    return ParsedPage(path.read_text(encoding="utf-8"))


def test_every_candidate_and_what_became_of_it(result: GateResult, tmp_path: Path) -> None:
    page = page_of(result, tmp_path / "gate.html", title="<one> & 'two'.onnx")
    assert page.title == "<one> & 'two'.onnx"
    assert "accepted: fp16 <all>: no measurable loss" in page.text
    candidates = page.tables[0]
    assert [row[""].split(":")[0] for row in candidates] == ["", "loses too much", "cannot be run", "accepted"]
    assert "all" not in page.tags
    assert page.figures == [f"dashed: least allowed {result.parent_figure - 1:.2f}", _CHANGES, _SHIFT]
    for name in ("parent", "int8", "fp16 <all>"):
        assert name in page.figure_texts
    (detail,) = (table for table in page.tables if "objects" in table[0])
    assert [row["objects"] for row in detail] == [str(item.group.objects) for item in result.judged[2].deltas]
    assert [row[""] for row in detail] == [item.verdict for item in result.judged[2].deltas]


_CHANGES = "orange: a measurable loss, green: a gain"
_SHIFT = "what moved further is in the outer bars"


def test_the_images_of_what_was_lost_are_shown(result: GateResult, tmp_path: Path) -> None:
    refused = dataclasses.replace(result, accepted=None, judged=result.judged[:1])
    page = page_of(refused, tmp_path / "gate.html", title="refused")
    assert "nothing is within the allowed drop" in page.text
    assert len(page.pictures) == 12
    assert "lost dog 0." in " ".join(page.pictures)


def test_where_nothing_ran_there_is_nothing_but_the_parent(result: GateResult, tmp_path: Path) -> None:
    failed = dataclasses.replace(result, accepted=None, judged=result.judged[1:2])
    page = page_of(failed, tmp_path / "gate.html", title="failed")
    assert len(page.tables) == len(page.figures) == 1
    assert page.pictures == []


def test_how_candidates_were_chosen(result: GateResult, tmp_path: Path) -> None:
    trial = Trial(name="int8 <minmax>", method="minmax", kept_float=(), drop=1.25)
    harms = (
        BlockHarm(block="body/3", disagreement=0.5, drop=2.0, interval=Interval(low=1.0, high=3.0)),
        BlockHarm(block="head", disagreement=0.25),
    )
    searched = dataclasses.replace(result, search=Search(trials=(trial,), harms=harms))
    *_, trials, blocks = page_of(searched, tmp_path / "gate.html", title="searched").tables
    assert trials == [{"": "int8 <minmax>", "drop": "+1.25"}]
    assert [(row["block"], row["drop"], row["95 % interval"]) for row in blocks] == [
        ("body/3", "+2.00", "[1.00, 3.00]"),
        ("head", "", ""),
    ]


def test_every_graph_that_ran_is_a_dot_and_the_accepted_one_is_green(result: GateResult) -> None:
    drawn = str(front_figure(result))
    dots = re.findall(r"<use [^>]*fill: (#\w+); stroke: \1", drawn)
    assert sorted(dots) == sorted([BLUE, BLUE, GREEN])


def test_a_measurable_loss_is_orange(result: GateResult) -> None:
    drawn = str(deltas_figure(result.judged[0].deltas))
    assert all(item.is_measurable and item.drop > 0 for item in result.judged[0].deltas)
    assert drawn.count(f"stroke: {ORANGE}; stroke-width: 2") == len(result.judged[0].deltas)
    assert BLUE not in drawn

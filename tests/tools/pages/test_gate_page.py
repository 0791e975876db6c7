"""The gate's page stands alone and shows what was lost."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest

from singleshot.export.gate.judge import Candidate, GateSettings
from singleshot.export.gate.judge_all import gate
from singleshot.export.gate.result import GateResult
from singleshot.export.graphs.fp16 import with_fp16_network
from singleshot.export.graphs.graph_file import save_graph
from singleshot.tests.fixtures.hostile_detector import (
    CARD,
    hostile_detector_graph,
    quantized_by_rounding,
    write_labelled,
)
from singleshot.tools.pages.gate_page import save_gate_page
from singleshot.tools.pages.gate_plots import deltas_svg, front_svg


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


def test_the_page_needs_no_other_file(result: GateResult, tmp_path: Path) -> None:
    page = tmp_path / "gate.html"
    save_gate_page(result, page, title="one.int8.onnx")
    text = page.read_text(encoding="utf-8")
    assert "<title>one.int8.onnx</title>" in text
    assert "accepted: fp16 &lt;all&gt;: no measurable loss" in text
    assert "cannot be run: " in text
    assert not any(item in text for item in ("http:", "https:", "<script", "fp16 <all>"))


def test_the_images_of_what_was_lost_are_shown(result: GateResult, tmp_path: Path) -> None:
    refused = dataclasses.replace(result, accepted=None, judged=result.judged[:1])
    page = tmp_path / "gate.html"
    save_gate_page(refused, page, title="refused")
    text = page.read_text(encoding="utf-8")
    assert "nothing is within the allowed drop" in text
    assert "loses too much" in text
    assert text.count("data:image/jpeg;base64,") == 12
    assert "lost dog 0." in text


def test_every_graph_that_ran_is_a_dot(result: GateResult) -> None:
    drawn = front_svg(result)
    assert drawn.count("<circle") == 3
    assert drawn.count('class="accepted"') == 1
    assert "least allowed" in drawn


def test_a_measurable_loss_is_marked(result: GateResult) -> None:
    drawn = deltas_svg(result.judged[0].deltas)
    assert drawn.count('class="loss"') == len(result.judged[0].deltas)
    assert np.isfinite([item.drop for item in result.judged[0].deltas]).all()

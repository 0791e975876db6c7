"""Post-processing alone: every tail and K is timed; speed is not asserted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from singleshot.runtime.errors import InputError
from singleshot.tools.benchmarks import tail_latency
from singleshot.tools.benchmarks.tail_latency import CANDIDATES, TAILS, generated_heads, heads_of_graph, measure_tails


def test_every_tail_and_k_is_timed(small_detector: Path) -> None:
    frames = [np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)]
    heads = [generated_heads(), heads_of_graph(small_detector, frames)]
    found = measure_tails(heads[1:], repeats=2, threads=1)
    assert [(item.tail, item.candidates) for item in found] == [(t, k) for t in TAILS for k in CANDIDATES]
    assert {(item.heads, item.boxes, item.classes) for item in found} == {(small_detector.name, 256, 2)}
    assert all(0 < item.least_ms <= item.median_ms for item in found)
    assert heads[0].frames[0].class_logits.shape == (8732, 21)


def test_heads_that_are_not_named_are_not_timed(graphs: Path) -> None:
    with pytest.raises(InputError, match=r"quarters\.onnx: expected a detector that names its heads"):
        heads_of_graph(graphs / "quarters.onnx", [])


def test_tails_are_a_table(
    small_detector: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tail_latency, "BOXES", 300)
    monkeypatch.setattr(tail_latency, "CANDIDATES", (20,))
    tail_latency.tail_latency(small_detector, repeats=1, threads=1)
    said = capsys.readouterr().out
    for words in ("300 x 20", "256 x 2", "cluster", "median ms"):
        assert words in said

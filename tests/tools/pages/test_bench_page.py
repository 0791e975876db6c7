"""The page of a benchmark: its figures, its plots, its warnings."""

from __future__ import annotations

from pathlib import Path

import pytest

from singleshot.tests.fixtures.bench_runs import bench_run, contender
from singleshot.tools.benchmarks.runs import Accuracy

bench_page = pytest.importorskip("singleshot.tools.pages.bench_page")


def test_page(tmp_path: Path) -> None:
    accuracy = Accuracy(measure="AP50:95", value=0.41, images=10, data="VOC", split="val")
    first = contender().model_copy(update={"accuracy": accuracy})
    second = contender((20, 21, 20, 19, 20), name="<b>.onnx", detections=0.0)
    run = bench_run(first, second, too_busy="other programs had 40% of the processors' time")
    bench_page.save_bench_page(run, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    for words in (
        "Benchmark of a.onnx, &lt;b&gt;.onnx",
        "One call after the other",
        "Paced at 30 frames/s",
        "AP50:95 against latency",
        "Stages",
        "Repetitions",
        "the machine was too busy to tell",
        "&lt;b&gt;.onnx, onnxruntime (CPU): not one detection in dog.mp4",
        "ab" * 32,
        "governor performance",
        "could not be read: thermal zones: heat",
    ):
        assert words in text, words
    assert "<b>.onnx" not in text


def test_without_accuracy_there_is_no_plot_of_it(tmp_path: Path) -> None:
    bench_page.save_bench_page(bench_run(), tmp_path / "page.html")
    assert "against latency" not in (tmp_path / "page.html").read_text(encoding="utf-8")

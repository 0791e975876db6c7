"""Whether moved thresholds hold on other images, by figures that can be counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from singleshot.calib.records.operating_point import OperatingPoint
from singleshot.export.graphs.graph_file import save_graph
from singleshot.tests.fixtures.hostile_detector import CARD, hostile_detector_graph, write_labelled
from singleshot.tools.proof.thresholds import Kept, table, thresholds


def point(precision: float, recall: float) -> OperatingPoint:
    return OperatingPoint(threshold=0.5, precision=precision, recall=recall)


def test_the_table_is_the_mean_over_classes() -> None:
    found = [
        Kept(
            class_name=name,
            score=score,
            moved=score - 0.02,
            parent=point(0.9, 0.6),
            unchanged=point(0.9 + off, 0.5),
            followed=point(0.9, 0.6),
        )
        for score in (0.3, 0.5, 0.7)
        for name, off in (("cat", 0.04), ("dog", -0.02))
    ]
    assert table(found)[2:4] == [
        "| 0.3 | as it was | 3.00 | 10.00 | +1.00 | -10.00 |",
        "| 0.3 | moved to 0.28 .. 0.28 | 0.00 | 0.00 | +0.00 | +0.00 |",
    ]


def test_a_graph_held_to_itself_moves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = tmp_path / "a.onnx"
    save_graph(hostile_detector_graph(()), CARD, graph)
    write_labelled(tmp_path / "data", graph)
    thresholds(graph, graph, tmp_path / "data")
    first, _, *rows = capsys.readouterr().out.splitlines()
    assert "each half judged by what the other chose" in first
    assert all(row.split("|")[3:5] == [" 0.00 ", " 0.00 "] for row in rows[2:])


@pytest.mark.parametrize(
    ("images", "said"),
    [
        pytest.param(4, "at least 10 objects in a half of the images, got none in 4 images", id="too few objects"),
        pytest.param(1, "got none that can be used of 0 sampled", id="no image for one of the halves"),
    ],
)
def test_too_few_images_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], images: int, said: str) -> None:
    graph = tmp_path / "a.onnx"
    save_graph(hostile_detector_graph(()), CARD, graph)
    write_labelled(tmp_path / "data", graph, images=images)
    with pytest.raises(SystemExit) as ended:
        thresholds(graph, graph, tmp_path / "data")
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert said in " ".join(err.split())
    assert not out


def test_lowered_scores_are_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = tmp_path / "a.onnx"
    save_graph(hostile_detector_graph(()), CARD, graph)
    write_labelled(tmp_path / "data", graph)
    thresholds(graph, graph, tmp_path / "data", lowered=0.15)
    rows = [row.split("|") for row in capsys.readouterr().out.splitlines() if row.startswith("| 0.")]
    assert sum(float(row[4]) for row in rows if "moved" in row[2]) < sum(
        float(row[4]) for row in rows if "was" in row[2]
    )

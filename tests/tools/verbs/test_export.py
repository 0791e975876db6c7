"""`singleshot export`: figures, exit codes and one-line errors; the export itself is tested in tests/export."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from singleshot.export.checkpoint import export
from singleshot.export.checkpoint.export import Export
from singleshot.export.parity.parity import Parity
from singleshot.runtime.card import Card, InputSpec, Postprocess
from singleshot.tests.fixtures.command_line import run_verb

PARITY = Parity(
    frames=8, heads_difference=3e-6, matched=41, score_difference=1e-6, box_difference=2e-6, exempt=1, unmatched=()
)
CARD = Card(
    kind="graph",
    network="ssd_lite0",
    class_names=("dog",),
    input=InputSpec(height=64, width=64, mean=(0, 0, 0), std=(1, 1, 1)),
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Postprocess | None]:
    """Stand in for the export; collects the post-processing that the verb asks for."""
    collected: list[Postprocess | None] = []

    def export_checkpoint(_path: Path, out: Path, *, postprocess: Postprocess | None, images: Path | None) -> Export:
        collected.append(postprocess)
        PARITY.check(str(out))
        out.write_bytes(bytes(2_000_000))
        return Export(path=out, card=CARD, parity=PARITY)

    monkeypatch.setattr(export, "export_checkpoint", export_checkpoint)
    return collected


def test_figures_go_to_stderr_and_the_result_to_stdout(tmp_path: Path, asked: list[Postprocess | None]) -> None:
    out = tmp_path / "ssd.onnx"
    result = run_verb("export", "best.ckpt", "-o", out)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{out}: 2.0 MB, equal to best.ckpt\n"
    assert "raw heads differ by    3.00e-06 at most (allowed 1e-04)" in result.stderr
    assert "detections matched     41" in result.stderr
    assert asked == [None]


def test_json_is_all_there_is_on_stdout(tmp_path: Path, asked: list[Postprocess | None]) -> None:
    out = tmp_path / "ssd.onnx"
    result = run_verb("export", "best.ckpt", "-o", out, "--json", "--candidates", "400", "--score-floor", "0.05")
    assert result.exit_code == 0, result.stderr
    written = json.loads(result.stdout)
    assert written["graph"] == str(out)
    assert written["parity"]["matched"] == 41
    assert written["parity"]["holds"] is True
    assert asked == [Postprocess(candidates=400, score_floor=0.05)]


def test_a_proof_that_fails_exits_with_1_and_the_figures(
    tmp_path: Path, asked: list[Postprocess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "PARITY", Parity(**{**vars(PARITY), "heads_difference": 0.5}))
    result = run_verb("export", "best.ckpt", "-o", tmp_path / "ssd.onnx")
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert "raw heads differ by 5.00e-01 at most (allowed 1e-04)" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["-o", "ssd.pt"], "error: ssd.pt: expected a name that ends in .onnx, got .pt.", id="suffix"),
        pytest.param(["-o", "ssd.onnx"], "none.ckpt: expected a checkpoint, got no such file.", id="no checkpoint"),
        pytest.param(
            ["-o", "ssd.onnx", "--score-floor", "1"], "error: score_floor: expected less than 1, got 1.0.", id="floor"
        ),
        pytest.param(
            ["-o", "ssd.onnx", "--iou-threshold", "0"],
            "error: iou_threshold: expected greater than 0, got 0.0.",
            id="threshold",
        ),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = run_verb("export", tmp_path / "none.ckpt", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr.splitlines()[-1]


def test_without_torch_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    result = run_verb("export", tmp_path / "best.ckpt", "-o", tmp_path / "ssd.onnx")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        "error: an export from a checkpoint needs the package 'torch', which is not installed. "
        "pip install 'singleshot[train]' brings it."
    )

"""What draws the figures of `docs/` says what it lacks; that it draws them, the tests of the documents see."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from singleshot.tests.places import ROOT
from singleshot.tools.paper import __main__ as report_program
from singleshot.tools.paper import trainings

DETECTOR = ROOT / "docs/paper-results/runs/localization/ssd7-paper-10classes-64px-8epochs-base8epochs/seed0/metrics.csv"


def run(main: object, *arguments: object) -> tuple[int, str]:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)  # type: ignore[type-var]  # any function
    done = CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})
    return done.exit_code, done.stderr


@pytest.mark.parametrize(
    ("training", "message"),
    [
        pytest.param("none.csv", "expected NAME=METRICS.csv, got no such file or no name", id="no name"),
        pytest.param("first=none.csv", "none.csv: expected NAME=METRICS.csv, got no such file", id="no file"),
        pytest.param(f"first={DETECTOR}", "expected val_top1, got none", id="a detector's training"),
    ],
)
def test_trainings_that_cannot_be_drawn(training: str, message: str, tmp_path: Path) -> None:
    code, said = run(trainings.main, training, "-o", tmp_path / "figure.png")
    assert code == 2
    assert message in said
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_finished_runs(tmp_path: Path) -> None:
    code, said = run(report_program.main, tmp_path)
    assert (code, said) == (
        2,
        f"error: {tmp_path}: expected finished runs of reproduce-paper, got none. Name its folder of results.\n",
    )

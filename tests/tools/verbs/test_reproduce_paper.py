"""`singleshot reproduce-paper`: messages, and that it trains and reports, with training replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.places import KAGGLE
from singleshot.tools.verbs import reproduce_paper as reproduce_paper_verb
from singleshot.train.paper.plan import PaperRun
from singleshot.train.paper.runs import PaperRunner


def test_runs_in_order_and_says_which(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    trained: list[tuple[str, int, int, str]] = []

    def note(self: PaperRunner, run: PaperRun) -> None:
        trained.append((run.network, run.size, run.epochs, ",".join(self.class_names)))
        assert self._data(run).goes_on_anyway

    monkeypatch.setattr(PaperRunner, "train", note)
    reproduce_paper_verb.reproduce_paper(
        data=KAGGLE,
        out=tmp_path / "out",
        epochs_classification=7,
        epochs_localization=3,
        size=96,
        seeds="0,1",
        models="ssd7,resnet50",
        classes="basketball,scorpion",
        anyway=True,
    )
    names = "basketball,scorpion"
    assert trained == [("ssd7", 96, 3, names), ("resnet50", 96, 7, names)] * 2
    captured = capsys.readouterr()
    assert captured.out == ""  # no run is finished, so there is no report
    assert captured.err.splitlines()[0] == "run 1 of 4: localization ssd7-paper-2classes-96px-3epochs, seed 0"


def test_ctrl_c_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def press_ctrl_c(self: PaperRunner, run: PaperRun) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PaperRunner, "train", press_ctrl_c)
    with pytest.raises(SystemExit) as ended:
        reproduce_paper_verb.reproduce_paper(data=KAGGLE, out=tmp_path / "out", size=64, models="ssd7")
    assert ended.value.code == 130
    assert (
        capsys.readouterr().err.splitlines()[-1] == "Interrupted. The same command goes on after the last whole epoch."
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param("--models ssd9", "ssd9: expected a network, one of", id="network"),
        pytest.param("--recipe old", "recipe: expected one of paper, modern, progressive, got old.", id="recipe"),
        pytest.param("--seeds a", "seeds: expected different whole numbers such as 0,1,2, got a.", id="seeds"),
        pytest.param(
            "--ablation resnet50", "seeds: expected at least 3 for an ablation with confidence", id="ablation"
        ),
        pytest.param("--classes 4", "classes: expected a number from 1 to 3, of classes that", id="classes"),
    ],
)
def test_mistakes_are_one_line(arguments: str, message: str, tmp_path: Path) -> None:
    done = run_verb("reproduce-paper", "--data", KAGGLE, "-o", tmp_path / "o", *arguments.split())
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {message}")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "o").exists()

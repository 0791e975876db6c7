"""What keeps the live page from being photographed is said; that it is, the tests of the documents see."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from singleshot.tools.site import live_picture


def run(path: Path) -> tuple[int, str]:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(live_picture.main)
    done = CliRunner().invoke(app, [str(path)], env={"COLUMNS": "200"})
    return done.exit_code, done.stderr


def test_no_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("playwright")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    code, said = run(tmp_path / "live.jpg")
    assert code == 2
    assert said.endswith("error: chromium: expected one to look at the page with, got none. tests/apt.txt lists it.\n")
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_picture, "DEMO", tmp_path)
    code, said = run(tmp_path / "live.jpg")
    assert code == 2
    assert "error: rt-detect: expected a live page, got " in said
    assert "dog.mp4" in said

"""The demo writes its two files and says where; without a detector it says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from singleshot.runtime import shipped
from singleshot.tools.verbs import demo


def test_demo_writes_video_and_lines(
    graphs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shipped, "_FOLDER", tmp_path)
    shutil.copy(graphs / "quarters.onnx", tmp_path / "ssd_mobilenet2_animals.onnx")
    demo.demo()
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == ["demo_out/dog.mp4", "demo_out/dog.jsonl"]
    assert "frames/s" in out[-2]
    assert len([json.loads(line) for line in (tmp_path / "demo_out" / "dog.jsonl").open()]) == 282
    assert (tmp_path / "demo_out" / "dog.mp4").stat().st_size > 100_000


@pytest.mark.parametrize(
    ("module", "name", "message"),
    [
        pytest.param(demo, "CLIP", "expected the demo's clip, got no such file.", id="clip"),
        pytest.param(shipped, "_FOLDER", "expected the shipped detector, got no such file.", id="detector"),
    ],
)
def test_what_is_missing_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    module: object,
    name: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, name, tmp_path / "missing")
    with pytest.raises(SystemExit) as caught:
        demo.demo()
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {tmp_path / 'missing'}")
    assert message in told
    assert list(tmp_path.iterdir()) == []

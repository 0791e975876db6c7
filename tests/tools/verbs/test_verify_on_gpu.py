"""`tools/verify_on_gpu.sh`: one clear line where there is no GPU, a report where there is one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from singleshot.runtime.engines import cuda
from singleshot.runtime.engines import open_cuda as cuda_opening
from singleshot.runtime.errors import NoDeviceError
from singleshot.tests.places import ROOT
from singleshot.tools.verbs.verify_on_gpu import NO_GPU, verify_on_gpu

SCRIPT = ROOT / "tools" / "verify_on_gpu.sh"


def _run(*arguments: str) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(verify_on_gpu)
    return CliRunner().invoke(app, list(arguments))


def _open(error: Exception | None) -> Callable[[], object]:
    class Cuda:
        def close(self) -> None:
            """Nothing is held."""

    def open_cuda() -> Cuda:
        if error is not None:
            raise error
        return Cuda()

    return open_cuda


def test_without_a_gpu_it_ends_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cuda_opening, "open_cuda", _open(NoDeviceError("no driver")))
    result = _run("-o", str(tmp_path / "report.md"))
    assert result.exit_code == NO_GPU == 3
    assert result.stderr == (
        "CUDA: expected an NVIDIA GPU with its driver, got none: no driver. Look at `nvidia-smi`. "
        "Nothing was verified; graphs run here: singleshot demo\n"
    )
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_report_is_written_even_where_something_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from singleshot.tools.gpu import verification
    from singleshot.tools.gpu.verification import GpuVerification, Step

    found = GpuVerification(
        device=cuda.CudaDevice(name="Fake RTX", compute_capability="8.6"),
        driver=(),
        packages={"cuda-python": "13"},
        graph="a.onnx",
        frames="2 frames of clip.mp4",
        steps=(Step(name="engine rtx fp16 batch 1", problem="it does not fit"),),
    )
    monkeypatch.setattr(cuda_opening, "open_cuda", _open(None))
    monkeypatch.setattr(verification, "verify_on_gpu", lambda *_arguments, **_options: found)
    out = tmp_path / "report.md"
    result = _run("-o", str(out))
    assert result.exit_code == 1
    assert result.stderr == ("error: GPU: expected every step to work, got trouble with engine rtx fp16 batch 1.\n")
    assert result.stdout == out.read_text()
    assert "**engine rtx fp16 batch 1**: it does not fit" in result.stdout
    assert json.loads(out.with_suffix(".json").read_text())["steps"][0]["holds"] is False
    assert json.loads(_run("-o", str(out), "--json").stdout) == json.loads(out.with_suffix(".json").read_text())


def test_the_name_of_the_report(tmp_path: Path) -> None:
    result = _run("-o", str(tmp_path / "report.txt"))
    assert result.exit_code == 2
    assert "expected a name that ends in .md, got .txt" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_the_script_runs_from_any_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(SCRIPT), "--out", "report.txt"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHON": sys.executable, "PATH": "/usr/bin:/bin"},
    )
    assert (done.returncode, done.stderr) == (2, "error: report.txt: expected a name that ends in .md, got .txt.\n")

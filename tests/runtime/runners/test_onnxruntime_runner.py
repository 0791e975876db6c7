"""Which providers ONNX Runtime is given, and what is said where one does not work; no GPU is needed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.runners import onnxruntime_runner, quiet_session
from singleshot.runtime.session import open_session

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"


RUNS: list[int] = []
"""Batches that sessions ran."""


class GpuSession:
    """A session on the processor that says it computes on what was asked for, as far as that "works"."""

    def __init__(self, session: ort.InferenceSession, providers: list[str]) -> None:
        self._session, self._providers = session, providers

    def get_providers(self) -> list[str]:
        return self._providers

    def run(self, names: list[str], given: dict[str, Any]) -> Any:
        RUNS.append(len(given["frames"]))
        return self._session.run(names, given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is asked of an ONNX Runtime that was built for CUDA and TensorRT, where all of it works."""
    asked: list[Any] = []

    def opened(path: Path, options: Any, *, providers: list[Any]) -> Any:
        asked[:] = providers
        names = [item if isinstance(item, str) else item[0] for item in providers]
        return GpuSession(quiet_session.open_quietly(path, options), names)

    monkeypatch.setattr(ort, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    monkeypatch.setattr(ort, "preload_dlls", lambda: sys.stdout.write("Failed"), raising=False)
    monkeypatch.setattr(onnxruntime_runner, "open_quietly", opened)
    return asked


@pytest.mark.parametrize(
    ("backend", "providers", "name"),
    [
        pytest.param("onnxruntime", [CUDA, CPU], "onnxruntime (CUDA)", id="CUDA where it is there"),
        pytest.param("onnxruntime:cuda", [CUDA, CPU], "onnxruntime (CUDA)", id="CUDA by name"),
        pytest.param("onnxruntime:tensorrt", [TENSORRT, CUDA, CPU], "onnxruntime (TensorRT)", id="TensorRT by name"),
    ],
)
def test_providers(
    backend: Any, providers: list[str], name: str, asked: list[Any], graphs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with open_session(graphs / "quarters.onnx", backend=backend) as session:
        assert [item if isinstance(item, str) else item[0] for item in asked] == providers
        assert session.backend == name
    assert capfd.readouterr() == ("", "")


def test_engines_are_kept_by_the_bytes_of_the_graph(asked: list[Any], graphs: Path, own_folders: Path) -> None:
    """Its provider tells graphs apart by their operators, and would run an engine of other weights."""
    RUNS.clear()
    folders = []
    for name in ("quarters", "quarters_classifier", "quarters"):
        open_session(graphs / f"{name}.onnx", backend="onnxruntime:tensorrt").close()
        settings = asked[0][1]
        assert settings["trt_engine_cache_enable"]
        folders.append(Path(settings["trt_engine_cache_path"]))
    assert folders[0] == folders[2] != folders[1]
    assert RUNS == [1, 1, 1], "each was compiled when it was opened"
    assert {folder.parent for folder in folders} == {own_folders / "cache" / "singleshot" / "onnxruntime-tensorrt"}
    assert all(folder.is_dir() for folder in folders)


def test_without_a_place_for_engines_none_is_kept(
    asked: list[Any], graphs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    open_session(graphs / "quarters.onnx", backend="onnxruntime:tensorrt").close()
    assert not asked[0][1]["trt_engine_cache_enable"]


def test_a_provider_that_this_onnx_runtime_lacks(graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["AzureExecutionProvider", CPU])
    with pytest.raises(
        InputError, match=r"onnxruntime:cuda: expected an ONNX Runtime that has it, got .* Azure, CPU\."
    ):
        open_session(graphs / "quarters.onnx", backend="onnxruntime:cuda")


def test_a_provider_that_does_not_come_up(asked: list[Any], graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime goes on without it and only logs that."""
    monkeypatch.setattr(GpuSession, "get_providers", lambda _self: [CPU])
    with pytest.raises(InputError, match=r"backend onnxruntime:tensorrt: expected a GPU with .*, got CPU alone\."):
        open_session(graphs / "quarters.onnx", backend="onnxruntime:tensorrt")

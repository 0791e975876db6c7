"""`singleshot doctor`: each trap is named with the line that mends it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

from singleshot.runtime import machine, require
from singleshot.runtime.engines import cuda
from singleshot.runtime.engines import open_cuda as cuda_opening
from singleshot.runtime.errors import DeviceError, InputError, MissingDependencyError, NoDeviceError
from singleshot.runtime.runners import plugin_providers
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tools.terminal import examination


def test_this_machine_works() -> None:
    result = run_verb("doctor", "--json")
    assert result.exit_code == 0, result.stderr
    findings = {item["name"]: item for item in json.loads(result.stdout)}
    assert {"Python", "processor", "ONNX Runtime", "OpenCV", "video encoder", "NVIDIA GPU", "cameras"} <= set(findings)
    assert "CPU" in findings["ONNX Runtime"]["found"]
    assert [item for item in findings.values() if item["state"] == "broken"] == []


def test_what_is_broken_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = examination.Finding(
        name="OpenCV", state="broken", found="[no] package", advice="pip install opencv-python"
    )
    monkeypatch.setattr(examination, "examine", lambda: [broken])
    result = run_verb("doctor", columns=200)
    assert result.exit_code == 1
    assert "[no] package" in result.stdout
    assert "pip install opencv-python" in result.stdout
    assert result.stderr == ("error: doctor: expected everything that detection needs, got trouble with OpenCV.\n")


def test_two_onnxruntimes_are_a_trap(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"onnxruntime": "1.20", "onnxruntime-gpu": "1.21"}
    monkeypatch.setattr(machine, "version_of", versions.get)
    finding = examination.onnxruntime_finding()
    assert finding.state == "broken"
    assert finding.found.startswith("onnxruntime 1.20, onnxruntime-gpu 1.21: they install the same module")
    assert finding.advice == "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu"


def test_an_onnxruntime_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def import_module(name: str) -> object:
        raise ImportError("libx.so: cannot open")

    monkeypatch.setattr("importlib.import_module", import_module)
    finding = examination.onnxruntime_finding()
    assert finding.state == "broken"
    assert "libx.so: cannot open" in finding.found


def test_a_driver_without_cuda_gets_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    class CpuOnly:
        __version__ = "1"

        @staticmethod
        def get_available_providers() -> list[str]:
            return ["CPUExecutionProvider"]

    monkeypatch.setattr("importlib.import_module", lambda _: CpuOnly)
    monkeypatch.setattr(machine, "has_cuda_driver", lambda: True)
    assert "pip install onnxruntime-gpu computes on CUDA" in examination.onnxruntime_finding().advice


def test_opencv_without_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    def check_opencv() -> None:
        raise InputError("cv2: expected OpenCV's system libraries, got: libGL. apt-get install libgl1")

    monkeypatch.setattr(examination, "check_opencv", check_opencv)
    finding = examination.opencv_finding()
    assert (finding.state, finding.advice.split(". ")[1]) == ("broken", "apt-get install libgl1")


def test_extras_with_the_line_that_brings_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(require, "TRAINING_PYTHON", (3, 0))
    monkeypatch.setattr(machine, "version_of", {"onnx": "1.20", "torch": "2.0"}.get)
    lines = ('onnx>=1.17; extra == "export"', 'torch>=2.6; extra == "train"', 'lightning; extra == "train"')
    export, train = examination.extras_findings([Requirement(line) for line in lines], ("train", "export"))
    assert (export.name, export.state, export.found) == ("extra export", "ok", "onnx 1.20")
    assert (train.state, train.found) == ("none", "lacks torch>=2.6, lightning")
    assert train.advice == "pip install 'singleshot[train]'"


@pytest.mark.parametrize(
    ("lines", "lacking"),
    [
        pytest.param(
            ['onnx; extra == "b"', 'singleshot[b]; extra == "a"', 'torch>=2; extra == "a"'],
            "torch>=2, onnx",
            id="what it takes in",
        ),
        pytest.param(
            ['singleshot[b]; extra == "a"', 'singleshot[a]; extra == "b"', 'onnx; extra == "b"'],
            "onnx",
            id="extras that take each other in",
        ),
        pytest.param(['client[grpc]; extra == "a"', 'other; extra == "grpc"'], "client", id="another package's extra"),
        pytest.param(
            ['onnx; extra == "a"', "numpy", 'old; extra == "a" and python_version < "3"'], "onnx", id="not for here"
        ),
    ],
)
def test_what_an_extra_brings(monkeypatch: pytest.MonkeyPatch, lines: list[str], lacking: str) -> None:
    monkeypatch.setattr(machine, "version_of", lambda _: None)
    (finding,) = examination.extras_findings([Requirement(line) for line in lines], ("a",))
    assert finding.found == f"lacks {lacking}"


@pytest.mark.parametrize(
    ("installed", "wanted", "state"),
    [
        pytest.param("1.18.0", "any>=1.18", "ok", id="trailing zero"),
        pytest.param("1.9", "any>=1.18", "none", id="numbers, not letters"),
        pytest.param("2.0rc1", "any>=1.18", "ok", id="a candidate"),
        pytest.param("2.1+cpu", "any>=2.1", "ok", id="a local build"),
        pytest.param(None, "any", "none", id="absent"),
    ],
)
def test_versions_that_fit(monkeypatch: pytest.MonkeyPatch, installed: str | None, wanted: str, state: str) -> None:
    monkeypatch.setattr(machine, "version_of", lambda _: installed)
    (finding,) = examination.extras_findings([Requirement(f'{wanted}; extra == "a"')], ("a",))
    assert finding.state == state


def test_without_an_installation_extras_are_not_known() -> None:
    (finding,) = examination.extras_findings((), ())
    assert "singleshot runs from its folder" in finding.found


@pytest.mark.parametrize(
    ("opened", "state", "found"),
    [
        pytest.param(NoDeviceError("no driver"), "none", "no GPU: no driver", id="no GPU"),
        pytest.param(MissingDependencyError("pip"), "none", "neither cuda-python nor pycuda", id="no package"),
        pytest.param(DeviceError("lost"), "warning", "lost", id="a GPU in trouble"),
        pytest.param(
            None, "ok", "pycuda 2024, records no CUDA graphs, on Fake RTX, compute capability 8.6", id="works"
        ),
    ],
)
def test_the_cuda_layer_in_use(
    monkeypatch: pytest.MonkeyPatch, opened: Exception | None, state: str, found: str
) -> None:
    class Cuda:
        name = "pycuda 2024"
        capture = None
        device = cuda.CudaDevice(name="Fake RTX", compute_capability="8.6")

        def close(self) -> None:
            """Nothing is held."""

    def open_cuda() -> Cuda:
        if opened is not None:
            raise opened
        return Cuda()

    monkeypatch.setattr(cuda_opening, "open_cuda", open_cuda)
    findings = {item.name: item for item in examination.examine()}
    assert (findings["CUDA layer"].state, findings["CUDA layer"].found) == (state, found)


@pytest.mark.parametrize(
    ("device", "state", "found"),
    [
        pytest.param(
            SimpleNamespace(type=SimpleNamespace(name="GPU"), vendor="NVIDIA"),
            "ok",
            "onnxruntime-ep-nv-tensorrt-rtx 0.5; computes on the GPU of NVIDIA",
            id="a device",
        ),
        pytest.param(None, "none", "onnxruntime-ep-nv-tensorrt-rtx 0.5: expected an RTX GPU.", id="no device"),
    ],
)
def test_a_plugin_of_onnx_runtime_says_whether_it_finds_a_device(
    monkeypatch: pytest.MonkeyPatch, device: object, state: str, found: str
) -> None:
    def plugin_device(_name: str) -> object:
        if device is None:
            raise InputError("expected an RTX GPU.")
        return SimpleNamespace(device=device)

    monkeypatch.setattr(machine, "installed_of", lambda names: dict.fromkeys(names, "0.5"))
    monkeypatch.setattr(plugin_providers, "plugin_device", plugin_device)
    finding = examination._plugin("rtx")
    assert (finding.name, finding.state, finding.found) == ("onnxruntime:rtx", state, found)

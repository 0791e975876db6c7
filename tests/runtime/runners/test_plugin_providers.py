"""Providers of ONNX Runtime that are packages of their own: found, chosen, refused, and what they compute."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import onnxruntime as ort
import pytest

from singleshot.runtime.errors import InputError, MissingDependencyError
from singleshot.runtime.runners import onnxruntime_runner, plugin_providers, quiet_session
from singleshot.runtime.runners.plugin_providers import PLUGINS, PluginName, add_plugin, plugin_device
from singleshot.runtime.session import open_session
from singleshot.tests.places import GRAPHS, PHOTOS

QEMU = "qemu-x86_64-static"

THREE = sorted(map(str, PHOTOS.glob("*.jpg")))[:3]

COMPARE = f"""
import numpy as np
from singleshot.runtime.detection.letterbox import fit_frame
from singleshot.runtime.image_files import read_image_bgr
from singleshot.runtime.session import open_session
found = {{}}
for backend in ("onnxruntime", "onnxruntime:openvino"):
    with open_session({str(GRAPHS / "quarters.onnx")!r}, backend=backend) as session:
        print(session.backend)
        spec = session.card.input
        frames = np.stack([fit_frame(read_image_bgr(path), spec) for path in {THREE!r}])
        found[backend] = session.run(frames)
for left, right in zip(*found.values(), strict=True):
    assert len(left)
    np.testing.assert_array_equal(left.class_ids, right.class_ids)
    np.testing.assert_allclose(left.scores, right.scores, atol=1e-5)
    np.testing.assert_allclose(left.boxes_xyxy, right.boxes_xyxy, atol=1e-5)
"""


def device(provider: str, *, kind: str = "CPU", vendor: str = "Intel", **metadata: str) -> Any:
    """A device as ONNX Runtime lists them."""
    return SimpleNamespace(
        ep_name=provider, ep_metadata=metadata, device=SimpleNamespace(type=SimpleNamespace(name=kind), vendor=vendor)
    )


def install(monkeypatch: pytest.MonkeyPatch, name: PluginName, devices: list[Any] | None) -> None:
    """Put a stand-in of a plugin's package in place; without devices its library is the one that is not there."""
    module = ModuleType(PLUGINS[name].module)
    vars(module)["get_library_path"] = lambda: "/nowhere/libplugin.so"
    monkeypatch.setitem(sys.modules, PLUGINS[name].module, module)
    plugin_providers._register.cache_clear()
    if devices is not None:
        monkeypatch.setattr(ort, "register_execution_provider_library", lambda _name, _library: None, raising=False)
        monkeypatch.setattr(ort, "get_ep_devices", lambda: devices, raising=False)


@pytest.mark.parametrize(
    ("threads", "config"),
    [
        pytest.param(None, '{"CPU": {"INFERENCE_PRECISION_HINT": "f32"}}', id="float32 is told"),
        pytest.param(
            2, '{"CPU": {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "2"}}', id="threads are told"
        ),
    ],
)
def test_openvino_is_told_its_device_and_types(monkeypatch: pytest.MonkeyPatch, threads: Any, config: str) -> None:
    name = PLUGINS["openvino"].provider
    gpu, cpu = device(name, kind="GPU", ov_device="GPU"), device(name, ov_device="CPU")
    install(monkeypatch, "openvino", [device("CPUExecutionProvider"), gpu, cpu])
    asked: list[Any] = []
    options = SimpleNamespace(add_provider_for_devices=lambda devices, settings: asked.append((devices, settings)))
    add_plugin(options, "openvino", threads=threads)
    assert asked == [([cpu], {"load_config": config})]


def test_rtx_takes_the_first_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = device(PLUGINS["rtx"].provider, kind="GPU", vendor="NVIDIA")
    install(monkeypatch, "rtx", [device("CPUExecutionProvider"), gpu])
    assert plugin_device("rtx") is gpu


@pytest.mark.parametrize(
    ("name", "devices", "message"),
    [
        pytest.param("rtx", None, "expected an RTX GPU of .*, got a library that cannot be loaded", id="no driver"),
        pytest.param("rtx", [device("Cpu", vendor="AMD")], "expected an RTX GPU .*, got CPU of AMD", id="no GPU"),
        pytest.param(
            "openvino",
            [device("Cpu", vendor="")],
            "expected a processor of Intel's, .*, got CPU of nobody",
            id="no Intel",
        ),
    ],
)
def test_where_a_plugin_finds_no_device_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: PluginName, devices: Any, message: str
) -> None:
    install(monkeypatch, name, devices)
    with pytest.raises(InputError, match=message):
        open_session(GRAPHS / "quarters.onnx", backend=f"onnxruntime:{name}")  # type: ignore[arg-type]  # one of them


def test_a_plugin_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, PLUGINS["rtx"].module, None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'singleshot\[ep-rtx\]' brings it"):
        open_session(GRAPHS / "quarters.onnx", backend="onnxruntime:rtx")


def test_an_onnx_runtime_without_plugins_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "rtx", None)
    monkeypatch.delattr(ort, "register_execution_provider_library", raising=False)
    with pytest.raises(MissingDependencyError, match=r"needs onnxruntime 1\.23 or newer"):
        plugin_device("rtx")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("openvino", "onnxruntime:openvino (CPU)", id="a processor, which gets a thread a frame"),
        pytest.param("rtx", "onnxruntime (TensorRT-RTX)", id="a GPU"),
    ],
)
def test_who_computes_is_said(monkeypatch: pytest.MonkeyPatch, name: PluginName, shown: str) -> None:
    class Plugged:
        def __init__(self, session: ort.InferenceSession) -> None:
            self._session = session

        def get_providers(self) -> list[str]:
            return [PLUGINS[name].provider, "CPUExecutionProvider"]

        def __getattr__(self, attribute: str) -> Any:
            return getattr(self._session, attribute)

    def opened(path: Path, options: Any, *, providers: list[Any]) -> Any:
        return quiet_session.open_quietly(path, options, providers=providers or ["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime_runner, "add_plugin", lambda *_arguments, **_options: None)
    monkeypatch.setattr(
        onnxruntime_runner,
        "open_quietly",
        lambda path, options, *, providers: Plugged(opened(path, options, providers=providers)),
    )
    with open_session(GRAPHS / "quarters.onnx", backend=f"onnxruntime:{name}") as session:  # type: ignore[arg-type]
        assert session.backend == shown


def test_the_plugin_of_openvino_computes_or_says_why_not() -> None:
    pytest.importorskip(PLUGINS["openvino"].module, reason="onnxruntime-ep-openvino is not installed")
    done = subprocess.run([sys.executable, "-c", COMPARE], capture_output=True, text=True, check=False)
    if done.returncode:
        assert "InputError: backend onnxruntime:openvino: expected a processor of Intel's" in done.stderr
    else:
        assert done.stdout.splitlines() == ["onnxruntime (CPU)", "onnxruntime:openvino (CPU)"]


@pytest.mark.slow
def test_the_plugin_of_openvino_agrees_on_an_emulated_processor_of_intels() -> None:
    pytest.importorskip(PLUGINS["openvino"].module, reason="onnxruntime-ep-openvino is not installed")
    qemu = shutil.which(QEMU)
    if qemu is None:
        pytest.skip(f"{QEMU} is not installed")
    command = [qemu, "-cpu", "Haswell", sys.executable, "-c", COMPARE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["onnxruntime (CPU)", "onnxruntime:openvino (CPU)"]

"""What is found out about a machine, on descriptions of machines that are not this one."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from singleshot.runtime import machine
from singleshot.runtime.machine import Requirement

X86 = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: fpu avx2 avx512f avx512_vnni amx_bf16 sse\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp i8mm bf16\n"


@pytest.mark.parametrize(
    ("cpuinfo", "features"),
    [
        pytest.param(X86, ("avx2", "avx512f", "avx512_vnni", "amx_bf16"), id="x86"),
        pytest.param(ARM, ("asimddp", "i8mm", "bf16"), id="ARM"),
        pytest.param("", (), id="no description"),
    ],
)
def test_features_that_matter(cpuinfo: str, features: tuple[str, ...]) -> None:
    assert machine.cpu_features(cpuinfo) == features


def test_processor_s_name() -> None:
    assert machine.cpu_model(X86) == "Some CPU @ 2 GHz"
    assert machine.cpu_model("")


@pytest.mark.parametrize(
    ("line", "requirement"),
    [
        pytest.param("numpy>=1.26", Requirement(name="numpy", least="1.26", extra=""), id="base"),
        pytest.param(
            'onnx>=1.17; extra == "export"', Requirement(name="onnx", least="1.17", extra="export"), id="extra"
        ),
        pytest.param("torch ; extra == 'train'", Requirement(name="torch", least="", extra="train"), id="any version"),
        pytest.param(
            'singleshot[evaluate,export]; extra == "train"',
            Requirement(name="singleshot", least="", extra="train", includes=("evaluate", "export")),
            id="includes extras",
        ),
        pytest.param("@ not a requirement", None, id="another form"),
    ],
)
def test_requirements_are_read(line: str, requirement: Requirement | None) -> None:
    assert machine.read_requirement(line) == requirement


def test_an_extra_takes_in_what_it_includes() -> None:
    lines = ('onnx; extra == "export"', 'singleshot[export]; extra == "train"', 'torch; extra == "train"', "numpy")
    requirements = [item for line in lines if (item := machine.read_requirement(line)) is not None]
    extras = machine.extras_of(requirements)
    assert {name: [item.name for item in items] for name, items in extras.items()} == {
        "export": ["onnx"],
        "train": ["onnx", "torch"],
    }


def test_extras_that_include_each_other_end() -> None:
    lines = ('singleshot[b]; extra == "a"', 'singleshot[a]; extra == "b"', 'onnx; extra == "b"')
    requirements = [item for line in lines if (item := machine.read_requirement(line)) is not None]
    assert [item.name for item in machine.extras_of(requirements)["a"]] == ["onnx"]


@pytest.mark.parametrize(
    ("installed", "least", "is_met"),
    [
        pytest.param("1.18.0", "1.18", True, id="trailing zero"),
        pytest.param("1.9", "1.18", False, id="numbers, not letters"),
        pytest.param("2.0rc1", "1.18", True, id="a candidate"),
        pytest.param("2.1+cpu", "2.1", True, id="a local build"),
        pytest.param(None, "", False, id="absent"),
    ],
)
def test_versions_that_fit(monkeypatch: pytest.MonkeyPatch, installed: str | None, least: str, is_met: bool) -> None:
    monkeypatch.setattr(machine, "version_of", lambda _: installed)
    assert Requirement(name="any", least=least, extra="").is_met is is_met


def test_packages_are_found_without_importing() -> None:
    assert machine.installed_of(("numpy", "no-such-package")) == {"numpy": metadata.version("numpy")}


def test_cameras_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("video10", "video2", "videos", "null"):
        (tmp_path / name).touch()
    assert [path.name for path in machine.camera_devices(tmp_path)] == ["video2", "video10"]


@pytest.mark.parametrize(
    ("script", "gpus"),
    [
        pytest.param("echo 'NVIDIA X, 580.1, 1024 MiB, 9.0'", ("NVIDIA X, 580.1, 1024 MiB, 9.0",), id="a GPU"),
        pytest.param("echo 'NVIDIA-SMI has failed'; exit 9", (), id="a driver that does not work"),
    ],
)
def test_nvidia_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, gpus: tuple[str, ...]) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert machine.nvidia_gpus() == gpus


def test_a_machine_without_nvidia_has_no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.nvidia_gpus() == ()

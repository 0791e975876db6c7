"""What is found out about a machine, on descriptions of machines that are not this one."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

import pytest

from singleshot.runtime import machine

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


@pytest.mark.parametrize(
    ("flags", "limit", "kind", "saturates"),
    [
        pytest.param("fma avx2", "", "avx2", True, id="x86 before VNNI"),
        pytest.param("avx2 avx512f", "", "avx2", True, id="wide vectors alone do not help"),
        pytest.param("avx2 avx512f avx512_vnni", "", "avx2 avx512_vnni", False, id="VNNI"),
        pytest.param("avx2 avx_vnni", "", "avx2 avx_vnni", False, id="VNNI without wide vectors"),
        pytest.param("avx2 avx512_vnni amx_int8", "AVX2", "avx2", True, id="OpenVINO is told to do without"),
        pytest.param("avx2 avx512_vnni", "ALL", "avx2 avx512_vnni", False, id="told to use all"),
        pytest.param("asimddp i8mm bf16", "", "asimddp i8mm bf16", False, id="ARM"),
        pytest.param("", "", "", False, id="nothing is known"),
    ],
)
def test_kind_of_processor(flags: str, limit: str, kind: str, saturates: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert machine.processor_kind(f"flags : {flags}") == kind
    assert machine.saturates_int8(kind) == saturates


@pytest.mark.parametrize(
    ("membership", "files", "quota"),
    [
        pytest.param("0::/box\n", {"box/cpu.max": "150000 100000\n"}, 1.5, id="version 2"),
        pytest.param("0::/box\n", {"box/cpu.max": "max 100000\n"}, None, id="version 2 without a limit"),
        pytest.param(
            "0::/box/inner\n",
            {"box/cpu.max": "200000 100000\n", "box/inner/cpu.max": "max 100000\n"},
            2.0,
            id="a parent's limit",
        ),
        pytest.param("0::/\n", {"cpu.max": "50000 100000\n"}, 0.5, id="inside a container"),
        pytest.param(
            "4:memory:/box\n3:cpu,cpuacct:/box\n",
            {"cpu,cpuacct/box/cpu.cfs_quota_us": "300000\n", "cpu,cpuacct/box/cpu.cfs_period_us": "100000\n"},
            3.0,
            id="version 1",
        ),
        pytest.param(
            "1:cpu:/box\n",
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            None,
            id="version 1 without a limit",
        ),
        pytest.param("0::/box\n", {"box/cpu.max": "nonsense"}, None, id="something else"),
    ],
)
def test_quota_of_the_control_group(
    tmp_path: Path, membership: str, files: dict[str, str], quota: float | None
) -> None:
    (tmp_path / "cgroup").write_text(membership)
    for name, text in files.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(text)
    assert machine.cpu_quota(tmp_path / "cgroup", tmp_path / "root") == quota


@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        pytest.param(None, 4, id="no limit"),
        pytest.param(2.7, 2, id="whole cores alone"),
        pytest.param(0.3, 1, id="less than one"),
        pytest.param(64.0, 4, id="more than there are"),
    ],
)
def test_usable_cores_are_within_the_quota(monkeypatch: pytest.MonkeyPatch, quota: float | None, cores: int) -> None:
    monkeypatch.setattr(machine, "cpu_quota", lambda: quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(4)), raising=False)
    assert (machine.usable_cores(), machine.frames_in_flight()) == (cores, cores + 1)


def test_cores_without_control_groups(tmp_path: Path) -> None:
    assert machine.cpu_quota(tmp_path / "cgroup", tmp_path) is None

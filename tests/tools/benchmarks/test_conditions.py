"""What is watched: who had the processors, clocks, heat, power modes, and what could not be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from singleshot.tools.benchmarks.conditions import CpuTimes, Watch, busy_between, cpu_times, why_too_busy


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def cpu(name: str) -> str:
    number = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    return f"sys/devices/system/cpu/cpu{number}/{name}"


@pytest.fixture(autouse=True)
def no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)


@pytest.fixture
def laptop(tmp_path: Path) -> Path:
    write(
        tmp_path,
        {
            "proc/stat": "cpu  1000 0 500 8000 100 0 0 50 0 0\ncpu0 1 2 3\n",
            cpu("cpufreq/scaling_cur_freq"): "3000000\n",
            cpu("cpufreq/scaling_governor"): "powersave\n",
            cpu("thermal_throttle/core_throttle_count"): "7\n",
            "sys/class/thermal/thermal_zone0/temp": "61000\n",
            "sys/class/power_supply/AC/online": "0\n",
            "sys/devices/system/cpu/cpufreq/boost": "1\n",
            "sys/fs/cgroup/cpu.stat": "usage_usec 1\nnr_throttled 3\n",
        },
    )
    return tmp_path


def test_clocks_heat_and_power_are_written_down(laptop: Path) -> None:
    watch = Watch(root=laptop)
    with watch.watching():
        pass
    seen = watch.conditions()
    assert seen.seen == {"processor clocks": "3000 MHz", "hottest sensor": "61 °C"}
    assert seen.settings == {"governor": "powersave", "boost (cpufreq)": "1", "AC online": "0"}
    assert seen.warnings == ()
    assert seen.not_read == ("nvidia-smi and nvpmodel: a GPU's clocks and power mode",)


def test_a_processor_that_was_slowed_down_is_a_warning(laptop: Path) -> None:
    watch = Watch(root=laptop)
    with watch.watching():
        write(
            laptop,
            {cpu("thermal_throttle/core_throttle_count"): "9\n", "sys/fs/cgroup/cpu.stat": "nr_throttled 4\n"},
        )
    assert watch.conditions().warnings == (
        "throttled cores: 2 more during the run",
        "held back by the control group's quota: 1 more during the run",
    )


def test_where_nothing_can_be_read_that_is_said(tmp_path: Path) -> None:
    watch = Watch(root=tmp_path)
    with watch.watching():
        pass
    seen = watch.conditions()
    assert (seen.busy.own, seen.busy.others, seen.busy.steal, seen.too_busy) == (None, None, None, "")
    assert [line.partition(":")[0] for line in seen.not_read] == [
        "/proc/stat",
        "cpufreq and /proc/cpuinfo",
        "thermal zones",
        "thermal_throttle",
        "scaling_governor",
        "nvidia-smi and nvpmodel",
    ]


def test_a_gpu_that_was_too_hot(laptop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = laptop / "smi"
    program.write_text(
        "#!/bin/sh\necho 'A GPU, P0, 1500 MHz, 1980 MHz, 88, 300 W, 350 W, 900 MiB, 0x0000000000000040'\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(program) if name == "nvidia-smi" else None)
    watch = Watch(root=laptop)
    with watch.watching():
        pass
    seen = watch.conditions()
    assert seen.seen["GPU clocks.sm"] == "1500 MHz"
    assert seen.warnings == ("the GPU was slowed down by heat or power",)


def test_power_mode_of_a_jetson(laptop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = laptop / "nvpmodel"
    program.write_text("#!/bin/sh\necho 'NV Power Mode: MAXN'\necho 0\n")
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(program) if name == "nvpmodel" else None)
    watch = Watch(root=laptop)
    assert watch.conditions().settings["nvpmodel"] == "NV Power Mode: MAXN 0"


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        pytest.param(CpuTimes(busy=50, steal=0, total=100, own=49), "", id="quiet"),
        pytest.param(
            CpuTimes(busy=90, steal=0, total=100, own=50), "other programs had 40% of the processors' time", id="others"
        ),
        pytest.param(
            CpuTimes(busy=50, steal=8, total=100, own=50), "the hypervisor gave 8% of it to other machines", id="stolen"
        ),
    ],
)
def test_a_busy_machine(after: CpuTimes, reason: str) -> None:
    assert why_too_busy(busy_between(CpuTimes(busy=0, steal=0, total=0, own=0), after)) == reason


def test_processor_times_of_linux(laptop: Path) -> None:
    found = cpu_times(laptop)
    assert found is not None
    ticks = os.sysconf("SC_CLK_TCK")
    assert (found.busy, found.steal, found.total) == (1500 / ticks, 50 / ticks, 9650 / ticks)

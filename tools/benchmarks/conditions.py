"""Watches what changes speed from one run to the next: other programs, a hypervisor, clocks, heat, power modes."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from .runs import Busy, Conditions

OTHERS, STEAL = 0.05, 0.02
"""Shares of all processors above which other programs, or other machines on the same hardware, made the figures."""
_EVERY_S = 1.0
_SMI_EVERY = 5
"""Looks between two of nvidia-smi, which takes time itself."""
_PROGRAM_S = 10.0
_SMI = "nvidia-smi"
_SMI_FIELDS = (
    "name",
    "pstate",
    "clocks.sm",
    "clocks.max.sm",
    "temperature.gpu",
    "power.draw",
    "power.limit",
    "memory.used",
    "clocks_throttle_reasons.active",
)
_SMI_SLOWED = 0x8 | 0x20 | 0x40 | 0x80
"""Hardware slowdown, software and hardware thermal slowdown, power brake; by NVML's header."""
_SPREAD = 0.1
"""Clocks that differ by more during a run are said."""


@dataclass(frozen=True, kw_only=True)
class CpuTimes:
    """Seconds of all processors since the start, by Linux."""

    busy: float
    steal: float
    total: float
    own: float
    """Of this process and of those that it has waited for."""


def cpu_times(root: Path = Path("/")) -> CpuTimes | None:
    """Read them; none where the system does not tell."""
    try:
        first = (root / "proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]
    except (OSError, IndexError):
        return None
    user, nice, system, idle, waits, irq, softirq, steal = (float(ticks) / os.sysconf("SC_CLK_TCK") for ticks in first)
    busy = user + nice + system + irq + softirq
    return CpuTimes(busy=busy, steal=steal, total=busy + idle + waits + steal, own=sum(os.times()[:4]))


def busy_between(before: CpuTimes | None, after: CpuTimes | None) -> Busy:
    """Share out the processors' time between two moments."""
    if before is None or after is None or after.total <= before.total:
        return Busy(own=None, others=None, steal=None)
    total, own = after.total - before.total, after.own - before.own
    others = max(0.0, after.busy - before.busy - own)
    return Busy(
        own=round(own / total, 4), others=round(others / total, 4), steal=round((after.steal - before.steal) / total, 4)
    )


def why_too_busy(busy: Busy) -> str:
    """Say why figures of this time mean little; empty where they do."""
    reasons = []
    if busy.others is not None and busy.others > OTHERS:
        reasons.append(f"other programs had {busy.others:.0%} of the processors' time")
    if busy.steal is not None and busy.steal > STEAL:
        reasons.append(f"the hypervisor gave {busy.steal:.0%} of it to other machines")
    return " and ".join(reasons)


@dataclass(kw_only=True)
class Watch:
    """Looks once a second until `conditions` is asked for.

    Args:
        root: of the file system that Linux shows its state in.
    """

    root: Path = Path("/")
    _clocks_mhz: list[float] = field(default_factory=list)
    _hottest: list[float] = field(default_factory=list)
    _gpu: list[dict[str, str]] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._load = _load()
        self._cpu = cpu_times(self.root)
        self._counters = dict(_counters(self.root))
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look while the block runs."""
        self._thread.start()
        try:
            yield
        finally:
            self._end.set()
            self._thread.join(_PROGRAM_S)

    def conditions(self) -> Conditions:
        """Put together what was seen."""
        after, busy = _load(), busy_between(self._cpu, cpu_times(self.root))
        seen: dict[str, str] = {}
        if self._clocks_mhz:
            seen["processor clocks"] = _range(self._clocks_mhz, "MHz")
        if self._hottest:
            seen["hottest sensor"] = _range(self._hottest, "°C")
        settings = _power_modes(self.root)
        for name in _SMI_FIELDS if self._gpu else ():
            told = sorted({one.get(name, "") for one in self._gpu}, key=_size)
            seen[f"GPU {name}"] = " to ".join(dict.fromkeys((told[0], told[-1])))
        return Conditions(
            load=None if self._load is None or after is None else (self._load, after),
            busy=busy,
            too_busy=why_too_busy(busy),
            seen=seen,
            settings=settings,
            warnings=tuple(self._warnings()),
            not_read=tuple(self._not_read(settings)),
        )

    def _look(self) -> None:
        has_smi = shutil.which(_SMI) is not None
        for look in count():
            self._clocks_mhz += _clocks_mhz(self.root)
            self._hottest += _hottest(self.root)
            asks = has_smi and look % _SMI_EVERY == 0
            if asks and (told := _said(_SMI, f"--query-gpu={','.join(_SMI_FIELDS)}", "--format=csv,noheader")):
                for line in told.splitlines():
                    self._gpu.append(dict(zip(_SMI_FIELDS, map(str.strip, line.split(",")), strict=False)))
            if self._end.wait(_EVERY_S):
                return

    def _warnings(self) -> Iterator[str]:
        for name, times in _counters(self.root):
            if (more := times - self._counters.get(name, 0)) > 0:
                yield f"{name}: {more} more during the run"
        if self._clocks_mhz and min(self._clocks_mhz) < (1 - _SPREAD) * statistics.median(self._clocks_mhz):
            yield f"the processors' clocks moved: {_range(self._clocks_mhz, 'MHz')}"
        reasons = {one.get("clocks_throttle_reasons.active", "") for one in self._gpu}
        if any(_is_slowed(reason) for reason in reasons):
            yield "the GPU was slowed down by heat or power"

    def _not_read(self, settings: Mapping[str, str]) -> Iterator[str]:
        if self._cpu is None:
            yield "/proc/stat: who had the processors"
        if not self._clocks_mhz:
            yield "cpufreq and /proc/cpuinfo: clocks"
        if not self._hottest:
            yield "thermal zones: heat"
        if not any(name.startswith("throttled") for name in self._counters):
            yield "thermal_throttle: how often a processor was slowed down"
        if "governor" not in settings:
            yield "scaling_governor: how clocks are chosen"
        if not self._gpu and shutil.which(_SMI) is None and "nvpmodel" not in settings:
            yield "nvidia-smi and nvpmodel: a GPU's clocks and power mode"


def _load() -> float | None:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _range(values: list[float], unit: str) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{low:.0f} {unit}" if low == high else f"{middle:.0f} {unit} ({low:.0f} to {high:.0f})"


def _clocks_mhz(root: Path) -> list[float]:
    found = [khz / 1e3 for path in _cpus(root, "cpufreq/scaling_cur_freq") if (khz := _number(path)) is not None]
    if found:
        return found
    lines = (_text(root / "proc/cpuinfo") or "").splitlines()
    return [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]


def _hottest(root: Path) -> list[float]:
    read = (_number(path) for path in (root / "sys/class/thermal").glob("thermal_zone*/temp"))
    found = [milli / 1e3 for milli in read if milli is not None]
    return [max(found)] if found else []


def _counters(root: Path) -> Iterator[tuple[str, int]]:
    """Give what counts up when a processor is slowed down."""
    kinds = {"core": "throttled cores", "package": "throttled packages"}
    for kind, name in kinds.items():
        counts = [_number(path) for path in _cpus(root, f"thermal_throttle/{kind}_throttle_count")]
        if any(count is not None for count in counts):
            yield name, int(sum(count or 0 for count in counts))
    quota = _text(root / "sys/fs/cgroup/cpu.stat") or _text(root / "sys/fs/cgroup/cpu/cpu.stat") or ""
    for line in quota.splitlines():
        if line.startswith("nr_throttled "):
            yield "held back by the control group's quota", int(line.split()[1])


def _power_modes(root: Path) -> dict[str, str]:
    """Read what chooses clocks: settings that differ between two runs explain more than any code."""
    found = {}
    cpus = root / "sys/devices/system/cpu"
    governors = {text for path in _cpus(root, "cpufreq/scaling_governor") if (text := _text(path))}
    preferences = {text for path in _cpus(root, "cpufreq/energy_performance_preference") if (text := _text(path))}
    for name, values in (("governor", governors), ("energy preference", preferences)):
        if values:
            found[name] = ", ".join(sorted(values))
    for name, path in (
        ("turbo off (intel_pstate)", cpus / "intel_pstate/no_turbo"),
        ("boost (cpufreq)", cpus / "cpufreq/boost"),
        ("platform profile", root / "sys/firmware/acpi/platform_profile"),
    ):
        if text := _text(path):
            found[name] = text
    for supply in sorted((root / "sys/class/power_supply").glob("*")):
        for name in ("online", "status"):
            if text := _text(supply / name):
                found[f"{supply.name} {name}"] = text
    for program, *arguments in (("nvpmodel", "-q"), ("vcgencmd", "get_throttled")):
        if told := _said(program, *arguments):
            found[program] = " ".join(told.split())
    return found


def _size(reading: str) -> tuple[float, str]:
    """Order readings as `1980 MHz` by their numbers."""
    try:
        return float(reading.split(maxsplit=1)[0]), reading
    except (ValueError, IndexError):
        return 0.0, reading


def _is_slowed(reason: str) -> bool:
    try:
        return bool(int(reason, 16) & _SMI_SLOWED)
    except ValueError:
        return False


def _cpus(root: Path, name: str) -> list[Path]:
    affinity = getattr(os, "sched_getaffinity", None)
    numbers = range(os.cpu_count() or 1) if affinity is None else sorted(affinity(0))
    return [root / "sys/devices/system/cpu" / f"cpu{number}" / name for number in numbers]


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _number(path: Path) -> float | None:
    try:
        return float(_text(path) or "")
    except ValueError:
        return None


def _said(program: str, *arguments: str) -> str | None:
    path = shutil.which(program)
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, *arguments], capture_output=True, text=True, timeout=_PROGRAM_S, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None

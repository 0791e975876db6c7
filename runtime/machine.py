"""What this machine has, found out without needing any of it: nothing here fails where a thing is absent."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

CPU_FEATURES = (
    ("avx2", "the least for a good speed on x86"),
    ("avx512f", "wide vectors"),
    ("avx512_vnni", "fast int8"),
    ("avx_vnni", "fast int8"),
    ("avx512_bf16", "fast bfloat16"),
    ("amx_bf16", "very fast bfloat16"),
    ("amx_int8", "very fast int8"),
    ("asimddp", "fast int8 on ARM"),
    ("i8mm", "faster int8 on ARM"),
    ("bf16", "fast bfloat16 on ARM"),
)
"""Flags of /proc/cpuinfo that decide what a precision costs, with what each is good for."""

_WHOLE_INT8_SUMS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})
"""With any of these int8 products are summed in 32 bits."""

_WITHOUT_THEM = frozenset({"SSE41", "AVX", "AVX2", "AVX512_CORE"})
"""Values of ONEDNN_MAX_CPU_ISA under which OpenVINO leaves them and bfloat16 alone."""

ONNXRUNTIME_DISTRIBUTIONS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
    "onnxruntime-training",
)
"""Packages that all install the module `onnxruntime` and overwrite one another's files."""

OPENCV_DISTRIBUTIONS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
"""Packages that all install the module `cv2`."""

_SMI_QUERY = "--query-gpu=name,driver_version,memory.total,compute_cap"
_SMI_TIMEOUT_S = 10.0


def version_of(distribution: str) -> str | None:
    """Find the version of an installed package without importing it."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def installed_of(distributions: Iterable[str]) -> dict[str, str]:
    """Select the packages that are installed, with their versions."""
    found = {name: version_of(name) for name in distributions}
    return {name: version for name, version in found.items() if version is not None}


def version_key(version: str) -> tuple[int, ...]:
    """Turn `1.18.0rc1` into something that sorts: the numbers of its first parts, at most four."""
    parts = []
    for part in re.split(r"[.+-]", version)[:4]:
        digits = re.match(r"\d+", part)
        if digits is None:
            break
        parts.append(int(digits[0]))
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)


def cpu_model(cpuinfo: str) -> str:
    """Name the processor, from the text of /proc/cpuinfo or else as Python knows it."""
    match = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return match[1].strip() if match else platform.processor() or platform.machine()


def cpu_features(cpuinfo: str) -> tuple[str, ...]:
    """Select the flags of CPU_FEATURES that the text of /proc/cpuinfo has."""
    match = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    flags = set(match[1].split()) if match else set()
    return tuple(name for name, _ in CPU_FEATURES if name in flags)


def processor_kind(cpuinfo: str | None = None) -> str:
    """Name what decides how this processor computes int8 and bfloat16, as `avx2 avx512_vnni avx512_bf16`.

    Args:
        cpuinfo: text of /proc/cpuinfo; none reads it. On other systems nothing is known.
    """
    found = cpu_features(read_cpuinfo() if cpuinfo is None else cpuinfo)
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in _WITHOUT_THEM:
        found = tuple(name for name in found if name == "avx2")
    return " ".join(name for name in found if name != "avx512f")


def saturates_int8(kind: str) -> bool:
    """Tell whether a kind of processor cuts sums of two int8 products to 16 bits: x86 before VNNI.

    Nothing known is taken for a processor that does not.
    """
    return "avx2" in kind.split() and _WHOLE_INT8_SUMS.isdisjoint(kind.split())


def read_cpuinfo(path: Path = Path("/proc/cpuinfo")) -> str:
    """Read Linux's description of the processors; empty on other systems."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def usable_cores() -> int:
    """Count the logical cores that this process may use: by its affinity, and by the quota of its control group."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone
    cores = os.cpu_count() or 1 if affinity is None else len(affinity(0))
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, math.floor(quota)))


def frames_in_flight() -> int:
    """Count the frames that are looked at together where many wait: one more than cores.

    While a thread hands over a result or waits for Python's lock, its core has another frame to compute: on two cores,
    three frames made a loop over int8 in OpenVINO 1.13 times as fast as two, one over ONNX Runtime 1.02 times.
    """
    return usable_cores() + 1


def cpu_quota(membership: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Read how many cores' time this process' control group allows, in Linux's version 1 or 2; none without a limit.

    Args:
        membership: lines `number:controllers:/group`.
        root: where the groups are mounted. In a container this is the group itself, whatever `membership` says.
    """
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    quotas = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = [root / controllers, root / "cpu"] if controllers else [root, root / "unified"]
        inside = Path(group.lstrip("/"))
        for mount in mounts:
            folders = {mount / part for part in (inside, *inside.parents)}  # a limit of a parent holds, too
            quotas += [quota for folder in folders if (quota := _quota_of(folder)) is not None]
    return min(quotas, default=None)


def _quota_of(folder: Path) -> float | None:
    try:
        if (folder / "cpu.max").is_file():  # version 2
            quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        else:
            quota, period = (
                (folder / f"cpu.cfs_{name}_us").read_text(encoding="utf-8").strip() for name in ("quota", "period")
            )
        return int(quota) / int(period) if quota not in ("max", "-1") else None
    except (OSError, ValueError):
        return None


def nvidia_gpus() -> tuple[str, ...]:
    """List NVIDIA GPUs by nvidia-smi, as name, driver, memory, compute capability; none without a driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        done = subprocess.run(
            [program, _SMI_QUERY, "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=_SMI_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(line.strip() for line in done.stdout.splitlines() if line.strip()) if done.returncode == 0 else ()


def has_cuda_driver() -> bool:
    """Tell whether NVIDIA's driver library can be loaded; that there is a GPU does not follow."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def camera_devices(folder: Path = Path("/dev")) -> tuple[Path, ...]:
    """List the video devices of Linux; a camera may bring several, of which some deliver no pictures."""
    return tuple(sorted(folder.glob("video[0-9]*"), key=lambda path: int(path.name.removeprefix("video"))))

"""The findings of `singleshot doctor`, each with what mends it."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from packaging.requirements import Requirement

from ... import __version__
from ...runtime import machine
from ...runtime.errors import DeviceError, InputError, MissingDependencyError, NoDeviceError
from ...runtime.require import can_train
from .check_opencv import check_opencv
from .opencv_places import gstreamer_in, opencv_places, system_folders

if TYPE_CHECKING:
    from ...runtime.runners.plugin_providers import PluginName

State = Literal["ok", "none", "warning", "broken"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Args:
        name: what.
        state: `none` is absent and not needed; `broken` keeps detection from working.
        found: what there is.
        advice: what mends or brings it; may be empty.
    """

    name: str
    state: State
    found: str
    advice: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        return asdict(self)


def examine() -> list[Finding]:
    """Look at everything; nothing is changed, nothing is downloaded, no camera is opened."""
    findings = [_python(), _processor(), _base_packages(), onnxruntime_finding(), opencv_finding()]
    # What OpenCV or ONNX Runtime lack would only be said a second time.
    works = all(finding.state != "broken" for finding in findings)
    checks: list[Callable[[], Finding]] = [_encoder, _cameras, _nvidia, _tensorrt, _cuda_layer, _openvino]

    if works:
        checks += [partial(_plugin, "openvino"), partial(_plugin, "rtx"), _backends, _display, _shipped_detector]
    return [*findings, *(check() for check in checks), *extras_findings(_requirements(), _extras())]


def onnxruntime_finding() -> Finding:
    """Look at ONNX Runtime: exactly one of its packages, and what it can compute on."""
    name = "ONNX Runtime"
    installed = machine.installed_of(machine.ONNXRUNTIME_DISTRIBUTIONS)
    packages = _listed(installed)
    if len(installed) > 1:
        keep = "onnxruntime-gpu" if "onnxruntime-gpu" in installed else next(iter(installed))
        return Finding(
            name=name,
            state="broken",
            found=f"{packages}: they install the same module and overwrite each other's files",
            advice=f"pip uninstall -y {' '.join(installed)} && pip install {keep}",
        )
    try:
        module = importlib.import_module("onnxruntime")
        providers = ", ".join(name.removesuffix("ExecutionProvider") for name in module.get_available_providers())
    except (ImportError, AttributeError, OSError) as error:
        advice = f"pip install --force-reinstall --no-deps {next(iter(installed), 'onnxruntime')}"
        return Finding(name=name, state="broken", found=f"{packages or 'no package'}: {error}", advice=advice)
    found = f"{packages or module.__version__}; computes on {providers}"
    if "CUDA" in providers or not machine.has_cuda_driver():
        return Finding(name=name, state="ok", found=found)
    advice = "There is an NVIDIA driver: pip uninstall -y onnxruntime && pip install onnxruntime-gpu computes on CUDA."
    return Finding(name=name, state="ok", found=found, advice=advice)


def opencv_finding() -> Finding:
    """Look at OpenCV: whether it can be imported, which it is and why, and whether it hides one with GStreamer."""
    installed = machine.installed_of(machine.OPENCV_DISTRIBUTIONS)
    packages = _listed(installed)
    try:
        check_opencv()
    except InputError as error:
        return Finding(name="OpenCV", state="broken", found=packages or "no package", advice=str(error))
    if len(installed) > 1:
        return Finding(
            name="OpenCV",
            state="warning",
            found=f"{packages}: they install the same module",
            advice=f"pip uninstall -y {' '.join(installed)} && pip install opencv-python",
        )
    import cv2

    version = gstreamer_in(cv2.getBuildInformation())
    used = Path(cv2.__file__).resolve()
    others = [place for place in opencv_places([*sys.path, *system_folders()]) if place != used]
    found = (
        f"{packages or f'{cv2.__version__}, of none of its packages,'} from {used}, the first on Python's path; "
        f"{'without GStreamer' if version is None else f'with GStreamer {version}'}"
    )
    if not others:
        return Finding(name="OpenCV", state="ok", found=found)
    found += f"; not used: {', '.join(map(str, others))}"
    if version is not None:
        return Finding(name="OpenCV", state="ok", found=found)
    advice = f"Where that one has GStreamer, which csi:// and gst: need: {_uncovering(installed)}"
    return Finding(name="OpenCV", state="warning", found=found, advice=advice)


def _uncovering(installed: Iterable[str]) -> str:
    """Give the line after which Python takes the system's OpenCV."""
    uninstall = f"pip uninstall -y {' '.join(installed)}" if installed else "take the other off PYTHONPATH"
    if sys.prefix != sys.base_prefix and not any(folder in sys.path for folder in system_folders()):
        return f"{uninstall}, in an environment made by python3 -m venv --system-site-packages."
    return f"{uninstall}."


def extras_findings(requirements: Sequence[Requirement], extras: Iterable[str]) -> list[Finding]:
    """Say of each extra whether it is installed, and which line brings it.

    Args:
        requirements: of singleshot, as its metadata have them; none where it runs without being installed.
        extras: names of the extras.
    """
    if not requirements:
        found = "not known: singleshot runs from its folder and is not installed"
        return [Finding(name="extras", state="none", found=found, advice="pip install . in its folder installs it.")]
    findings = []
    for extra in sorted(extras):
        packages = _brought_by(extra, requirements)
        lacking = dict.fromkeys(_wanted(package) for package in packages if not _is_met(package))
        state: State = "none" if lacking else "ok"
        found = f"lacks {', '.join(lacking)}" if lacking else _listed(_installed(packages))
        advice = f"pip install 'singleshot[{extra}]'" if lacking else ""
        if advice and extra in ("train", "scale") and not can_train():
            advice += " in Python 3.11 or newer"
        findings.append(Finding(name=f"extra {extra}", state=state, found=found, advice=advice))
    return findings


def _python() -> Finding:
    interpreter = f"{platform.python_implementation()} {platform.python_version()}"
    found = f"singleshot {__version__}, {interpreter}, {platform.platform()}"
    advice = "" if can_train() else "Training alone needs Python 3.11 or newer."
    return Finding(name="Python", state="ok", found=found, advice=advice)


def _processor() -> Finding:
    cpuinfo = machine.read_cpuinfo()
    purposes = dict(machine.CPU_FEATURES)
    features = ", ".join(f"{name} ({purposes[name]})" for name in machine.cpu_features(cpuinfo))
    unknown = "none that matters" if cpuinfo else "its features are not known on this system"
    found = f"{machine.cpu_model(cpuinfo)}, {machine.usable_cores()} usable cores; {features or unknown}"
    return Finding(name="processor", state="ok", found=found)


def _base_packages() -> Finding:
    """Look at the versions of what the base needs; two of them have findings of their own as well."""
    base = [item for item in _requirements() if _is_for(item, "")]
    elsewhere = {"onnxruntime", "opencv-python"}  # other packages may stand in for these
    wrong = [
        item for item in base if not _is_met(item) and (item.name not in elsewhere or _installed([item])[item.name])
    ]
    if not base:
        return Finding(name="packages", state="none", found="not checked: singleshot is not installed")
    if not wrong:
        return Finding(name="packages", state="ok", found=_listed(_installed(base)))
    return Finding(
        name="packages",
        state="broken",
        found="; ".join(f"{_wanted(item)}, got {_installed([item])[item.name] or 'none'}" for item in wrong),
        advice="pip install " + " ".join(f"'{_wanted(item)}'" for item in wrong),
    )


def _encoder() -> Finding:
    name, mend = "video encoder", "pip install --force-reinstall av"
    try:
        import av

        av.codec.Codec("libx264", "w")
    except ImportError as error:
        return Finding(name=name, state="broken", found=f"PyAV cannot be imported: {error}", advice=mend)
    except (ValueError, av.FFmpegError):
        found = f"PyAV {av.__version__} without an H.264 encoder: --save cannot write videos"
        return Finding(name=name, state="broken", found=found, advice=mend)
    return Finding(name=name, state="ok", found=f"PyAV {av.__version__} with H.264 (libx264)")


def _backends() -> Finding:
    import cv2

    registry = cv2.videoio_registry
    usable = filter(registry.hasBackend, registry.getCameraBackends())
    cameras = ", ".join(map(registry.getBackendName, usable))
    state: State = "ok" if cameras else "warning"
    return Finding(name="camera backends", state=state, found=f"OpenCV's: {cameras or 'none, so no camera will open'}")


def _cameras() -> Finding:
    if sys.platform != "linux":
        return Finding(name="cameras", state="none", found="not listed on this system; try rt-detect --video cam0")
    devices = machine.camera_devices()
    if not devices:
        return Finding(name="cameras", state="none", found="no /dev/video*")
    closed = [str(path) for path in devices if not os.access(path, os.R_OK | os.W_OK)]
    found = ", ".join(map(str, devices))
    if closed:
        advice = "sudo usermod -aG video $USER, then log in again."
        return Finding(
            name="cameras", state="warning", found=f"{found}; no access to {', '.join(closed)}", advice=advice
        )
    return Finding(name="cameras", state="ok", found=found)


def _display() -> Finding:
    from ...runtime.sinks.window import check_display

    try:
        check_display()
    except InputError as error:
        return Finding(name="display", state="none", found=f"{error}")
    return Finding(name="display", state="ok", found="a window can be opened")


def _nvidia() -> Finding:
    gpus = machine.nvidia_gpus()
    if gpus:
        return Finding(name="NVIDIA GPU", state="ok", found="; ".join(gpus))
    if machine.has_cuda_driver():
        found = "the driver's library is there, nvidia-smi shows no GPU"
        return Finding(name="NVIDIA GPU", state="warning", found=found, advice="Look at `nvidia-smi`.")
    return Finding(name="NVIDIA GPU", state="none", found="no driver")


def _tensorrt() -> Finding:
    installed = machine.installed_of(("tensorrt", "tensorrt-rtx", "cuda-python", "pycuda"))
    state: State = "ok" if {"tensorrt", "tensorrt-rtx"} & set(installed) else "none"
    return Finding(name="TensorRT", state=state, found=_listed(installed) or "neither TensorRT nor TensorRT-RTX")


def _cuda_layer() -> Finding:
    """Say through which package an engine would reach the GPU."""
    from ...runtime.engines.open_cuda import open_cuda

    name = "CUDA layer"
    try:
        cuda = open_cuda()
    except MissingDependencyError as error:
        return Finding(name=name, state="none", found="neither cuda-python nor pycuda", advice=str(error))
    except NoDeviceError as error:
        return Finding(name=name, state="none", found=f"no GPU: {error.reason}")
    except DeviceError as error:
        return Finding(name=name, state="warning", found=str(error), advice="Look at `nvidia-smi`.")
    graphs = "records CUDA graphs" if cuda.capture is not None else "records no CUDA graphs"
    device = f"{cuda.device.name}, compute capability {cuda.device.compute_capability}"
    found = f"{cuda.name}, {graphs}, on {device}"
    cuda.close()
    return Finding(name=name, state="ok", found=found)


def _openvino() -> Finding:
    installed = machine.installed_of(("openvino",))
    if not installed:
        return Finding(name="OpenVINO", state="none", found="not installed")
    from ...runtime.runners import openvino_runner

    try:
        core = openvino_runner.core()
        devices = core.available_devices
        abilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") if "CPU" in devices else ()
    except (ImportError, AttributeError, RuntimeError, OSError) as error:
        found = f"{_listed(installed)} cannot be used: {error}"
        return Finding(name="OpenVINO", state="warning", found=found, advice="pip install --force-reinstall openvino")
    found = f"{_listed(installed)}; computes on {', '.join(devices) or 'nothing'}"
    fast = ", ".join(name.lower() for name in ("FP32", "BF16", "INT8") if name in abilities)
    return Finding(name="OpenVINO", state="ok", found=found + (f", by the processor in {fast}" if fast else ""))


def _plugin(plugin: PluginName) -> Finding:
    """Say of a provider that is a package of its own whether it finds a device."""
    from ...runtime.runners.plugin_providers import PLUGINS, plugin_device

    name = f"onnxruntime:{plugin}"
    installed = machine.installed_of((PLUGINS[plugin].distribution,))
    if not installed:
        return Finding(name=name, state="none", found=f"{PLUGINS[plugin].distribution} is not installed")
    try:
        device = plugin_device(plugin).device
    except (InputError, MissingDependencyError) as error:
        return Finding(name=name, state="none", found=f"{_listed(installed)}: {error}")
    found = f"{_listed(installed)}; computes on the {device.type.name} of {device.vendor}"
    return Finding(name=name, state="ok", found=found)


def _shipped_detector() -> Finding:
    """Run the shipped detector once on a grey frame: the whole way from frame to detections."""
    import numpy as np

    from ...runtime.session import detect, open_session
    from ...runtime.shipped import shipped_detector

    name = "shipped detector"
    try:
        path = shipped_detector()
    except InputError as error:
        return Finding(name=name, state="warning", found="absent", advice=str(error))
    try:
        with open_session(path) as session:
            detect(session, np.full((480, 640, 3), 114, np.uint8))
            found = f"runs on {session.backend}: {', '.join(session.card.class_names)}"
    except InputError as error:
        return Finding(name=name, state="broken", found=str(error), advice="Install singleshot again.")
    return Finding(name=name, state="ok", found=found)


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}".strip() for name, version in versions.items())


def _requirements() -> list[Requirement]:
    """Read what the installed package asks for; nothing where it runs from a folder without being installed."""
    try:
        return [Requirement(line) for line in metadata.requires("singleshot") or []]
    except metadata.PackageNotFoundError:
        return []


def _extras() -> list[str]:
    """Name the installed package's extras."""
    try:
        return metadata.metadata("singleshot").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return []


def _is_for(requirement: Requirement, extra: str) -> bool:
    """Whether it is asked for by an extra alone, or by the base, whose name is empty, on this machine."""
    marker = requirement.marker
    if marker is None or not extra:
        return not extra and (marker is None or marker.evaluate({"extra": ""}))
    return marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def _brought_by(extra: str, requirements: Sequence[Requirement]) -> list[Requirement]:
    """Give the packages of an extra and of those that it takes in."""
    extras, packages = [extra], []
    for name in extras:  # grows while it is read
        for requirement in requirements:
            if _is_for(requirement, name):
                if requirement.name == "singleshot":
                    extras += [taken for taken in sorted(requirement.extras) if taken not in extras]
                else:
                    packages.append(requirement)
    return packages


def _is_met(requirement: Requirement) -> bool:
    installed = machine.version_of(requirement.name)
    return installed is not None and requirement.specifier.contains(installed, prereleases=True)


def _installed(requirements: Iterable[Requirement]) -> dict[str, str]:
    return {item.name: machine.version_of(item.name) or "" for item in requirements}


def _wanted(requirement: Requirement) -> str:
    return f"{requirement.name}{requirement.specifier}"

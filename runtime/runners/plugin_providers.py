"""Execution providers of ONNX Runtime that are packages of their own, beside the plain `onnxruntime`.

They end the clash of `onnxruntime` with `onnxruntime-gpu` and the like, which install the same module. Such a package
brings a library, which is registered once in a process and then offers the devices of this machine that it knows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import onnxruntime as ort

from ..errors import InputError, MissingDependencyError
from ..require import require
from .quiet_session import RUNTIME_ERRORS, reason_of

PluginName = Literal["openvino", "rtx"]


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A package that brings a provider.

    Args:
        distribution: as pip installs it.
        module: as Python imports it.
        extra: of singleshot, that brings it.
        provider: as ONNX Runtime calls it.
        device: of the kinds that it offers, the one that is taken; none takes the first.
        wants: what it needs to offer one.
    """

    distribution: str
    module: str
    extra: str
    provider: str
    device: str | None
    wants: str


PLUGINS: dict[PluginName, Plugin] = {
    "openvino": Plugin(
        distribution="onnxruntime-ep-openvino",
        module="onnxruntime_ep_openvino",
        extra="ep-openvino",
        provider="OpenVINOExecutionProvider",
        device="CPU",
        wants="a processor of Intel's",
    ),
    "rtx": Plugin(
        distribution="onnxruntime-ep-nv-tensorrt-rtx",
        module="onnxruntime_ep_nv_tensorrt_rtx",
        extra="ep-rtx",
        provider="NvTensorRTRTXExecutionProvider",
        device=None,
        wants="an RTX GPU of NVIDIA's with its driver",
    ),
}


def add_plugin(options: ort.SessionOptions, name: PluginName, *, threads: int | None) -> None:
    """Let a session compute by a plugin, what that cannot compute on the processor.

    Args:
        options: of the session.
        name: of the plugin.
        threads: that compute a frame on a processor; none leaves the choice to the plugin.

    Raises:
        InputError: it cannot be used here, or finds no device.
        MissingDependencyError: it is not installed, or this ONNX Runtime is too old for it.
    """
    options.add_provider_for_devices([plugin_device(name)], _settings(name, threads))


def plugin_device(name: PluginName) -> Any:  # an OrtEpDevice, which has no types
    """Find the device that a plugin computes on.

    Raises:
        InputError: it cannot be used here, or finds no device.
        MissingDependencyError: it is not installed, or this ONNX Runtime is too old for it.
    """
    plugin = PLUGINS[name]
    module = require(plugin.module, extra=plugin.extra, why=f"backend onnxruntime:{name}")
    if not hasattr(ort, "register_execution_provider_library"):
        raise MissingDependencyError(
            f"backend onnxruntime:{name} needs onnxruntime 1.23 or newer, this is {ort.__version__}. "
            "pip install -U onnxruntime brings it."
        )
    try:
        _register(name, str(module.get_library_path()))
    except (*RUNTIME_ERRORS, OSError) as error:
        raise InputError(
            f"backend onnxruntime:{name}: expected {plugin.wants}, got a library that cannot be loaded "
            f"({reason_of(error)}). `singleshot doctor` says what is there."
        ) from error
    devices = ort.get_ep_devices()
    offered = [item for item in devices if item.ep_name == plugin.provider]
    for item in offered:
        if plugin.device in (None, item.ep_metadata.get("ov_device")):
            return item
    found = ", ".join(f"{item.device.type.name} of {item.device.vendor or 'nobody known'}" for item in devices)
    raise InputError(
        f"backend onnxruntime:{name}: expected {plugin.wants}, for which {plugin.distribution} offers itself, got "
        f"{found}. --backend auto takes what works."
    )


@cache
def _register(name: str, library: str) -> None:
    """Register a library; ONNX Runtime refuses to do that twice."""
    ort.register_execution_provider_library(f"singleshot.{name}", library)


def _settings(name: PluginName, threads: int | None) -> dict[str, str]:
    """Compute in float32, which OpenVINO does not of itself where a processor has bf16."""
    if name != "openvino":
        return {}
    properties = {"INFERENCE_PRECISION_HINT": "f32"}
    if threads is not None:
        properties["INFERENCE_NUM_THREADS"] = str(threads)
    return {"load_config": json.dumps({"CPU": properties})}

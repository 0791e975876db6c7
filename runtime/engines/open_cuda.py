"""Which CUDA layer is installed, and opening it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, get_args

from ..errors import InputError, MissingDependencyError
from .cuda import CudaLayer

LayerName = Literal["cuda-python", "pycuda"]
"""The packages that can be used, the first that is installed is."""


_MODULES: dict[LayerName, str] = {"cuda-python": "cuda.bindings", "pycuda": "pycuda"}


def installed_layers() -> tuple[LayerName, ...]:
    """Name the packages that are installed, the preferred one first; none is imported."""
    return tuple(name for name in get_args(LayerName) if _is_installed(_MODULES[name]))


def open_cuda(layer: LayerName | None = None) -> CudaLayer:
    """Find the GPU.

    Args:
        layer: the package to use; cuda-python where it is installed, else pycuda, if none is named.

    Raises:
        MissingDependencyError: no package is installed.
        NoDeviceError: there is no GPU or no driver.
    """
    layers = installed_layers()
    if layer is not None and layer not in layers:
        raise InputError(f"CUDA layer: expected one that is installed ({', '.join(layers) or 'none'}), got {layer}.")
    if not layers:
        raise MissingDependencyError(
            "running on a GPU needs the package 'cuda-python' or 'pycuda', and neither is installed. "
            "pip install 'singleshot[rtx]' brings cuda-python, 'singleshot[pycuda]' the other."
        )
    if (layer or layers[0]) == "cuda-python":
        from .cuda_python_layer import CudaPython

        return CudaPython()
    from .pycuda_layer import PyCuda

    return PyCuda()


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package above it is not there
        return False

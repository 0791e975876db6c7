"""Runs a graph with ONNX Runtime."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from ..card import CARD_KEY, Card, card_from_json
from ..errors import InputError
from ..files import StrPath, cache_folder, sha256_of_file
from .contract import EXPORT_AGAIN, FRAMES, Outputs, TensorSpec
from .plugin_providers import PLUGINS, add_plugin
from .quiet_session import CPU, RUNTIME_ERRORS, Provider, ProviderChoice, open_quietly, quiet_options, reason_of

_CUDA, _TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"
_PROVIDERS = {_CUDA: "CUDA", CPU: "CPU"}
"""In order of preference, with the word for reports."""
_NAMED: dict[Provider, str] = {
    "cuda": _CUDA,
    "tensorrt": _TENSORRT,
    **{name: plugin.provider for name, plugin in PLUGINS.items()},
}
_WORDS = {_TENSORRT: "TensorRT", PLUGINS["rtx"].provider: "TensorRT-RTX", **_PROVIDERS}


class OnnxRuntimeRunner:
    """A graph with a card, run by ONNX Runtime on CUDA where that works, on the CPU elsewhere.

    Args:
        path: the .onnx file.
        threads: threads that compute one frame; none leaves the choice to ONNX Runtime.
        on_cpu: stay on the CPU although there is CUDA.
        keeps_casts: compute every Cast that the graph has; ONNX Runtime takes some out.
        provider: that has to work. TensorRT compiles the graph for each new size of batch, once: its engines are kept
            in the user's cache folder.
        spins: as `open_session`.

    Raises:
        InputError: the file is missing, is no graph, or has no card, or the provider does not work here.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int | None = None,
        on_cpu: bool = False,
        keeps_casts: bool = False,
        provider: Provider | None = None,
        spins: bool = True,
    ) -> None:
        check_threads(threads)
        self._session = load_graph(
            path, threads, on_cpu=on_cpu, keeps_casts=keeps_casts, provider=provider, spins=spins
        )
        self.card: Card = _card_of(self._session, path)
        self.inputs = _specs(self._session.get_inputs())
        self.outputs = _specs(self._session.get_outputs())
        computes = self._session.get_providers()[0]
        is_plugged_cpu = computes == PLUGINS["openvino"].provider
        self.name = "onnxruntime:openvino (CPU)" if is_plugged_cpu else f"onnxruntime ({_WORDS[computes]})"
        if (
            provider in ("tensorrt", "rtx") and FRAMES in self.inputs
        ):  # what takes minutes is done before a camera opens
            batch, *size = self.inputs[FRAMES].shape
            self.infer(np.zeros((batch or 1, *(side or 1 for side in size)), np.uint8))

    def infer(self, frames: NDArray[np.uint8]) -> Outputs:
        """Compute all outputs; see `Runner.infer`."""
        return dict(zip(self.outputs, self._session.run(list(self.outputs), {FRAMES: frames}), strict=True))

    def close(self) -> None:
        """Free the graph."""
        del self._session


@dataclass(frozen=True, kw_only=True)
class GraphFacts:
    """What a graph's file says of itself.

    Args:
        card: in its metadata.
        inputs: by name, in the file's order.
        outputs: by name, in the file's order.
    """

    card: Card
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]


def graph_facts(path: StrPath) -> GraphFacts:
    """Read what a graph's file says, for whoever runs it, without preparing it for running.

    Raises:
        InputError: the file is missing, is no graph, or has no card.
    """
    path = Path(path)
    session = load_graph(path, threads=1, to_run=False)
    return GraphFacts(
        card=_card_of(session, path), inputs=_specs(session.get_inputs()), outputs=_specs(session.get_outputs())
    )


def check_threads(threads: int | None) -> None:
    """Refuse a number of threads that computes nothing.

    Raises:
        InputError: it is below 1.
    """
    if threads is not None and threads < 1:
        raise InputError(f"threads: expected at least 1, got {threads}.")


def has_card(path: Path) -> bool:
    """Whether a graph is one of singleshot.

    Raises:
        InputError: the file is missing or is no graph.
    """
    return CARD_KEY in load_graph(path, threads=1, to_run=False).get_modelmeta().custom_metadata_map


def load_graph(
    path: Path,
    threads: int | None,
    *,
    to_run: bool = True,
    on_cpu: bool = False,
    keeps_casts: bool = False,
    provider: Provider | None = None,
    spins: bool = True,
) -> ort.InferenceSession:
    """Load any graph, with a card or without.

    Args:
        path: the .onnx file.
        threads: threads that compute a run; none leaves the choice to ONNX Runtime.
        to_run: optimize it for running.
        on_cpu: stay on the CPU although there is CUDA.
        keeps_casts: compute every Cast that the graph has.
        provider: that has to work; none takes CUDA where it works.
        spins: as `open_session`.

    Raises:
        InputError: the file is missing or is no graph, or the provider does not work here.
    """
    try:
        with path.open("rb") as file:
            file.read(1)
    except FileNotFoundError:
        raise InputError(f"{path}: expected an ONNX graph, got no such file.") from None
    except OSError as error:
        raise InputError(f"{path}: expected an ONNX graph, got {error.strerror}.") from error
    options = quiet_options(threads, spins=spins)
    is_on_cpu = on_cpu or not to_run
    providers: list[ProviderChoice] = [CPU] if is_on_cpu else _providers(provider, path)
    if provider in PLUGINS and not is_on_cpu:
        add_plugin(options, provider, threads=threads)
    if not to_run:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    elif keeps_casts:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    try:
        session = open_quietly(path, options, providers=providers)
    except RUNTIME_ERRORS as error:
        raise InputError(
            f"{path}: expected an ONNX graph, got a file that ONNX Runtime cannot load ({reason_of(error)}). "
            f"{EXPORT_AGAIN} `singleshot adapt` takes somebody else's detector, plugins cut off."
        ) from error
    if provider is not None and session.get_providers()[0] != _NAMED[provider]:
        computes = _WORDS[session.get_providers()[0]]
        raise InputError(
            f"backend onnxruntime:{provider}: expected a GPU with the libraries that ONNX Runtime asks for, got "
            f"{computes} alone. `singleshot doctor` says what is there; `--backend auto` takes what works."
        )
    return session


def _providers(provider: Provider | None, path: Path) -> list[ProviderChoice]:
    available = ort.get_available_providers()
    if _CUDA in available and hasattr(ort, "preload_dlls"):  # finds CUDA where pip put it; prints what it does not find
        with redirect_stdout(io.StringIO()):
            ort.preload_dlls()
    if provider in PLUGINS:
        return []
    usual: list[ProviderChoice] = [name for name in _PROVIDERS if name in available]
    if provider is None:
        return usual
    if _NAMED[provider] not in available:
        raise InputError(
            f"backend onnxruntime:{provider}: expected an ONNX Runtime that has it, got one for "
            f"{', '.join(name.removesuffix('ExecutionProvider') for name in available)}. "
            f"pip uninstall -y onnxruntime && pip install onnxruntime-gpu brings it."
        )
    return [(_TENSORRT, _tensorrt_settings(path)), *usual] if provider == "tensorrt" else usual


def _tensorrt_settings(path: Path) -> dict[str, object]:
    """Keep engines: by the graph's bytes, since TensorRT's provider would take those of a graph with other weights."""
    folder = cache_folder("onnxruntime-tensorrt") / f"{sha256_of_file(path)[:32]}-{ort.__version__}"
    with suppress(OSError):  # without a cache it compiles each time
        folder.mkdir(parents=True, exist_ok=True)
    is_kept = os.access(folder, os.W_OK)
    return {
        "trt_engine_cache_enable": is_kept,
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": is_kept,
        "trt_timing_cache_path": str(folder.parent),
    }


def _card_of(session: ort.InferenceSession, path: Path) -> Card:
    metadata = session.get_modelmeta().custom_metadata_map
    if CARD_KEY not in metadata:
        raise InputError(
            f"{path}: expected a graph with a card, got none under {CARD_KEY!r}. {EXPORT_AGAIN} "
            "`singleshot adapt` gives somebody else's detector one."
        )
    return card_from_json(metadata[CARD_KEY], source=str(path))


def _specs(values: list[ort.NodeArg]) -> dict[str, TensorSpec]:
    return {
        value.name: TensorSpec(
            dtype={"tensor(float)": "float32"}.get(value.type, value.type[len("tensor(") : -1]),
            shape=tuple(size if isinstance(size, int) else None for size in value.shape),
        )
        for value in values
    }

"""Executes, compares and times on an NVIDIA GPU all that is only compiled elsewhere."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...export.engine.build import build_engine
from ...export.engine.plan import BatchProfile, CompilerSettings
from ...export.engine.tensorrt_api import MODULES, Backend
from ...export.gate.latency import latencies_ms
from ...export.parity.detections import compare_detections
from ...export.parity.matching import pair_of_detections
from ...export.parity.parity import Parity
from ...export.parity.tolerances import TOLERANCES
from ...export.parity.verify import sampled_frames
from ...runtime.card import Card
from ...runtime.detection.detections import Detections
from ...runtime.detection.letterbox import fit_frame
from ...runtime.engines.cuda import CudaDevice, CudaLayer
from ...runtime.engines.open_cuda import LayerName, installed_layers, open_cuda
from ...runtime.engines.tensorrt_runner import TensorRtRunner
from ...runtime.errors import CheckError, SingleshotError
from ...runtime.machine import installed_of, nvidia_gpus
from ...runtime.precision import Precision
from ...runtime.runners.contract import check_task
from ...runtime.runners.onnxruntime_runner import OnnxRuntimeRunner
from ...runtime.session import GraphSession, Session

PACKAGES = ("tensorrt", "tensorrt-rtx", "cuda-python", "cuda-bindings", "pycuda", "onnxruntime", "onnxruntime-gpu")
BATCHES = (BatchProfile(), BatchProfile(least=1, best=4, most=8))
"""One frame at a time, and a profile."""
_COPIES = 50
Frames = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that was tried.

    Args:
        name: what.
        problem: why it failed, one line; empty where it did not.
        parity: against ONNX Runtime on the CPU; None where nothing was compared.
        figures: what was measured, by name and unit.
        notes: what else is to be known.
    """

    name: str
    problem: str = ""
    parity: Parity | None = None
    figures: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether it worked, and agreed where it was compared."""
        return not self.problem and (self.parity is None or self.parity.holds)

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        return {
            "name": self.name,
            "holds": self.holds,
            "problem": self.problem,
            "parity": None if self.parity is None else self.parity.to_dict(),
            "figures": self.figures,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, kw_only=True)
class GpuVerification:
    """What a GPU did.

    Args:
        device: the GPU.
        driver: what nvidia-smi says of it; empty where it is not there.
        packages: name and version of what was used.
        graph: name of the graph.
        frames: where they came from, and how many.
        steps: in the order in which they were tried.
    """

    device: CudaDevice
    driver: tuple[str, ...]
    packages: dict[str, str]
    graph: str
    frames: str
    steps: tuple[Step, ...]

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        return {
            "device": {"name": self.device.name, "compute_capability": self.device.compute_capability},
            "nvidia_smi": list(self.driver),
            "packages": self.packages,
            "graph": self.graph,
            "frames": self.frames,
            "steps": [step.to_dict() for step in self.steps],
        }

    def check(self) -> None:
        """Raise unless every step worked and agreed.

        Raises:
            CheckError: one did not, or no engine was executed.
        """
        failed = [step.name for step in self.steps if not step.holds]
        if failed:
            raise CheckError(f"GPU: expected every step to work, got trouble with {'; '.join(failed)}.")
        if not any(step.name.startswith("engine") for step in self.steps):
            raise CheckError("GPU: expected an engine to execute, got neither TensorRT nor TensorRT-RTX installed.")


def verify_on_gpu(
    graph: Path,
    *,
    frames: str,
    count: int,
    folder: Path,
    int8_graph: Path | None = None,
    on_step: Callable[[str], None] = lambda _name: None,
) -> GpuVerification:
    """Try everything that a GPU can do for a detector, one step after the other; a step that fails does not end it.

    Copies through every installed CUDA package; the graph on ONNX Runtime's CUDA; engines of every installed TensorRT,
    precision and batch, executed with and without a CUDA graph. All are compared with ONNX Runtime on the CPU.

    Args:
        graph: a detector.
        frames: real ones, as `open_source` takes them.
        count: how many of them, spread evenly.
        folder: for the engines.
        int8_graph: the detector quantized; without it there is no int8 engine.
        on_step: told the name of each step before it starts.

    Raises:
        NoDeviceError: there is no GPU.
        MissingDependencyError: no CUDA package is installed.
        InputError: the graph or the frames cannot be used.
    """
    cuda = open_cuda()
    device = cuda.device
    cuda.close()
    with GraphSession(graph, OnnxRuntimeRunner(graph, on_cpu=True)) as session:
        card = session.card
    check_task(card, "detector", source=str(graph))
    images, _warnings = sampled_frames(frames, count)
    fitted = [fit_frame(frame.image, card.input)[np.newaxis] for frame in images]
    steps = []
    for name, work in _steps(graph, int8_graph, fitted, folder):
        on_step(name)
        try:
            steps.append(work(name))
        except SingleshotError as error:
            steps.append(Step(name=name, problem=" ".join(str(error).split())))
    return GpuVerification(
        device=device,
        driver=nvidia_gpus(),
        packages=installed_of(PACKAGES),
        graph=graph.name,
        frames=f"{len(fitted)} frames of {Path(frames).name}",
        steps=tuple(steps),
    )


def _steps(
    graph: Path, int8_graph: Path | None, frames: Frames, folder: Path
) -> Iterable[tuple[str, Callable[[str], Step]]]:
    import onnxruntime

    for layer in installed_layers():
        yield f"copies by {layer}", partial(time_copies, layer=layer, size=frames[0].nbytes)
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        yield "graph by ONNX Runtime on CUDA", partial(_try_onnxruntime, graph=graph, frames=frames)
    sources: dict[Precision, Path] = {Precision.FP32: graph, Precision.FP16: graph}
    if int8_graph is not None:
        sources[Precision.INT8] = int8_graph
    for backend in _installed_backends():
        for precision, source in sources.items():
            for batch in BATCHES:
                trial = _EngineTrial(source=source, backend=backend, precision=precision, batch=batch, folder=folder)
                yield trial.name, partial(trial.run, frames=frames)


def _installed_backends() -> list[Backend]:
    backends: tuple[Backend, ...] = ("tensorrt", "rtx")
    return [backend for backend in backends if find_spec(MODULES[backend]) is not None]


def time_copies(name: str, layer: LayerName, size: int) -> Step:
    """Copy a frame to the GPU and back, from page-locked and from ordinary memory, and time it by the GPU's clock.

    Args:
        name: what the report calls the step.
        layer: the CUDA package that copies.
        size: bytes of a frame.

    Raises:
        CheckError: what came back is something else.
        DeviceError: the GPU or its driver refuses.
    """
    with ExitStack() as owned:
        cuda = open_cuda(layer)
        owned.callback(cuda.close)
        pinned = cuda.allocate_pinned(size)
        owned.callback(cuda.free_pinned, pinned)
        address = cuda.allocate_device(size)
        owned.callback(cuda.free_device, address)
        events = cuda.create_event(), cuda.create_event()
        for event in events:
            owned.callback(cuda.destroy_event, event)
        stream = cuda.create_stream()
        owned.callback(cuda.destroy_stream, stream)
        figures: dict[str, float] = {}
        for kind, memory in (("page-locked", pinned), ("ordinary", np.zeros(size, np.uint8))):
            there, back = _round_trips(cuda, memory, address, stream, events)
            figures |= {f"{kind} memory to the GPU, ms": there, f"{kind} memory from the GPU, ms": back}
        records = "records CUDA graphs" if cuda.capture is not None else "records no CUDA graphs"
        return Step(name=name, figures=figures, notes=(f"{cuda.name} {records}", f"{size} bytes, median of {_COPIES}"))


def _round_trips(
    cuda: CudaLayer, memory: NDArray[np.uint8], address: int, stream: int, events: tuple[int, int]
) -> tuple[float, float]:
    there, back = [], []
    for number in range(_COPIES):
        expected = (np.arange(memory.size) + number).astype(np.uint8)
        memory[:] = expected
        there.append(_timed(cuda, stream, events, lambda: cuda.copy_to_device(address, memory, stream)))
        memory[:] = 0
        back.append(_timed(cuda, stream, events, lambda: cuda.copy_to_host(memory, address, stream)))
        if not np.array_equal(memory, expected):
            raise CheckError(f"{cuda.name}: expected the bytes that were sent to the GPU, got others back.")
    return statistics.median(there), statistics.median(back)


def _timed(cuda: CudaLayer, stream: int, events: tuple[int, int], work: Callable[[], None]) -> float:
    cuda.record_event(events[0], stream)
    work()
    cuda.record_event(events[1], stream)
    cuda.wait_for_event(events[1])
    return cuda.elapsed_ms(*events)


def _try_onnxruntime(name: str, graph: Path, frames: Frames) -> Step:
    with (
        GraphSession(graph, OnnxRuntimeRunner(graph, on_cpu=True)) as cpu,
        GraphSession(graph, OnnxRuntimeRunner(graph)) as cuda,
    ):
        parity = _parity(cpu, cuda, frames, batch=1, precision=Precision.FP16)  # CUDA's convolutions may use TF32
        on_cpu, on_cuda = latencies_ms([cpu, cuda], frames)
        figures = {"one frame on the CPU, ms": on_cpu, "one frame on CUDA, ms": on_cuda}
        return Step(name=name, parity=parity, figures=figures, notes=(cuda.backend,))


@dataclass(frozen=True, kw_only=True)
class _EngineTrial:
    """One engine: built, opened, executed, compared, timed."""

    source: Path
    backend: Backend
    precision: Precision
    batch: BatchProfile
    folder: Path

    @property
    def name(self) -> str:
        batch = self.batch
        frames = f"{batch.most}" if batch.is_fixed else f"{batch.least}:{batch.best}:{batch.most}"
        return f"engine {self.backend} {self.precision} batch {frames}"

    def run(self, name: str, frames: Frames) -> Step:
        out = self.folder / f"{self.name.replace(' ', '-').replace(':', '-')}.engine"
        settings = CompilerSettings(batch=self.batch)
        built = build_engine(self.source, out, precision=self.precision, backend=self.backend, settings=settings)
        started_s = time.perf_counter()
        with ExitStack() as opened:
            graph = opened.enter_context(GraphSession(self.source, OnnxRuntimeRunner(self.source, on_cpu=True)))
            recorded = opened.enter_context(GraphSession(out, TensorRtRunner(out)))
            load_s = time.perf_counter() - started_s
            single = opened.enter_context(GraphSession(out, TensorRtRunner(out, captures=False)))
            parity = _parity(graph, recorded, frames, batch=self.batch.most, precision=self.precision)
            times_ms = latencies_ms([graph, recorded, single], frames)
            names = ("ONNX Runtime on the CPU", "CUDA graph", "call by call")
            figures = {f"one frame, {who}, ms": value for who, value in zip(names, times_ms, strict=True)}
            figures |= {"build, s": built.build_s, "load and warm-up, s": load_s, "size, MB": built.size / 1e6}
            return Step(name=name, parity=parity, figures=figures, notes=(recorded.backend, *built.notes))


def _parity(expected: Session, found: Session, frames: Frames, *, batch: int, precision: Precision) -> Parity:
    """Compare detections; the second session gets the frames in batches, the last of which may be smaller."""
    card: Card = expected.card
    pairs = [
        pair_of_detections(left, right, class_count=len(card.class_names))
        for left, right in zip(_detect(expected, frames, 1), _detect(found, frames, batch), strict=True)
    ]
    return compare_detections(pairs, card.postprocess, heads_difference=None, tolerances=TOLERANCES[precision])


def _detect(session: Session, frames: Frames, batch: int) -> list[Detections]:
    found: list[Detections] = []
    left = iter(frames)
    while chunk := list(islice(left, batch)):
        found += session.run(np.concatenate(chunk))
    return found

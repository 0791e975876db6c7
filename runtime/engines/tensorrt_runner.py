"""Runs an engine with TensorRT or TensorRT-RTX."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DeviceError, InputError, NoDeviceError
from ..files import cache_folder
from ..require import require
from ..runners.contract import FRAMES, Outputs, TensorSpec, check_contract
from .bindings import ContextApi
from .cuda import CudaLayer
from .engine import TensorRtEngine
from .engine_checks import EngineDevice, check_engine, engine_of, graph_of, load_engine_card, rebuild_hint
from .open_cuda import LayerName, open_cuda


@dataclass(frozen=True, kw_only=True, eq=False)
class _Buffer:
    """The memory of one tensor, for the largest batch, on the GPU and page-locked on the host."""

    address: int
    host: NDArray[Any]
    """[most, ...] of the tensor's type."""

    def bytes_of(self, count: int) -> NDArray[np.uint8]:
        """Return the first `count` rows on the host as bytes."""
        return self.host[:count].reshape(-1).view(np.uint8)


class TensorRtRunner:
    """An engine on the first GPU, executed on a stream of its own.

    All memory is allocated here, once, for the largest batch. The second run in a row of the same number of frames is
    recorded as a CUDA graph, copies included, and every further one launches it; where that cannot be done the calls
    are made one by one, and `name` says why. The first two runs are made here, with the smallest batch and blank
    frames. Several threads take turns.

    Args:
        path: the engine, its card beside it.
        trust: run it although this user did not build it.
        layer: the package that brings CUDA; the preferred one that is installed, if none is named.
        captures: whether to use a CUDA graph.

    Raises:
        InputError: the engine or its card cannot be used here, or there is no GPU.
        MissingDependencyError: TensorRT or the CUDA package is not installed.
        DeviceError: the GPU or its driver refuses.
    """

    def __init__(
        self, path: Path, *, trust: bool = False, layer: LayerName | None = None, captures: bool = True
    ) -> None:
        self._path = path
        self._lock = Lock()
        self.card = load_engine_card(path)
        record = engine_of(self.card, source=str(path))
        with ExitStack() as owned:
            self._cuda = self._open_cuda(layer)
            owned.callback(self._cuda.close)
            extra = "rtx" if record.compiler == "tensorrt_rtx" else "tensorrt"
            module = require(record.compiler, extra=extra, why=f"{path}, an engine,")
            device = self._engine_device(str(module.__version__))
            plan = check_engine(path, self.card, device, trust=trust)
            mend = rebuild_hint(path, record)
            kept = cache_folder("tensorrt-rtx") / f"{record.plan_sha256[:32]}-{device.version}.cache"
            self._engine = TensorRtEngine(path, plan, module, batch_of=FRAMES, mend=mend, compiled=kept)
            owned.callback(self._engine.close)
            self.inputs = self._engine.tensors("INPUT")
            self.outputs = self._engine.tensors("OUTPUT")
            check_contract(self.card, self.inputs, self.outputs, source=str(path), mend=mend)
            self._batches = self._engine.batches()
            self._allocate(owned)
            self._refusal = self._why_no_capture(captures)
            self._warm_up()
            self._engine.keep_compiled()
            self._owned = owned.pop_all()

    @property
    def name(self) -> str:
        """For example `TensorRT 10.3.0 (NVIDIA RTX A2000, cuda-python 13.4.4, CUDA graph)`."""
        how = "CUDA graph" if self._refusal is None else f"no CUDA graph: {self._refusal}"
        return f"{self._engine.title} ({self._cuda.device.name}, {self._cuda.name}, {how})"

    @property
    def most(self) -> int:
        """The most frames that it takes at once."""
        return max(batch.most for batch in self._batches)

    def infer(self, frames: NDArray[np.uint8]) -> Outputs:
        """Compute all outputs; see `Runner.infer`.

        Raises:
            InputError: the engine takes no batch of this size.
            DeviceError: the GPU or its driver refuses.
        """
        count = len(frames)
        with self._lock:
            self._take(count)
            self._buffers[FRAMES].host[:count] = frames
            self._run()
            return {name: self._buffers[name].host[:count].copy() for name in self.outputs}

    def close(self) -> None:
        """Free everything in the reverse order of its making; a second time does nothing."""
        self._owned.close()

    def _open_cuda(self, layer: LayerName | None) -> CudaLayer:
        try:
            return open_cuda(layer)
        except NoDeviceError as error:
            graph = graph_of(self._path, engine_of(self.card, source=str(self._path)))
            instead = (
                f"The graph runs here: rt-detect --model {graph}"
                if graph.is_file()
                else f"The graph that it was built from, {graph.name}, runs without one, and is not beside it"
            )
            raise InputError(
                f"{self._path}: expected an NVIDIA GPU to run an engine on, got none ({error.reason}). {instead}"
            ) from error

    def _engine_device(self, version: str) -> EngineDevice:
        return EngineDevice(
            compiler=engine_of(self.card, source=str(self._path)).compiler,
            version=version,
            gpu=self._cuda.device.name,
            compute_capability=self._cuda.device.compute_capability,
        )

    def _allocate(self, owned: ExitStack) -> None:
        """Make all that a run needs; `owned` is told how to free each, so that an error on the way frees the rest."""
        cuda = self._cuda
        self._stream = cuda.create_stream()
        owned.callback(cuda.destroy_stream, self._stream)
        self._done = cuda.create_event()
        owned.callback(cuda.destroy_event, self._done)
        self._buffers = {
            name: self._buffer(spec, self.most, owned) for name, spec in {**self.inputs, **self.outputs}.items()
        }
        owned.callback(self._buffers.clear)  # no view of pinned memory outlives it
        scratch_size = max(self._engine.scratch_size, 1)
        scratch = cuda.allocate_device(scratch_size)
        owned.callback(cuda.free_device, scratch)
        self._context: ContextApi | None = self._engine.create_context()
        owned.callback(self._forget_context)
        self._context.set_device_memory(scratch, scratch_size)
        for name, buffer in self._buffers.items():
            self._check(self._context.set_tensor_address(name, buffer.address), f"take the address of {name}")
        self._profile, self._count, self._is_warm = 0, 0, False
        self._graph: int | None = None
        owned.callback(self._drop_graph)
        owned.callback(cuda.wait_for_stream, self._stream)  # after an error, work may still be under way

    def _buffer(self, spec: TensorSpec, most: int, owned: ExitStack) -> _Buffer:
        shape = (most, *(size or 0 for size in spec.shape[1:]))  # the contract leaves the batch alone free
        size = math.prod(shape) * np.dtype(spec.dtype).itemsize
        address = self._cuda.allocate_device(size)
        owned.callback(self._cuda.free_device, address)
        pinned = self._cuda.allocate_pinned(size)
        owned.callback(self._cuda.free_pinned, pinned)
        return _Buffer(address=address, host=pinned.view(spec.dtype).reshape(shape))

    def _why_no_capture(self, captures: bool) -> str | None:
        if not captures:
            return "not asked for"
        if self._cuda.capture is None:
            return f"{self._cuda.name.split()[0]} cannot record one"
        return None

    def _warm_up(self) -> None:
        self._take(self._batches[0].least)
        self._buffers[FRAMES].host[:] = 0
        self._run()
        self._run()

    def _take(self, count: int) -> None:
        """Set the context to a number of frames, unless it is set to it already."""
        if count == self._count:
            return
        profile = self._profile_for(count)
        self._drop_graph()  # it holds the addresses and shapes of another batch
        self._count, self._is_warm = 0, False
        context = self._opened
        if profile != self._profile:
            done = context.set_optimization_profile_async(profile, self._stream)
            self._check(done, f"switch to profile {profile}")
            self._cuda.wait_for_stream(self._stream)
            self._profile = profile
        rest = self._buffers[FRAMES].host.shape[1:]
        self._check(context.set_input_shape(FRAMES, (count, *rest)), f"take {count} frames")
        for name in self.outputs:
            shape = tuple(context.get_tensor_shape(name))
            expected = (count, *self._buffers[name].host.shape[1:])
            self._check(shape == expected, f"give {name} as {list(expected)}, its shape is {list(shape)}")
        self._count = count

    def _profile_for(self, count: int) -> int:
        fitting = [index for index, batch in enumerate(self._batches) if batch.least <= count <= batch.most]
        if self._profile in fitting:
            return self._profile
        if fitting:
            return fitting[0]
        takes = " or ".join(
            f"{batch.least}" if batch.least == batch.most else f"{batch.least} to {batch.most}"
            for batch in self._batches
        )
        graph = graph_of(self._path, engine_of(self.card, source=str(self._path)))
        raise InputError(
            f"frames: expected {takes} at once, as {self._path} was built for, got {count}. "
            f"`singleshot build {graph} --batch 1:{count}:{count}` builds one that takes them."
        )

    def _run(self) -> None:
        """Execute what lies in the input's host memory; the outputs' host memory holds the answer afterwards."""
        if self._graph is None and self._is_warm and self._refusal is None:
            self._record_graph()
        if self._graph is not None and self._cuda.capture is not None:
            self._cuda.capture.launch(self._graph, self._stream)
        else:
            self._enqueue()
            self._is_warm = True
        self._cuda.record_event(self._done, self._stream)
        self._cuda.wait_for_event(self._done)

    def _enqueue(self) -> None:
        frames = self._buffers[FRAMES]
        self._cuda.copy_to_device(frames.address, frames.bytes_of(self._count), self._stream)
        self._check(self._opened.execute_async_v3(self._stream), "execute")
        for name in self.outputs:
            buffer = self._buffers[name]
            self._cuda.copy_to_host(buffer.bytes_of(self._count), buffer.address, self._stream)

    def _record_graph(self) -> None:
        capture = self._cuda.capture
        if capture is None:
            return
        if self._engine.is_rtx and not self._opened.is_stream_capturable(self._stream):
            self._refusal = "TensorRT-RTX says that this engine's stream cannot be captured"
            return
        try:
            self._graph = capture.record(self._stream, self._enqueue)
        except DeviceError as error:
            self._refusal = f"{error}".rstrip(".")

    def _check(self, is_done: bool, what: str) -> None:
        if not is_done:
            raise DeviceError(f"{self._path}: {self._engine.title} could not {what} ({self._engine.last_error}).")

    def _drop_graph(self) -> None:
        graph, self._graph = self._graph, None
        if graph is not None and self._cuda.capture is not None:
            self._cuda.capture.destroy(graph)

    def _forget_context(self) -> None:
        self._context = None

    @property
    def _opened(self) -> ContextApi:
        if self._context is None:
            raise RuntimeError(f"{self._path}: the session is closed")
        return self._context

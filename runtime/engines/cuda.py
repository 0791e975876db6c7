"""What running an engine needs of CUDA, and finding a package that offers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class CudaDevice:
    """The first GPU; the environment variable CUDA_VISIBLE_DEVICES says which that is."""

    name: str
    compute_capability: str
    """For example `8.6`."""


class GraphCapture(Protocol):
    """Records what is put on a stream, and replays it as one launch."""

    def record(self, stream: int, work: Callable[[], None]) -> int:
        """Record what `work` puts on the stream; nothing of it is executed.

        Returns:
            A CUDA graph, ready for launching.

        Raises:
            DeviceError: something in it cannot be recorded. The stream is usable again, as after any other error.
        """

    def launch(self, graph: int, stream: int) -> None:
        """Put a recorded graph on a stream."""

    def destroy(self, graph: int) -> None:
        """Free a graph that is not being executed."""


class CudaLayer(Protocol):
    """CUDA, as far as a session goes: memory, streams, events, copies, graphs.

    Addresses, streams and events are integers as CUDA's own functions take them. What was made is to be freed by
    whoever asked for it. Copies and records are only put on the stream: memory must stay until they are done. Any call
    raises DeviceError where the GPU or its driver refuses.
    """

    @property
    def name(self) -> str:
        """Package and version, for reports: `cuda-python 13.4.4`."""

    @property
    def device(self) -> CudaDevice:
        """The GPU in use."""

    @property
    def capture(self) -> GraphCapture | None:
        """CUDA graphs; none where the package has no such calls."""

    def allocate_device(self, size: int) -> int:
        """Allocate bytes on the GPU; gives their address."""

    def free_device(self, address: int) -> None: ...

    def allocate_pinned(self, size: int) -> NDArray[np.uint8]:
        """Allocate page-locked bytes on the host, which the GPU copies from and to by itself."""

    def free_pinned(self, memory: NDArray[np.uint8]) -> None:
        """Free them; every view of the array is dead from then on."""

    def create_stream(self) -> int:
        """Make a stream that does not wait for the default stream."""

    def wait_for_stream(self, stream: int) -> None: ...

    def destroy_stream(self, stream: int) -> None: ...

    def create_event(self) -> int:
        """Make an event that is waited for without keeping a processor core busy."""

    def record_event(self, event: int, stream: int) -> None: ...

    def wait_for_event(self, event: int) -> None: ...

    def elapsed_ms(self, start: int, end: int) -> float:
        """Tell the GPU's time between two events that are over."""

    def destroy_event(self, event: int) -> None: ...

    def copy_to_device(self, address: int, memory: NDArray[np.uint8], stream: int) -> None:
        """Put a copy of all of `memory`, contiguous bytes, on the stream."""

    def copy_to_host(self, memory: NDArray[np.uint8], address: int, stream: int) -> None:
        """Put a copy into all of `memory`, contiguous bytes, on the stream."""

    def close(self) -> None:
        """Let go of the GPU."""

"""What is measured on a compiled engine: the graph in its types in ONNX Runtime, and the engine where it runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...runtime.card import Card, Measurement
from ...runtime.closing import Closing
from ...runtime.detection.classifications import Classification
from ...runtime.detection.detections import Detections
from ...runtime.detection.letterbox import fit_frame
from ...runtime.engines.open_cuda import open_cuda
from ...runtime.errors import CheckError, InputError
from ...runtime.files import StrPath
from ...runtime.precision import Precision
from ...runtime.session import Session
from ...runtime.sources.frame import Frame
from ..gate.latency import latencies_ms
from ..graphs.graph_file import load_graph
from ..parity.artefact import Artefact, open_artefact
from ..parity.own_frames import frames_to_prove_on
from ..parity.parity import Parity, overflow_told
from ..parity.verify import compare_artefacts, contract_differences
from .compile import Target


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What came of a comparison.

    Args:
        measurements: for the card.
        note: what could not be done, and why; empty where all was.
        latency_ms: of one run; None where the engine did not run.
    """

    measurements: tuple[Measurement, ...] = ()
    note: str = ""
    latency_ms: float | None = None


def prove_typed_graph(
    graph: Path, typed: Path, *, out: Path, frames: StrPath | None, precision: Precision, labels_judge: bool
) -> Proof:
    """Hold the graph in the engine's types against the given one, both in ONNX Runtime: this is not the plan.

    Args:
        graph: that was given.
        typed: the same in the engine's types, with the given graph's card.
        out: the engine's name, for errors.
        frames: as `frames_to_prove_on` takes them.
        precision: of the types, for the card.
        labels_judge: whether labelled images say what changed detections cost; then they are no reason to refuse.

    Raises:
        InputError: the frames cannot be used.
        CheckError: rounding does not explain the difference, or it costs too much.
    """
    with open_artefact(str(graph)) as first, open_artefact(str(typed)) as second:
        chosen, said = frames_to_prove_on(first.card, frames)
        counts = fixed_batch_of(graph), fixed_batch_of(typed)
        with overflow_told(out, said):
            parity = _compared(first, second, chosen, counts=counts)
    note = parity.check_conversion(str(out), frames=said, labels_judge=labels_judge, option="--frames")
    data = f"{said}, the {precision} graph in ONNX Runtime, not the plan"
    return Proof(measurements=parity.measurements(data=data), note=note or _not_shown(parity, said))


def prove_engine(
    graph: Path, engine: Path, *, typed: Path, out: Path, frames: StrPath | None, labels_judge: bool
) -> Proof:
    """Run an engine on real frames and hold it against its graph in ONNX Runtime; then time it.

    Args:
        graph: that it was built from, or an equal one.
        engine: written, with its card beside it.
        typed: the same graph in the engine's types: as it rounds, the engine may.
        out: where it will be, for errors.
        frames: as `frames_to_prove_on` takes them.
        labels_judge: whether labelled images say what changed detections cost; then they are no reason to refuse.

    Raises:
        InputError: the frames cannot be used, or the engine's tensors are not those of its card.
        DeviceError: the GPU or its driver refuses the engine.
        CheckError: rounding does not explain the difference, or it costs too much.
    """
    with open_artefact(str(engine)) as candidate, open_artefact(str(graph)) as reference:
        record = candidate.card.engine
        counts = fixed_batch_of(graph), 1 if record is None else record.batch[0]
        chosen, said = frames_to_prove_on(reference.card, frames)
        shown = replace(candidate, model=partial(load_graph, typed))
        with overflow_told(out, said):
            parity = _compared(reference, shown, chosen, counts=counts)
        latency_ms = _latency_ms(candidate, chosen, count=counts[1])
        timed = Measurement(
            metric=f"latency of a run of {counts[1]} frames, ms, from host to host, median",
            value=round(latency_ms, 3),
            data=candidate.session.backend,
        )
    if not parity.judged and parity.rounding is None:
        note = f"it ran, but nothing was detected in {said}, so parity was not measured"
        return Proof(measurements=(timed,), note=note, latency_ms=latency_ms)
    note = parity.check_conversion(str(out), frames=said, labels_judge=labels_judge, option="--frames")
    data = f"{said}, the engine against its graph in ONNX Runtime"
    return Proof(
        measurements=(*parity.measurements(data=data), timed),
        note=note or _not_shown(parity, said),
        latency_ms=latency_ms,
    )


def _not_shown(parity: Parity, frames: str) -> str:
    """Say that a comparison saw no detections, so that they were not compared; empty where there were some."""
    if parity.judged:
        return ""
    return (
        f"no detections were compared, as there are none in {frames}, but what the network emits; --frames names "
        "pictures of its objects"
    )


def why_not_executed(target: Target) -> str | None:
    """Say why nothing that is compiled for a target can run on this machine; None if it can."""
    if target.gpu is None:
        return "no NVIDIA GPU was at hand"
    if not target.can_execute:
        return f"it is not compiled for the GPU at hand, {target.gpu.name} of {target.gpu.compute_capability}"
    try:
        open_cuda().close()
    except InputError as error:
        return str(error).rstrip(".")
    return None


def fixed_batch_of(graph: Path) -> int:
    """Return a graph's N where it is fixed, else 1."""
    return load_graph(graph).graph.input[0].type.tensor_type.shape.dim[0].dim_value or 1


class RepeatingSession(Closing):
    """A session of a fixed batch that takes one frame: it shows it as often as the batch wants.

    Args:
        session: to run.
        count: N of the batch.
    """

    streams = batch = 1

    def __init__(self, session: Session, count: int) -> None:
        self._session, self._count = session, count

    @property
    def card(self) -> Card:
        """The artefact's card."""
        return self._session.card

    @property
    def backend(self) -> str:
        """Who computes."""
        return self._session.backend

    def run(self, frames: NDArray[np.uint8]) -> list[Detections]:
        """Detect on one frame."""
        return self._session.run(np.repeat(frames, self._count, axis=0))[:1]

    def classify(self, frames: NDArray[np.uint8]) -> list[Classification]:
        """Classify one frame."""
        return self._session.classify(np.repeat(frames, self._count, axis=0))[:1]

    def close(self) -> None:
        """Close the session."""
        self._session.close()


def _compared(first: Artefact, second: Artefact, frames: list[Frame], *, counts: tuple[int, int]) -> Parity:
    """Compare on real frames.

    Raises:
        CheckError: the contracts differ.
    """
    contract = contract_differences(first, second)
    if contract:
        raise CheckError(f"{second.path}: expected the contract of {first.path}, got {'; '.join(contract)}.")
    sides = [
        artefact if count == 1 else replace(artefact, session=RepeatingSession(artefact.session, count), heads=None)
        for artefact, count in zip((first, second), counts, strict=True)
    ]
    return compare_artefacts(sides[0], sides[1], frames)[0]


def _latency_ms(artefact: Artefact, frames: list[Frame], *, count: int) -> float:
    fitted = [np.repeat(fit_frame(frame.image, artefact.card.input)[np.newaxis], count, axis=0) for frame in frames]
    return latencies_ms([artefact.session], fitted)[0]

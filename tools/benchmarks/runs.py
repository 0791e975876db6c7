"""What a benchmark is told and what came of it; a run is a value that goes to JSON and back, a line of a ledger."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = 1
"""Of a run as JSON."""

Mode = Literal["probe", "back_to_back", "paced", "loop", "accuracy"]
"""What a process does: look once, one frame after the other, frames as a camera brings them, the whole loop, AP."""


class Value(BaseModel):
    """A value that is written and read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Job(Value):
    """What a process measures.

    Args:
        mode: of `Mode`.
        artefact: the file; empty of a peer that has its own network.
        backend: as `--backend` takes it, `opencv`, or `as it is` of a graph without a card.
        batch: frames a call.
        threads: that compute a call; the backend chooses where not given.
        trust: run an engine although this user did not build it.
        proves: hold int8 and bf16 against ONNX Runtime first, as whoever opens a graph to use it does.
        clip: where the frames are from.
        frames: calls that are timed, or frames that the loop runs over.
        fps: of a camera.
        data: labelled images.
        split: of them.
    """

    mode: Mode
    artefact: str
    backend: str
    batch: Annotated[int, Field(ge=1)]
    threads: int | None
    trust: bool
    proves: bool = True
    clip: str
    frames: int
    fps: float
    data: LabelledData | None


class LabelledData(Value):
    """Labelled images that accuracy is measured on."""

    root: str
    split: str
    strict: bool = False
    missing_is_background: bool = False
    anyway: bool = False


class Accuracy(Value):
    """How good an artefact's answers are."""

    measure: str
    value: float | None
    images: int
    data: str
    split: str


class Busy(Value):
    """Who had the processors meanwhile, in shares of all of them; none where that could not be read."""

    own: float | None
    others: float | None
    steal: float | None


class Answer(Value):
    """What one process measured: one repetition.

    Args:
        error: one line; then nothing else is told.
        runs_on: who computes, as `openvino bf16 (CPU)`.
        sha256: of the file that was opened.
        versions: of the packages that compute.
        notes: what is to be known about it, lines.
        load_ms: from nothing imported to a session that is open.
        first_ms: of the first call.
        ms: of every call that was timed; nothing is left out.
        wall_s: of all of them; paced, with the pauses; of the loop, to its end.
        cpu_s: of all threads, likewise.
        frames: looked at.
        dropped: frames that came while another was looked at, and were not.
        detections: a frame, on average.
        stages: milliseconds of every call, by stage; of the loop medians.
        memory_mib: the most that the process held, less the frames that it was given.
        tail_share: of the network's time, what post-processing takes, where the backend tells.
        accuracy: where it was asked for.
        busy: who had the processors meanwhile.
    """

    error: str = ""
    runs_on: str = ""
    sha256: str = ""
    versions: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    load_ms: float = 0.0
    first_ms: float = 0.0
    ms: tuple[float, ...] = ()
    wall_s: float = 0.0
    cpu_s: float = 0.0
    frames: int = 0
    dropped: int = 0
    detections: float | None = None
    stages: dict[str, tuple[float, ...]] = {}
    memory_mib: float | None = None
    tail_share: float | None = None
    accuracy: Accuracy | None = None
    busy: Busy | None = None


class Contender(Value):
    """One artefact on one backend with one size of batch, or a peer, and all that was measured of it."""

    name: str
    artefact: str
    sha256: str
    backend: str
    runs_on: str
    batch: int
    notes: tuple[str, ...]
    repetitions: dict[Mode, tuple[Answer, ...]]
    tail_share: float | None = None
    accuracy: Accuracy | None = None

    @property
    def title(self) -> str:
        """For tables: `animals.onnx, openvino bf16 (CPU), batch 4`."""
        return f"{self.name}, {self.runs_on}" + (f", batch {self.batch}" if self.batch > 1 else "")

    @property
    def detections(self) -> float | None:
        """Detections a frame, on average; none of what has none."""
        found = [one.detections for one in self.repetitions.get("back_to_back", ()) if one.detections is not None]
        return sum(found) / len(found) if found else None


class Machine(Value):
    """Where it was measured."""

    processor: str
    cores: int
    system: str
    gpus: tuple[str, ...]

    @property
    def line(self) -> str:
        """For people."""
        return ", ".join((self.processor, f"{self.cores} cores", self.system, *self.gpus))


class Conditions(Value):
    """What may change speed from one run to the next, watched during the run.

    Args:
        load: mean number of processes that wanted to run, in the minute before the start and before the end.
        busy: who had the processors, over the whole run.
        too_busy: why the machine was too busy to tell; empty where it was not.
        seen: clocks, heat and power as they were, by name, with their ranges.
        settings: what chooses them, as governors and power modes, by name.
        warnings: lines, of what happened meanwhile.
        not_read: what could not be read.
    """

    load: tuple[float, float] | None
    busy: Busy
    too_busy: str
    seen: dict[str, str]
    settings: dict[str, str]
    warnings: tuple[str, ...]
    not_read: tuple[str, ...]


class BenchRun(Value):
    """A run of `bench`."""

    schema_version: int = Field(alias="schema")
    at: str
    quick: bool
    clip: str
    clip_sha256: str
    frame_hw: tuple[int, int]
    frames: int
    repeats: int
    fps: float
    machine: Machine
    versions: dict[str, str]
    conditions: Conditions
    contenders: tuple[Contender, ...]


Job.model_rebuild()

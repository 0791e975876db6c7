"""Measures contenders in turns, which are drawn anew each time; each repetition of each is a process of its own."""

from __future__ import annotations

import json
import platform
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from pydantic import ValidationError

from ... import __version__
from ...runtime.errors import InputError
from ...runtime.machine import cpu_model, nvidia_gpus, read_cpuinfo, usable_cores
from ...runtime.progress import Progress, no_progress
from .conditions import Watch, busy_between, cpu_times
from .runs import SCHEMA, Answer, BenchRun, Contender, Job, LabelledData, Machine, Mode

ALL_MODES: frozenset[Mode] = frozenset({"back_to_back", "paced", "loop", "accuracy"})
_WORKER = (sys.executable, "-m", f"{__package__}.worker")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run measures.

    Args:
        clip: where frames are from, and its sha256; empty of a source that is no file.
        frame_hw: their size.
        frames: calls timed in each repetition.
        repeats: processes for each contender and mode.
        fps: of the camera whose pace is kept.
        threads: that compute a call.
        has_loop: measure the whole loop over the clip, too.
        trust: run engines although this user did not build them.
        data: labelled images for accuracy.
        quick: a run that shows whether all works; its figures are not for comparing.
    """

    clip: str
    clip_sha256: str
    frame_hw: tuple[int, int]
    frames: int = 200
    repeats: int = 5
    fps: float = 30.0
    threads: int | None = None
    has_loop: bool = False
    trust: bool = False
    data: LabelledData | None = None
    quick: bool = False


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A contender before it is measured.

    Args:
        name: for tables.
        artefact: the file; empty of a peer with its own network.
        backend: who runs it.
        batch: frames a call.
        command: takes a `Job` as a line on stdin and gives an `Answer` on stdout.
        environment: variables of its process; none: this one's.
        modes: that it has, of those that the plan asks for.
        proves: see `Job`; an untrained network finds nothing that could be held against anything.
    """

    name: str
    artefact: str
    backend: str
    batch: int = 1
    command: tuple[str, ...] = _WORKER
    environment: dict[str, str] | None = None
    modes: frozenset[Mode] = ALL_MODES
    proves: bool = True

    @property
    def title(self) -> str:
        """For errors and progress."""
        return f"{self.name}@{self.backend}" + (f", batch {self.batch}" if self.batch > 1 else "")


@dataclass(kw_only=True)
class _Measured:
    entry: Entry
    probe: Answer
    repetitions: dict[Mode, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    accuracy: Answer | None = None


def measure(
    entries: Sequence[Entry],
    plan: Plan,
    *,
    on_progress: Progress = no_progress,
    tell: Callable[[str], None] = lambda _line: None,
) -> BenchRun:
    """Measure them all.

    Each is opened and looks once before anything is timed, so that what cannot be run is said at the start, and so that
    its file and what its backend compiles and keeps are at hand: load times are those of a second start.

    Args:
        entries: at least one.
        plan: what is measured of them.
        on_progress: called after each process with what was done, how many there were, and how many there are.
        tell: is given lines: who runs what.

    Raises:
        InputError: one cannot be opened or run, or its file changed meanwhile.
    """
    watch = Watch()
    with watch.watching():
        measured = [_Measured(entry=entry, probe=_answer(entry, plan, "probe")) for entry in entries]
        for one in measured:
            for line in one.probe.notes:
                tell(f"{one.entry.title}: {line}")
        turns = [(one, mode) for one in measured for mode in _modes(plan, one) if mode != "accuracy"]
        judged = [one for one in measured if "accuracy" in _modes(plan, one)]
        total, done = len(turns) * plan.repeats + len(judged), 0
        shuffler = random.Random(0)
        for one in judged:  # first, as it is where labels turn out to be unfit
            one.accuracy = _answer(one.entry, plan, "accuracy", like=one.probe)
            done += 1
            on_progress("measuring", done, total)
        for _ in range(plan.repeats):
            for one, mode in shuffler.sample(turns, len(turns)):
                one.repetitions[mode].append(_answer(one.entry, plan, mode, like=one.probe))
                done += 1
                on_progress("measuring", done, total)
    return _run(measured, plan, watch)


def _modes(plan: Plan, one: _Measured) -> list[Mode]:
    asked: dict[Mode, bool] = {
        "back_to_back": True,
        "paced": True,
        "loop": plan.has_loop,
        "accuracy": plan.data is not None,
    }
    return [mode for mode, is_asked in asked.items() if is_asked and mode in one.entry.modes]


def _answer(entry: Entry, plan: Plan, mode: Mode, *, like: Answer | None = None) -> Answer:
    job = Job(
        mode=mode,
        artefact=entry.artefact,
        backend=entry.backend,
        batch=entry.batch,
        threads=plan.threads,
        trust=plan.trust,
        proves=entry.proves,
        clip=plan.clip,
        frames=plan.frames,
        fps=plan.fps,
        data=plan.data,
    )
    before = cpu_times()
    done = subprocess.run(
        entry.command,
        input=job.model_dump_json() + "\n",
        capture_output=True,
        text=True,
        errors="replace",
        env=entry.environment,
        check=False,
    )
    busy = busy_between(before, cpu_times())
    if done.returncode < 0 or not done.stdout.strip():
        lines = done.stderr.strip().splitlines() or ["no word"]
        last = next((line for line in reversed(lines) if "Error" in line or "error:" in line), lines[-1])
        ended = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        raise InputError(f"{entry.title}: expected figures, got a process that ended with {ended}: {last}.")
    try:
        answer = Answer.model_validate({**json.loads(done.stdout.splitlines()[-1]), "busy": busy})
    except (ValueError, ValidationError) as error:
        raise RuntimeError(f"{entry.title}: answered what is no answer: {done.stdout}") from error
    if answer.error:
        raise InputError(answer.error)
    if like is not None and answer.sha256 != like.sha256:
        raise InputError(
            f"{entry.artefact}: expected one and the same file through the run, got another than at its start. "
            f"Measure a copy that nobody writes to."
        )
    return answer


def _run(measured: Sequence[_Measured], plan: Plan, watch: Watch) -> BenchRun:
    versions: dict[str, str] = {}
    for one in measured:
        versions |= one.probe.versions
    return BenchRun(
        schema=SCHEMA,
        at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        quick=plan.quick,
        clip=Path(plan.clip).name if plan.clip_sha256 else plan.clip,
        clip_sha256=plan.clip_sha256,
        frame_hw=plan.frame_hw,
        frames=plan.frames,
        repeats=plan.repeats,
        fps=plan.fps,
        machine=this_machine(),
        versions={
            "singleshot": __version__,
            "python": platform.python_version(),
            "kernel": platform.release(),
            **versions,
        },
        conditions=watch.conditions(),
        contenders=tuple(
            Contender(
                name=one.entry.name,
                artefact=one.entry.artefact,
                sha256=one.probe.sha256,
                backend=one.entry.backend,
                runs_on=one.probe.runs_on,
                batch=one.entry.batch,
                notes=one.probe.notes,
                repetitions={mode: tuple(answers) for mode, answers in one.repetitions.items()},
                tail_share=one.probe.tail_share,
                accuracy=None if one.accuracy is None else one.accuracy.accuracy,
            )
            for one in measured
        ),
    )


def this_machine() -> Machine:
    """Describe it as far as speed depends on it."""
    return Machine(
        processor=cpu_model(read_cpuinfo()),
        cores=usable_cores(),
        system=f"{platform.system()} {platform.machine()}",
        gpus=nvidia_gpus(),
    )

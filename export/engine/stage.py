"""A compiled engine in a temporary folder, where it is run and judged before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from ...runtime.card import Card, Engine
from ...runtime.engines.engine_checks import card_path_of, engine_of
from ...runtime.engines.ledger import add_to_ledger
from ...runtime.errors import InputError
from ...runtime.files import StrPath
from ...runtime.precision import Precision
from ...runtime.progress import Progress
from ...runtime.runners.onnxruntime_runner import graph_facts
from ...runtime.session import Session, open_session
from ...runtime.sources.open_source import open_source
from ..gate.judge import Candidate, GateSettings
from ..gate.judge_all import gate, gate_images
from ..gate.result import GateResult
from ..graphs.graph_file import save_graph
from ..parity.runners import open_as_written
from .compile import Compiled, Target, compile_engine
from .prove import Proof, RepeatingSession, fixed_batch_of, prove_engine, prove_typed_graph

_NOTHING_ROUNDED = (
    "no answers were compared: the graph is compiled in the types that it has, so without its engine there is nothing "
    "to hold against it"
)


@dataclass(frozen=True, kw_only=True)
class Checks:
    """What an engine is held against before it is written.

    Args:
        frames: real ones for parity; where none are given, `frames_to_prove_on` chooses.
        data: labelled images for the accuracy gate; none leaves it out.
        gate: what may be lost there.
    """

    frames: StrPath | None = None
    data: StrPath | None = None
    gate: GateSettings = field(default_factory=GateSettings)


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """What an engine is compiled from.

    Args:
        graph: as it can be read now.
        kept: where it is, or will be, for the engine's card.
        precision: what the engine's convolutions are to compute in.
        out: where the engine will be.
        made: files that came with the graph, of which `graph` is one; empty where it was given.
        gated: what the gate found that chose the graph; its figures are in the graph's card.
    """

    graph: Path
    kept: Path
    precision: Precision
    out: Path
    made: tuple[Path, ...] = ()
    gated: GateResult | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Staged:
    """An engine that waits for its judgement.

    Args:
        source: what it was compiled from.
        compiled: in memory.
        engine: the file, its card beside it.
        typed: the graph in the engine's types.
        proof: what was measured.
    """

    source: Source
    compiled: Compiled
    engine: Path
    typed: Path
    proof: Proof

    @property
    def record(self) -> Engine:
        """What the card says of the engine."""
        return engine_of(self.compiled.card, source=str(self.source.out))

    @property
    def is_executed(self) -> bool:
        """Whether it ran."""
        return self.proof.latency_ms is not None

    @property
    def card(self) -> Card:
        """The engine's card with what was measured on it."""
        card, ran = self.compiled.card, self.is_executed
        record = self.record.model_copy(update={"deserialised": ran, "executed": ran})
        return card.model_copy(
            update={"engine": record, "measurements": (*card.measurements, *self.proof.measurements)}
        )


def stage(source: Source, target: Target, checks: Checks, folder: Path, *, runs: bool, on_progress: Progress) -> Staged:
    """Compile an engine and hold it against its graph.

    Args:
        source: what to compile.
        target: compiler, GPU and settings.
        checks: `frames` are used here.
        folder: to stage in.
        runs: whether the engine can be executed here.
        on_progress: told the phase at work and how far it is.

    Raises:
        InputError: the graph cannot be used so, or the compiler refuses it.
        CheckError: the plan or the typed graph is not what was asked for.
    """
    compiled = compile_engine(
        source.graph,
        target,
        precision=source.precision,
        out=source.out,
        named=source.kept,
        on_progress=on_progress,
    )
    place = folder / source.precision
    place.mkdir()
    staged = Staged(
        source=source,
        compiled=compiled,
        engine=place / source.out.name,
        typed=place / "typed.onnx",
        proof=Proof(),
    )
    with open_session(source.graph, backend="onnxruntime") as session:
        save_graph(compiled.typed, session.card, staged.typed)
    staged.engine.write_bytes(compiled.plan)
    card_path_of(staged.engine).write_text(compiled.card.to_json(), encoding="utf-8")
    add_to_ledger(staged.record.plan_sha256, source.out)
    if not runs and not compiled.is_retyped:
        return replace(staged, proof=Proof(note=_NOTHING_ROUNDED))
    on_progress("comparing on real frames", 0, 1)
    proof = _proof(source, staged, checks, runs=runs)
    on_progress("comparing on real frames", 1, 1)
    return replace(staged, proof=proof)


def _proof(source: Source, staged: Staged, checks: Checks, *, runs: bool) -> Proof:
    """Hold the engine, where it runs, or the graph in its types against the given graph."""
    labels_judge = checks.data is not None
    if runs:
        return prove_engine(
            source.graph,
            staged.engine,
            typed=staged.typed,
            out=source.out,
            frames=checks.frames,
            labels_judge=labels_judge,
        )
    return prove_typed_graph(
        source.graph,
        staged.typed,
        out=source.out,
        frames=checks.frames,
        precision=source.precision,
        labels_judge=labels_judge,
    )


def judge(graph: Path, staged: Sequence[Staged], checks: Checks, on_progress: Progress) -> GateResult | None:
    """Hold engines against the graph on labelled images; where an engine cannot run, its typed graph stands for it.

    Where one of them was calibrated now, the images judge that its own gate had judged by.

    Args:
        graph: that was given.
        staged: in order of preference.
        checks: `data` and `gate` are used here; without data nothing is judged.
        on_progress: told the phase at work and how far it is.

    Raises:
        InputError: the data cannot be used.
    """
    if checks.data is None:
        return None
    gated = next((item.source.gated for item in staged if item.source.gated is not None), None)
    return gate(
        graph,
        [_candidate(item) for item in staged],
        data=checks.data,
        settings=checks.gate,
        set_aside=None if gated is None else gated.images,
        open_graph=partial(open_session, backend="onnxruntime"),
        on_progress=on_progress,
    )


def candidate_name(staged: Staged) -> str:
    """Name what is judged, for tables and the card."""
    return f"{staged.source.precision} {'engine' if staged.is_executed else 'graph, not the plan'}"


def _candidate(staged: Staged) -> Candidate:
    name = candidate_name(staged)
    if not staged.is_executed:
        return Candidate(name=name, path=staged.typed, open_graph=open_as_written)
    return Candidate(name=name, path=staged.engine, open_graph=partial(_open_repeating, count=staged.record.batch[0]))


def _open_repeating(path: Path, *, count: int) -> Session:
    return RepeatingSession(open_session(path), count)


def check_gate_takes(graph: Path, checks: Checks) -> None:
    """Refuse what a build would be held against and cannot be, before anything is compiled.

    Raises:
        InputError: the graph takes several frames at a time, or the frames or the labelled images cannot be used.
    """
    if checks.frames is not None:
        with open_source(checks.frames):
            pass
    count = fixed_batch_of(graph)
    if checks.data is not None and count > 1:
        raise InputError(
            f"--data: expected a graph that takes one frame at a time, got {graph} that takes {count}. "
            f"Export it with a free batch."
        )
    if checks.data is not None:
        gate_images(graph_facts(graph).card, checks.data, checks.gate)

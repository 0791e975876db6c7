"""Measures singleshot beside its peers in one run, and writes the tables of docs/benchmarks.md.

`python -m singleshot.tools.benchmarks.tables --page docs/benchmarks.md` does all, environments of peers included; what
was measured is kept beside the page, as .json.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from ...runtime.errors import InputError
from ...runtime.files import whole_file
from ...runtime.runners.onnxruntime_runner import graph_facts
from ...runtime.shipped import CLIP, shipped_detector
from ..terminal.exits import exit_codes
from ..terminal.stage_progress import lasting_progress, tell
from .bench_tables import facts_of, verdict, warnings_of
from .contenders import entries_for, plan_on
from .environments import PEERS, Peer, programs_in, python_of
from .figures import FIGURES, estimates, paired_ratio
from .ledger import read_runs, save_run
from .measure import Entry, measure
from .runs import BenchRun, Mode

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
_COLUMNS = ("loop", "p50", "p99", "paced p50", "paced p99", "CPU time", "memory", "load", "first result")
_MODES: frozenset[Mode] = frozenset({"back_to_back", "paced", "loop"})


def tables(
    page: Annotated[Path, typer.Option(help="A page with the marks between which the tables stand.")],
    graphs: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE[@BACKEND]]...", help="Graphs; the shipped one if none.")
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(metavar="PROGRAM", help=f"Of {', '.join(one.program for one in PEERS)}; all if none is named."),
    ] = None,
    yolo: Annotated[
        Path | None, typer.Option(metavar="FILE.pt", help="Weights for Ultralytics; random ones if not given.")
    ] = None,
    video: Annotated[Path, typer.Option(metavar="CLIP", help="Frames, and what the loops run over.")] = CLIP,
    frames: Annotated[int, typer.Option(min=1, help="Calls timed in each repetition, frames of the loops.")] = 200,
    repeats: Annotated[int, typer.Option(min=1, help="Repetitions.")] = 5,
    as_measured: Annotated[
        bool, typer.Option("--as-measured", help="Measure nothing: write the tables of what the page's .json has.")
    ] = False,
) -> None:
    """Measure and write the tables."""
    with exit_codes():
        text = _text_of(page)
        kept = page.with_suffix(".json")
        if as_measured:
            (run,) = read_runs(kept)
        else:
            chosen = _chosen(peer)
            ours = entries_for(graphs or _shipped(), ["auto"], [1])
            plan = replace(plan_on(str(video)), frames=frames, repeats=repeats)
            with TemporaryDirectory() as folder:
                theirs = _entries(chosen, Path(ours[0].artefact), yolo, Path(folder))
                with lasting_progress() as on_progress:
                    run = measure([*ours, *theirs], plan, on_progress=on_progress, tell=tell)
            run = _without_stages(run)
            save_run(run, kept)
        with whole_file(page) as temporary:
            temporary.write_text(with_tables(text, run), encoding="utf-8")


def with_tables(text: str, run: BenchRun) -> str:
    """Put a run's tables between the marks of a page."""
    before, _, behind = re.split(f"({BEGIN}.*{END})", text, maxsplit=1, flags=re.DOTALL)
    return before + "\n".join([BEGIN, *tables_of(run), END]) + behind


def tables_of(run: BenchRun) -> Iterator[str]:
    """Write a run as Markdown."""
    for line in facts_of(run):
        yield f"{line}\n"
    for line in warnings_of(run):
        yield f"**{line}**\n"
    units = {figure.name: figure.unit for figure in FIGURES}
    yield "| | " + " | ".join(f"{name}, {units[name]}" for name in _COLUMNS) + " | detections a frame |"
    yield "|---" * (len(_COLUMNS) + 2) + "|"
    for number, contender in enumerate(run.contenders, 1):
        found = estimates(contender)
        cells = (found[name].text() if name in found else "" for name in _COLUMNS)
        rate = "" if contender.detections is None else f"{contender.detections:.2f}"
        yield f"| {contender.name} ({number}) | {' | '.join(cells)} | {rate} |"
    yield ""
    for number, contender in enumerate(run.contenders, 1):
        yield f"{number}. {'; '.join((contender.runs_on, *_notes(contender.notes)))}"
    yield from ("", *_ratios(run))


def _ratios(run: BenchRun) -> Iterator[str]:
    """Say how many times as many frames as each other our first loop gets through, of the same turns."""
    first, (rate,) = run.contenders[0], (figure for figure in FIGURES if figure.name == "loop")
    yield f"The loop of {first.name} (1) has the frames a second of others:\n"
    yield "| | |"
    yield "|---|---|"
    for number, other in enumerate(run.contenders[1:], 2):
        found = paired_ratio(rate, other.repetitions["loop"], first.repetitions["loop"])
        yield f"| {other.name} ({number}) | {verdict(found)} |"


def _notes(notes: Sequence[str]) -> Iterator[str]:
    return (note for note in notes if not note.startswith("backend: "))


def _text_of(page: Path) -> str:
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{page}: expected a page, got {error.strerror}.") from error
    if not re.search(f"{BEGIN}.*{END}", text, re.DOTALL):
        raise InputError(f"{page}: expected {BEGIN} and {END}, got neither or one. Put them where the tables belong.")
    return text


def _chosen(programs: Sequence[str] | None) -> list[Peer]:
    known = {peer.program: peer for peer in PEERS}
    for program in programs or ():
        if program not in known:
            raise InputError(f"--peer {program}: expected one of {', '.join(known)}.")
    return [known[program] for program in programs or known]


def _shipped() -> list[str]:
    path = shipped_detector()
    return [f"{path}@onnxruntime", *([f"{path}@openvino:fp32"] if find_spec("openvino") else [])]


def _entries(peers: Sequence[Peer], graph: Path, yolo: Path | None, folder: Path) -> list[Entry]:
    """Give each peer what it runs: our graph, or a network of its own."""
    variables = programs_in(folder)
    spec = graph_facts(graph).card.input
    artefacts = {"opencv_loop": str(graph), "ultralytics_predict": "" if yolo is None else str(yolo.absolute())}
    if any(peer.program == "opencv_dnn" for peer in peers):
        artefacts["opencv_dnn"] = str(_for_opencv(graph, folder))
    return [
        Entry(
            name=peer.name,
            artefact=artefacts.get(peer.program, ""),
            backend=f"{spec.height}x{spec.width}" if peer.program == "opencv_dnn" else peer.program,
            command=(str(python_of(peer, tell=tell)), "-m", f"peers.{peer.program}"),
            environment=variables,
            modes=_MODES,
        )
        for peer in peers
    ]


def _for_opencv(graph: Path, folder: Path) -> Path:
    """Write the graph with the tail that OpenCV can compute."""
    import onnx

    from ...export.graphs.cluster_tail import with_cluster_tail

    path = folder / f"cluster-{graph.name}"
    onnx.save(with_cluster_tail(onnx.load(str(graph)), graph_facts(graph).card.postprocess), str(path))
    return path


def _without_stages(run: BenchRun) -> BenchRun:
    """Leave out what the tables do not show."""
    contenders = [
        one.model_copy(
            update={
                "artefact": Path(one.artefact).name,
                "repetitions": {
                    mode: tuple(answer.model_copy(update={"stages": {}}) for answer in answers)
                    for mode, answers in one.repetitions.items()
                },
            }
        )
        for one in run.contenders
    ]
    return run.model_copy(update={"contenders": tuple(contenders)})


if __name__ == "__main__":
    typer.run(tables)

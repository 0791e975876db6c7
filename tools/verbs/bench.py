"""`singleshot bench`: what artefacts cost on this machine, with intervals; and two such runs against each other."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...runtime.backends import BACKEND_OPTIONS
from ...runtime.errors import CheckError, InputError
from ..terminal.backend_option import TrustFlag
from ..terminal.check_opencv import check_opencv
from ..terminal.data_options import AnywayFlag, BackgroundFlag, StrictFlag
from ..terminal.stage_progress import lasting_progress, tell
from ..terminal.verb import verb

if TYPE_CHECKING:
    from ..benchmarks.measure import Entry, Plan

_QUICK_FRAMES, _QUICK_REPEATS = 20, 2


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What `bench` is told."""

    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE[@BACKEND]...]",
            help="Graphs (.onnx) and engines (.engine), each on every --backend, or on the one behind its @. A graph "
            "without a card is timed as it is. The shipped detector if none is given.",
        ),
    ] = None
    backend: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BACKEND",
            help=f"Who runs them; repeatable: {', '.join(BACKEND_OPTIONS)}; and opencv, for comparing alone.",
            show_default="auto",
        ),
    ] = None
    batch: Annotated[str, typer.Option(metavar="N[,N]", help="Frames a call.")] = "1"
    video: Annotated[
        str | None,
        typer.Option(
            metavar="CLIP",
            help="Take frames of this video, and measure the whole loop over it, too.",
            show_default="frames of the demo's, no loop",
        ),
    ] = None
    fps: Annotated[float, typer.Option(min=0.1, max=1000, help="Pace of the camera that is imitated.")] = 30.0
    frames: Annotated[
        int | None, typer.Option(min=1, help="Calls timed in each repetition, frames of the loop.", show_default="200")
    ] = None
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Repetitions, each a process of its own.", show_default="5")
    ] = None
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads that compute a call; the backend chooses if not given.")
    ] = None
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Labelled images: measure accuracy of the very same files.")
    ] = None
    split: Annotated[str, typer.Option(help="Of the labelled images.")] = "val"
    strict: StrictFlag = False
    missing_is_background: BackgroundFlag = False
    anyway: AnywayFlag = False
    trust: TrustFlag = False
    quick: Annotated[bool, typer.Option("--quick", help="20 calls, twice: shows in seconds whether all works.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False
    html: Annotated[Path | None, typer.Option(metavar="PAGE.html", help="Write a page with plots.")] = None
    ledger: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="Append the run to this file, as one line of JSON.")
    ] = None
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="OLD NEW",
            help="Measure nothing: compare two ledgers, or what --json printed; exit 1 where NEW is worse by more than "
            "the noise.",
        ),
    ] = None


@verb
def bench(options: BenchOptions) -> None:
    """Measure load time, first result, latency, throughput, stages, CPU time and memory, with intervals.

    Every artefact on every backend is measured back to back and at the pace of a camera, whose pauses change latency,
    several times, in turns drawn anew each time, each time in a process of its own. Intervals are of what
    repetitions differ by; nothing is clipped. What differs by less is called no difference. Who else used the machine,
    its clocks, throttling and power mode are written down.

    --compare takes of a ledger its last run, and earlier ones of the very same artefacts, versions and machine.

    Examples:
      singleshot bench animals.onnx --video street.mp4 --html bench.html

      singleshot bench animals.onnx animals.int8.onnx@openvino --backend onnxruntime --backend openvino:bf16 --data VOC

      singleshot bench animals.onnx --batch 1,4 --ledger bench.jsonl

      singleshot bench --compare main.jsonl change.jsonl
    """
    if options.compare is not None:
        _compare(options, *options.compare)
        return
    check_opencv()
    entries, plan = _checked(options)
    from ..benchmarks.bench_tables import print_run
    from ..benchmarks.ledger import add_to_ledger, run_as_json
    from ..benchmarks.measure import measure

    with lasting_progress() as on_progress:
        run = measure(entries, plan, on_progress=on_progress, tell=tell)
    if options.ledger is not None:
        add_to_ledger(run, options.ledger)
    if options.html is not None:
        from ..pages.bench_page import save_bench_page

        save_bench_page(run, options.html)
    if options.as_json:
        print(json.dumps(run_as_json(run)))
    else:
        print_run(run)


def _checked(options: BenchOptions) -> tuple[list[Entry], Plan]:
    """Look at all that was named before any time is spent."""
    from ...runtime.files import check_can_write
    from ...runtime.shipped import shipped_detector
    from ..benchmarks.contenders import entries_for, plan_on, read_batches
    from ..benchmarks.runs import LabelledData

    if options.html is not None:
        from ..pages.figure import check_figures
        from ..pages.page import check_page_name

        check_page_name(options.html)
        check_can_write(options.html)
        check_figures("a page with plots")
    if options.ledger is not None:
        from ..benchmarks.ledger import read_runs

        check_can_write(options.ledger)
        if options.ledger.exists() and options.ledger.stat().st_size:
            read_runs(options.ledger)
    files = options.files or [str(shipped_detector())]
    entries = entries_for(files, options.backend or ["auto"], read_batches(options.batch))
    frames, repeats = (_QUICK_FRAMES, _QUICK_REPEATS) if options.quick else (200, 5)
    data = (
        None
        if options.data is None
        else LabelledData(
            root=str(options.data),
            split=options.split,
            strict=options.strict,
            missing_is_background=options.missing_is_background,
            anyway=options.anyway,
        )
    )
    plan = replace(
        plan_on(options.video),
        frames=options.frames or frames,
        repeats=options.repeats or repeats,
        fps=options.fps,
        threads=options.threads,
        trust=options.trust,
        data=data,
        quick=options.quick,
    )
    return entries, plan


def _compare(options: BenchOptions, old: Path, new: Path) -> None:
    for item in fields(options):
        if item.name not in ("compare", "as_json") and getattr(options, item.name) not in (item.default, None, []):
            flag = "FILE" if item.name == "files" else f"--{item.name.replace('_', '-')}"
            raise InputError(f"--compare: expected no {flag} beside OLD and NEW, which are measured. Leave it out.")
    from ..benchmarks.bench_tables import print_comparison
    from ..benchmarks.compare import compare

    comparison = compare(old, new)
    if options.as_json:
        print(json.dumps(comparison.to_dict()))
    else:
        print_comparison(comparison)
    if comparison.regressions:
        raise CheckError(f"{new}: expected nothing worse than in {old}, got {'; '.join(comparison.regressions)}.")

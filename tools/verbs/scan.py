"""`singleshot scan`: a detector over an archive of recordings."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..terminal.backend_option import BackendFlag, TrustFlag
from ..terminal.stage_progress import stage_progress, tell
from ..terminal.tiles_option import TilesFlag
from ..terminal.verb import verb

if TYPE_CHECKING:
    from ...runtime.archive.scan import ScanSummary


@dataclass(frozen=True, kw_only=True)
class ScanOptions:
    """What `scan` is told."""

    recordings: Annotated[
        str, typer.Argument(metavar="FOLDER|GLOB", help="A folder with all below it, or a pattern in quotes.")
    ]
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the results.")]
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A graph (.onnx) or an engine (.engine).", show_default="the shipped detector"
        ),
    ] = None
    backend: BackendFlag = "auto"
    trust: TrustFlag = False
    score: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[CLASS=]NUMBER", help="Least score, for all classes or for one; repeatable.", show_default="0.5"
        ),
    ] = None
    tiles: TilesFlag = None
    chunk: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=1,
            help="Longer recordings are cut, so that one keeps all workers busy.",
            show_default="a 64th of all, from 5 to 60",
        ),
    ] = None
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes, a core each.", show_default="the cores there are")
    ] = None
    gpus: Annotated[
        float, typer.Option(metavar="SHARE", min=0, max=1, help="Share of a GPU that each worker takes: 0.25.")
    ] = 0.0
    ray_address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="A cluster of Ray, whose machines see the recordings under the same paths; this machine if not given.",
        ),
    ] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False


@verb
def scan(options: ScanOptions) -> None:
    """Find out what is where in an archive of recordings, on all cores or all machines.

    Writes DIR/detections/clip=NAME/*.parquet, a row an object; DIR/clips.parquet, a row a recording; and
    DIR/index.html, what is where with thumbnails. What cannot be read is listed and stops nothing; the exit code is 1
    then. The same command goes on where it was ended, also by kill -9; recordings that are new or have changed are
    looked at.

    Examples:
      singleshot scan /archive -o found/

      singleshot scan '/archive/2026-11-*/**/*.mkv' -o animals/ --model animals.onnx --score 0.4

      singleshot scan /archive -o found/ --ray-address 10.0.0.1:6379

      duckdb -c "SELECT clip, label, count(*) FROM 'found/detections/*/*.parquet' GROUP BY ALL"
    """
    from ...runtime.archive.looking import Look
    from ...runtime.archive.scan import scan as run_scan
    from ..pages.scan_page import save_scan_page

    look = Look(backend=options.backend, score=tuple(options.score or ()), tiles=options.tiles, chunk_s=options.chunk)
    try:
        with stage_progress(is_logged=True) as progress:
            summary = run_scan(
                options.recordings,
                options.out,
                model=options.model,
                look=look,
                trust=options.trust,
                ray_address=options.ray_address,
                workers=options.workers,
                gpus=options.gpus,
                progress=progress,
                tell=tell,
            )
    except KeyboardInterrupt:
        tell(f"interrupted; what was found until then is in {options.out}, and the same command goes on")
        raise
    page = save_scan_page(summary)
    if options.as_json:
        print(json.dumps(_as_json(summary, page), indent=1))
    else:
        _print(summary, page)
    if summary.bad:
        raise SystemExit(1)


def _print(summary: ScanSummary, page: Path) -> None:
    boxes: Counter[str] = Counter()
    clips: Counter[str] = Counter()
    for one in summary.clips:
        boxes.update(one.found)
        clips.update(one.found.keys())
    for label, count in boxes.most_common():
        print(f"{label}: in {clips[label]} of {len(summary.clips)} recordings, {count} boxes")
    if not boxes:
        print(f"nothing found in {len(summary.clips)} recordings")
    for one in summary.bad:
        print(f"not read, or not to its end: {one.error}")
    print(f"{summary.detections}\n{summary.folder / 'clips.parquet'}\n{page}")


def _as_json(summary: ScanSummary, page: Path) -> dict[str, object]:
    return {
        "detections": summary.detections,
        "clips": str(summary.folder / "clips.parquet"),
        "page": str(page),
        "workers": summary.workers,
        "recordings": [
            {
                "clip": one.clip.name,
                "frames": one.frames,
                "seconds": round(one.seconds, 3),
                "found": {
                    label: {"boxes": count, "frames": one.frames_with[label]}
                    for label, count in sorted(one.found.items())
                },
                "warnings": list(one.warnings),
                "error": one.error or None,
            }
            for one in summary.clips
        ],
    }

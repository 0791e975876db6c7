"""What `scan` makes of the cores: `python -m singleshot.tools.benchmarks.scan_throughput` (docs/archives.md).

In turns: `rt-detect` on one core and on all cores, over one long recording, and `scan` on all cores, over that and over
as many short ones.
"""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import av
import typer

from ...runtime.machine import usable_cores
from ...runtime.shipped import CLIP

_ONE, _ALL = "rt-detect, one core", "rt-detect, all cores"
_LONG, _SHORT = "scan of one recording", "scan of short ones"


def _seconds(command: Sequence[str], *, on_one_core: bool = False) -> float:
    """Run a command and say how long it took."""
    core = min(os.sched_getaffinity(0))
    started_s = time.perf_counter()
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=(lambda: os.sched_setaffinity(0, {core})) if on_one_core else None,
    )
    return time.perf_counter() - started_s


def _write_long(clip: Path, target: Path, times: int) -> int:
    """Play a clip several times into another file, undecoded; give the frames."""
    frames = 0
    with av.open(str(target), "w") as written:
        stream = None
        for number in range(times):
            with av.open(str(clip)) as read:
                video = read.streams.video[0]
                stream = stream or written.add_stream_from_template(video)
                for packet in read.demux(video):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.stream = stream
                    packet.pts += number * (video.duration or 0)
                    packet.dts += number * (video.duration or 0)
                    written.mux(packet)
                    frames += 1
    return frames


def main(
    times: Annotated[int, typer.Option(min=1, help="So often the demo's clip is played.")] = 40,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds.")] = 3,
) -> None:
    """Print frames a second, starts included, and what `scan` does of the others' per core."""
    rates: dict[str, list[float]] = {_ONE: [], _ALL: [], _LONG: [], _SHORT: []}
    with tempfile.TemporaryDirectory() as place:
        clip = Path(place, "long.mp4")
        frames = _write_long(CLIP, clip, times)
        archive = Path(place, "archive")
        archive.mkdir()
        for number in range(times):
            (archive / f"{number:03}.mp4").symlink_to(CLIP.resolve())
        program = [sys.executable, "-m", "singleshot"]
        for number in range(repeats):
            found = Path(place, str(number))
            looking = [*program, "rt-detect", "--video", str(clip), "--json", f"{found}.jsonl"]
            rates[_ONE].append(frames / _seconds(looking, on_one_core=True))
            rates[_ALL].append(frames / _seconds(looking))
            for name, place_of in ((_LONG, clip), (_SHORT, archive)):
                scanning = [*program, "scan", str(place_of), "-o", f"{found}-{place_of.stem}"]
                rates[name].append(frames / _seconds(scanning))
    cores = usable_cores()
    for name, values in rates.items():
        print(f"{name}: {statistics.median(values):.1f} frames/s ({min(values):.1f} to {max(values):.1f})")
    for mine, (theirs, count) in itertools.product((_LONG, _SHORT), ((_ONE, 1), (_ALL, cores))):
        pairs = zip(rates[mine], rates[theirs], strict=True)
        ratio = statistics.median(rate / cores / (other / count) for rate, other in pairs)
        print(f"{mine}, per core, of {theirs}: {ratio:.2f}")


if __name__ == "__main__":
    typer.run(main)

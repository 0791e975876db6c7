"""Every injected fault is survived, and counted where it shows."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from singleshot.runtime.detection.thresholds import thresholds_from_options
from singleshot.runtime.errors import InputError
from singleshot.runtime.loop.run import run_pipeline
from singleshot.runtime.session import open_session
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sinks.open_sinks import open_json_lines
from singleshot.runtime.sources.chaos import ChaosSource
from singleshot.runtime.sources.frame import Frame
from singleshot.runtime.sources.open_source import open_source
from singleshot.runtime.sources.source_events import SourceEvent
from singleshot.tests.places import CLIP

FAULTS = "drop=0.02&stall=0.005&corrupt=0.02&resize=0.01&disconnect=0.005&jump=0.01"


class Seen:
    """Counts what shows of the faults, and keeps nothing."""

    def __init__(self) -> None:
        self.frames = self.resized = self.jumped = 0
        self.last: Frame | None = None

    def add(self, frame: Frame) -> None:
        if self.last is not None:
            self.resized += frame.image.shape != self.last.image.shape
            self.jumped += frame.capture_clock != self.last.capture_clock
            assert frame.time_s >= self.last.time_s
        self.frames += 1
        self.last = frame

    def check(self, source: ChaosSource, states: Counter[str], total: int) -> None:
        """Hold it against what was injected.

        Args:
            source: was read to its end.
            states: how often each was told.
            total: frames of the wrapped source.
        """
        injected = source.injected
        assert states["stalled"] == injected["stall"]
        assert states["lost"] == injected["disconnect"]
        assert states["back"] == injected["stall"] + injected["disconnect"]
        assert source.drops["damaged"] == injected["corrupt"]
        assert self.frames == total - injected["drop"] - injected["disconnect"]
        assert self.resized == injected["resize"]
        assert self.jumped == injected["jump"]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_fault_shows_as_often_as_it_was_injected(seed: int) -> None:
    told, seen = list[SourceEvent](), Seen()
    name = f"chaos://{FAULTS}&seed={seed}&clock=simulated&source=synthetic://?width=64&height=48&frames=3000"
    with open_source(name, on_event=told.append) as source:
        assert isinstance(source, ChaosSource)
        for frame in source:
            seen.add(frame)
    assert all(count > 5 for count in source.injected.values())
    seen.check(source, Counter(event.state for event in told), 3000)
    assert re.match(r"chaos://synthetic://\S+: injected corrupt \d+, disconnect \d+, drop \d+, ", source.warnings[0])


def test_same_seed_injects_the_same() -> None:
    name = f"chaos://{FAULTS}&seed=3&clock=simulated&source=synthetic://?width=64&height=48&frames=500"

    def shown() -> list[tuple[tuple[int, ...], int]]:
        with open_source(name) as source:
            return [(frame.image.shape, int(frame.image.sum())) for frame in source]

    assert shown() == shown()


def test_file_is_paced_on_the_machines_clock_and_its_frames_are_a_cameras() -> None:
    def take(source_name: str) -> list[Frame]:
        with open_source(source_name, policy="all") as source:
            return [frame for _, frame in zip(range(5), source, strict=False)]

    frames = take(f"chaos://drop=0&source={CLIP}")
    assert frames[-1].captured_s is not None
    assert frames[0].captured_s is not None
    assert frames[-1].captured_s - frames[0].captured_s > 0.1  # 4 intervals of 40 ms


def test_camera_cannot_follow_a_simulated_clock() -> None:
    with pytest.raises(InputError, match=r"expected a source that is not paced on a simulated clock, got synthetic"):
        open_source("chaos://clock=simulated&source=synthetic://?paced=1")


@pytest.mark.slow
def test_thirty_minutes_of_faults_need_no_more_memory(graphs: Path, tmp_path: Path) -> None:
    """54,000 frames through the whole loop, on a simulated clock; memory is counted from the first 10,000 on."""
    states, seen, resident_mib = Counter[str](), Seen(), list[float]()

    def on_frame(result: FrameResult) -> None:
        seen.add(result.frame)
        if seen.frames % 10_000 == 0:
            resident_mib.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20)

    name = f"chaos://{FAULTS}&clock=simulated&source=synthetic://?width=64&height=48&frames=54000"
    with (
        open_session(graphs / "quarters.onnx") as session,
        open_source(name, on_event=lambda event: states.update([event.state])) as source,
    ):
        assert isinstance(source, ChaosSource)
        sinks = [open_json_lines(tmp_path / "out.jsonl", source)]
        thresholds = thresholds_from_options((), session.card)
        summary = run_pipeline(source, session, sinks, thresholds=thresholds, on_frame=on_frame)
    seen.check(source, states, 54_000)
    assert summary.frames == seen.frames == (tmp_path / "out.jsonl").read_text().count("\n")
    growth = [later - earlier for earlier, later in pairwise(resident_mib)]
    assert len(growth) == 4
    assert sum(growth) / len(growth) <= 1.0, f"MiB per 10,000 frames: {growth}"

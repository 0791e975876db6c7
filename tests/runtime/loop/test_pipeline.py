"""Any number of cameras on one session: order, shares, failures of one, what is replaced while it runs."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.loop.camera import Camera, Observer
from singleshot.runtime.loop.pipeline import Pipeline
from singleshot.runtime.loop.run_state import RunState
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sinks.sink import Sink
from singleshot.tests.fixtures.cameras import GivenSession, GivenSource, KeptResults

ALL = np.zeros(1, np.float32)


@dataclass
class Counting(Observer):
    """Writes into each result how many came before it."""

    before: Callable[[int], None] = lambda _index: None
    indices: list[int] = field(default_factory=list)

    def observe(self, result: FrameResult) -> FrameResult:
        self.before(result.frame.index)
        self.indices.append(result.frame.index)
        return replace(result, drops={"before": len(self.indices) - 1})


def camera(source: GivenSource, *sinks: Sink, graphs: int = 1, observers: list[Observer] | None = None) -> Camera:
    return Camera(name=source.name, source=source, thresholds=[ALL] * graphs, sinks=sinks, observers=observers or [])


@pytest.mark.parametrize(
    ("streams", "batch"),
    [
        pytest.param(1, 1, id="one after the other"),
        pytest.param(4, 1, id="several at the same time"),
        pytest.param(1, 4, id="several at once"),
        pytest.param(3, 2, id="both"),
    ],
)
def test_every_frame_of_a_file_comes_out_in_its_order(streams: int, batch: int) -> None:
    chance = random.Random(7)
    session = GivenSession(streams=streams, batch=batch, seconds=lambda _value: chance.uniform(0, 0.004))
    kept = [KeptResults(), KeptResults()]
    sources = [GivenSource("a", 60), GivenSource("b", 41)]
    seen: dict[str, list[int]] = {"a": [], "b": []}
    pipeline = Pipeline([camera(source, sink) for source, sink in zip(sources, kept, strict=True)], [session])
    summary = pipeline.run(lambda result: seen[result.camera].append(result.frame.index))
    assert [sink.indices for sink in kept] == [list(range(60)), list(range(41))]
    assert seen == {"a": list(range(60)), "b": list(range(41))}
    assert [(one.name, one.frames, one.error) for one in summary.cameras] == [("a", 60, None), ("b", 41, None)]
    assert [state.state for state in pipeline.state.snapshot().cameras] == ["ended", "ended"]
    assert max(session.batches) == batch
    assert all(sink.is_closed for sink in kept)
    assert all(source.is_closed.is_set() for source in sources)
    for index, result in enumerate(kept[0].results):  # what was found is of the frame beside it
        assert isinstance(result.frame.index, int)
        assert result.found.scores[0] == pytest.approx(index / 255)


def test_observers_see_each_camera_s_results_in_their_order() -> None:
    chance = random.Random(7)
    session = GivenSession(streams=3, batch=2, seconds=lambda _value: chance.uniform(0, 0.004))
    kept, counting = [KeptResults(), KeptResults()], [Counting(), Counting()]
    cameras = [
        camera(GivenSource(name, 60), sink, observers=[one])
        for name, sink, one in zip("ab", kept, counting, strict=True)
    ]
    summary = Pipeline(cameras, [session]).run()
    assert [one.indices for one in counting] == [list(range(60))] * 2
    assert [result.drops["before"] for result in kept[0].results] == list(range(60))
    assert "observe" in [stage.stage for stage in summary.stages]


def test_a_slow_frame_keeps_no_worker_from_the_next_ones_where_results_are_observed() -> None:
    others = threading.Event()

    def seconds(value: int) -> float:
        if value == 0:
            assert others.wait(10)
        if value == 2:
            others.set()
        return 0

    counting = Counting()
    Pipeline([camera(GivenSource("a", 5), observers=[counting])], [GivenSession(streams=2, seconds=seconds)]).run()
    assert counting.indices == [0, 1, 2, 3, 4]


def test_bug_in_an_observer_ends_the_run_and_lets_nobody_wait() -> None:
    def fail(index: int) -> None:
        if index == 5:
            raise ZeroDivisionError

    kept = KeptResults()
    failing = camera(GivenSource("a", 50), kept, observers=[Counting(before=fail)])
    with pytest.raises(ZeroDivisionError):
        Pipeline([failing], [GivenSession(streams=3)]).run()
    assert kept.is_closed


def test_live_cameras_share_a_session_that_is_too_slow_for_them() -> None:
    sources = [GivenSource(f"cam{n}", 10_000, policy="latest", every_s=0.003) for n in range(8)]
    session = GivenSession(streams=2, seconds=lambda _value: 0.002)
    pipeline = Pipeline([camera(source) for source in sources], [session])
    threading.Timer(2.0, pipeline.stop).start()
    frames = [one.frames for one in pipeline.run().cameras]
    assert min(frames) > 20
    assert max(frames) - min(frames) <= 0.1 * max(frames)
    drops = [one.drops["replaced by a newer"] for one in pipeline.summary().cameras]
    assert all(drop > 20 for drop in drops)


def test_frames_of_live_cameras_have_ages_by_stage_and_files_none() -> None:
    kept = KeptResults()
    live, file = GivenSource("live", 20, policy="latest", every_s=0.005), GivenSource("file", 20)
    pipeline = Pipeline([camera(live, kept), camera(file)], [GivenSession(seconds=lambda _value: 0.002)])
    of_live, of_file = pipeline.run().cameras
    assert list(of_live.ages) == ["taken", "found", "written"]
    assert 2 <= of_live.ages["found"].p50_ms <= of_live.ages["written"].p50_ms
    assert of_file.ages == {}
    result = kept.results[0]
    assert list(result.ages_ms) == ["taken", "found"]
    assert result.age_ms == pytest.approx(result.ages_ms["found"])


def test_camera_that_fails_ends_alone() -> None:
    def fail() -> None:
        raise InputError("cam0: expected a camera, got none.")

    told: list[str] = []
    kept = KeptResults()
    cameras = [camera(GivenSource("a", 5, at_end=fail)), camera(GivenSource("b", 200, every_s=0.001), kept)]
    summary = Pipeline(cameras, [GivenSession()], tell=told.append).run()
    assert [one.error for one in summary.cameras] == ["cam0: expected a camera, got none.", None]
    assert kept.indices == list(range(200))
    assert told == ["a: ended (cam0: expected a camera, got none.)"]


def test_output_that_fails_ends_its_camera_alone() -> None:
    full = InputError("out.mp4: could not be written (No space left on device).")
    kept = KeptResults()
    cameras = [camera(GivenSource("a", 100), KeptResults(error=full)), camera(GivenSource("b", 100), kept)]
    summary = Pipeline(cameras, [GivenSession()]).run()
    assert [one.error for one in summary.cameras] == [str(full), None]
    assert kept.indices == list(range(100))


def test_output_that_is_slow_costs_its_own_camera_alone() -> None:
    slow, quick = KeptResults(seconds=0.05), KeptResults()
    cameras = [camera(GivenSource("a", 1000), slow), camera(GivenSource("b", 300), quick)]
    pipeline = Pipeline(cameras, [GivenSession(streams=2)])
    started_s = time.monotonic()
    for result in pipeline.results():
        if result.camera == "b" and result.frame.index == 299:
            break
    assert time.monotonic() - started_s < 5  # 300 of the slow one take 15 s
    assert len(slow.results) < 100


def test_only_camera_s_failure_is_the_run_s() -> None:
    def fail() -> None:
        raise InputError("clip.mp4: expected a video, got a file that decodes to no frame.")

    kept = KeptResults()
    with pytest.raises(InputError, match="decodes to no frame"):
        Pipeline([camera(GivenSource("a", 3, at_end=fail), kept)], [GivenSession()]).run()
    assert kept.indices == [0, 1, 2]
    assert kept.is_closed


def test_bug_in_a_worker_ends_the_run_and_finishes_the_files() -> None:
    def fail(value: int) -> float:
        if value == 5:
            raise ZeroDivisionError
        return 0.0

    kept = KeptResults()
    with pytest.raises(ZeroDivisionError):
        Pipeline([camera(GivenSource("a", 50), kept)], [GivenSession(seconds=fail)]).run()
    assert kept.is_closed


def test_max_frames_holds_for_each_camera() -> None:
    kept = [KeptResults(), KeptResults()]
    cameras = [camera(GivenSource(name, 50), sink) for name, sink in zip("ab", kept, strict=True)]
    Pipeline(cameras, [GivenSession(streams=3)], max_frames=7).run()
    assert [sink.indices for sink in kept] == [list(range(7))] * 2


def test_session_and_thresholds_are_replaced_between_two_frames() -> None:
    first, second = GivenSession(streams=2), GivenSession(streams=2)
    kept = KeptResults()
    pipeline = Pipeline([camera(GivenSource("a", 200, every_s=0.001), kept)], [first])
    for result in pipeline.results():
        if result.frame.index == 50:
            pipeline.replace([second], {"a": [np.full(1, 2.0, np.float32)]})
            first.close()
    assert kept.indices == list(range(200))  # none was lost, none ran on the closed session
    assert len(second.batches) > 100
    assert len(kept.results[0].found) == 1
    assert len(kept.results[-1].found) == 0


@pytest.mark.parametrize(
    ("sessions", "message"),
    [
        pytest.param([GivenSession(class_names=("dog",))], "expected a detector of the classes cat, got", id="classes"),
        pytest.param([GivenSession(), GivenSession()], "expected 1 graphs as before, got 2.", id="another number"),
    ],
)
def test_replacement_that_does_not_fit_changes_nothing(sessions: list[GivenSession], message: str) -> None:
    kept = KeptResults()
    pipeline = Pipeline([camera(GivenSource("a", 20), kept)], [GivenSession()])
    with pytest.raises(InputError, match=message):
        pipeline.replace(sessions)
    pipeline.run()
    assert len(kept.results) == 20


def test_opencv_computes_in_one_thread_while_it_runs() -> None:
    cv2.setNumThreads(3)
    inside: list[int] = []
    Pipeline([camera(GivenSource("a", 1))], [GivenSession()]).run(lambda _result: inside.append(cv2.getNumThreads()))
    assert (inside, cv2.getNumThreads()) == ([1], 3)


@pytest.mark.slow
def test_promise_is_kept_by_skipping_frames_then_by_the_lighter_graph() -> None:
    """A frame takes 30 ms, 25 are promised; the lighter graph takes 1 ms."""
    told: list[str] = []
    heavy, light = GivenSession(seconds=lambda _value: 0.03), GivenSession(seconds=lambda _value: 0.001)
    cam = camera(GivenSource("a", 10_000, policy="latest", every_s=0.005), graphs=2)
    pipeline = Pipeline([cam], [heavy, light], state=RunState(["a"], promise_ms=25), tell=told.append)
    for _ in pipeline.results():
        if len(light.batches) > 50:
            break
    assert [line.partition(": ")[2] for line in told] == [
        "1 of 2 frames is looked at now",
        "1 of 4 frames is looked at now",
        "1 of 4 frames is looked at, by graph 2 of 2 now",
    ]
    assert pipeline.state.snapshot().shedding == "1 of 4 frames is looked at, by graph 2 of 2"
    assert pipeline.summary().cameras[0].drops["skipped to keep the promised age"] > 10


def test_slow_loop_over_a_camera_costs_frames_and_not_age() -> None:
    """While the loop has one result, no more than one other waits for it."""
    session = GivenSession()
    pipeline = Pipeline([camera(GivenSource("a", 1000, policy="latest", every_s=0.002))], [session])
    for done, _ in enumerate(pipeline.results()):
        time.sleep(0.03)
        assert len(session.batches) <= done + 2
        if done == 10:
            break

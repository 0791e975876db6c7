"""The loop: frames of any number of cameras in, detections or classes out, each stage timed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, SingleshotError
from ..session import Session
from ..sinks.frame_result import FrameResult
from .camera import Camera
from .lanes import Lane, Lanes
from .looker import Looker, Models
from .run_state import RunState
from .shedding import Shedding, steps_for
from .sink_thread import SinkThread
from .stage_times import StageTimes
from .summary import CameraSummary, FoundCounts, RunSummary

_JOIN_S = 2.0
"""A thread that hangs in a library ends with the process."""


class Pipeline:
    """Runs detectors or classifiers over cameras: reading, looking and writing overlap.

    Each camera has a thread that reads and one that writes. As many threads look at frames as the first session lets
    run it at the same time; turns go round among the cameras, so that each gets its share, and where the session takes
    several frames at once those that wait are looked at together. A camera that fails ends alone.

    Args:
        cameras: at least one, with names of their own.
        sessions: one, or several from the best to the lightest, of the same classes; not closed here.
        state: of this run; work is shed before live frames get older than it promises. A new one if not given.
        max_frames: of each camera.
        stats: write the run's figures into the pictures.
        is_named: results have their camera's name, which those of several have in any case.
        tell: is given a line when a camera fails and when work is shed or taken back; from any thread.

    Raises:
        InputError: the sessions are not of the same classes.
    """

    def __init__(
        self,
        cameras: Sequence[Camera],
        sessions: Sequence[Session],
        *,
        state: RunState | None = None,
        max_frames: int | None = None,
        stats: bool = False,
        is_named: bool = False,
        tell: Callable[[str], None] = lambda _line: None,
    ) -> None:
        check_alike(sessions)
        self._cameras = {camera.name: camera for camera in cameras}
        self._tell = tell
        self._workers = sessions[0].streams
        self._batch = sessions[0].batch
        self._times = StageTimes()
        self._counts = {name: FoundCounts() for name in self._cameras}
        self._errors: dict[str, str] = {}
        self._wall_s = 0.0
        self.state = state or RunState(list(self._cameras))
        steps = steps_for(models=len(sessions), at_once=self._workers * self._batch)
        self._shedding = Shedding(self.state.promise_ms, steps, tell=self._tell_shedding)
        self._lanes = {
            name: self._lane(camera, max_frames=max_frames, most=self._workers * self._batch + 1)
            for name, camera in self._cameras.items()
        }
        self._turns = Lanes(list(self._lanes.values()), self._shedding)
        self._looker = Looker(
            Models(sessions=sessions, thresholds={name: camera.thresholds for name, camera in self._cameras.items()}),
            self._cameras,
            state=self.state,
            times=self._times,
            shedding=self._shedding,
            stats=stats,
            is_named=is_named or len(cameras) > 1,
        )

    def run(self, on_frame: Callable[[FrameResult], None] | None = None) -> RunSummary:
        """Run until every camera has ended, or a window is closed.

        Sources and sinks are closed at the end, also by an error or an interruption, so that what was written until
        then can be used.

        Args:
            on_frame: is called after each frame, in this thread.

        Raises:
            InputError: the only camera failed, or the artefact computes something that it should not.
        """
        with closing(self.results()) as results:  # closed at once, also when `on_frame` raises
            for result in results:
                if on_frame is not None:
                    on_frame(result)
        return self.summary()

    def results(self) -> Generator[FrameResult, None, None]:
        """Yield the results, each camera's in its order, as soon as they are handed to the sinks; see `run`."""
        started_s = time.perf_counter()
        try:
            with one_thread_for_opencv(), ExitStack() as stack:
                writers = {name: self._open(camera, stack) for name, camera in self._cameras.items()}
                self._start(stack)
                yield from self._handed_over(writers)
        finally:
            self._wall_s = time.perf_counter() - started_s
        if len(self._cameras) == 1 and (error := next(iter(self._lanes.values())).error) is not None:
            raise error

    def stop(self) -> None:
        """End the run after what is being looked at; from any thread."""
        self._turns.stop()

    def replace(
        self,
        sessions: Sequence[Session] | None = None,
        thresholds: Mapping[str, Sequence[NDArray[np.float32]]] | None = None,
    ) -> None:
        """Go on with other sessions or thresholds between two frames; from any thread.

        When it returns nobody uses the sessions before any more, and they can be closed.

        Args:
            sessions: as many as before, of the same classes; those before if not given.
            thresholds: by camera, for each session; those before if not given.

        Raises:
            InputError: the sessions do not fit; nothing was changed.
        """
        before = self._looker.models
        if sessions is not None:
            check_alike([before.sessions[0], *sessions])
            if len(sessions) != len(before.sessions):
                raise InputError(f"model: expected {len(before.sessions)} graphs as before, got {len(sessions)}.")
        self._looker.replace(
            Models(
                sessions=before.sessions if sessions is None else sessions,
                thresholds=before.thresholds if thresholds is None else thresholds,
            )
        )

    def summary(self) -> RunSummary:
        """Return what the run did until now."""
        class_names = self._looker.card.class_names
        snapshot = self.state.snapshot()
        states = {camera.name: camera for camera in snapshot.cameras}
        return RunSummary(
            task=self._looker.card.task,
            cameras=tuple(
                CameraSummary(
                    name=name,
                    frames=self._counts[name].frames,
                    found=self._counts[name].found(class_names),
                    warnings=(*camera.source.warnings, *(line for sink in camera.sinks for line in sink.warnings)),
                    ages=states[name].ages,
                    drops=states[name].drops,
                    error=self._errors.get(name),
                    held=self._counts[name].held,
                    places=self._counts[name].places,
                )
                for name, camera in self._cameras.items()
            ),
            wall_s=self._wall_s,
            stages=self._times.result(),
            deliveries=snapshot.deliveries,
        )

    def _lane(self, camera: Camera, *, max_frames: int | None, most: int) -> Lane:
        return Lane(
            camera.name,
            policy=camera.source.policy,
            most=most + (2 if camera.source.policy == "all" else 0),
            depth=max(2, self._batch),
            max_frames=max_frames,
            on_drop=lambda cause: self.state.add_drops(camera.name, cause),
        )

    def _open(self, camera: Camera, stack: ExitStack) -> SinkThread:
        lane = self._lanes[camera.name]

        def on_written(result: FrameResult) -> None:
            if result.frame.captured_s is not None:
                age_ms = 1e3 * (time.monotonic() - result.frame.captured_s)
                self.state.add_age(camera.name, "written", age_ms)
                self._shedding.add(age_ms)
            self._turns.wrote(lane)

        writer = stack.enter_context(SinkThread(camera.sinks, self._times, on_written=on_written))
        stack.callback(camera.source.close)
        if camera.window is not None:
            stack.callback(camera.window.close)
        return writer

    def _start(self, stack: ExitStack) -> None:
        threads = [threading.Thread(target=self._look, name=f"look {n}", daemon=True) for n in range(self._workers)]
        threads += [
            threading.Thread(target=self._read, args=(camera,), name=f"read {name}", daemon=True)
            for name, camera in self._cameras.items()
        ]
        for thread in threads:
            stack.callback(thread.join, _JOIN_S)
        stack.callback(self._turns.stop)
        for camera in self._cameras.values():
            stack.callback(camera.source.close)  # so that its reader gets free; a second time does nothing
        for thread in threads:
            thread.start()

    def _read(self, camera: Camera) -> None:
        lane = self._lanes[camera.name]
        try:
            for frame in camera.source:
                if not self._turns.offer(lane, frame):
                    break
        except SingleshotError as error:
            self._turns.end(lane, error)
        except BaseException as error:  # noqa: BLE001 - a bug belongs to the main thread
            self._turns.fail(error)
        else:
            self._turns.end(lane)

    def _look(self) -> None:
        try:
            while True:
                started_s = time.perf_counter()
                turns = self._turns.take(self._batch)
                if not turns:
                    return
                self._times.add("wait", time.perf_counter() - started_s)
                for turn, result in self._looker.look(turns):
                    self._turns.give(turn, result)
                self._turns.looked(len(turns))
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the main thread
            self._turns.fail(error)

    def _handed_over(self, writers: dict[str, SinkThread]) -> Iterator[FrameResult]:
        running = set(self._cameras)
        while running and (ready := self._turns.next_result()) is not None:
            lane, result = ready
            if lane.name not in running:
                continue
            camera = self._cameras[lane.name]
            try:
                if result is None:
                    running.discard(lane.name)
                    self._close(camera, writers[lane.name])
                    continue
                writers[lane.name].put(result)
            except SingleshotError as error:
                running.discard(lane.name)
                self._fail(camera, error)
                continue
            self._counts[lane.name].add(result)
            self.state.add_result(lane.name)
            self.state.set_source_drops(lane.name, camera.source.drops)
            yield result
            self._turns.leave(lane)
            if not self._show(camera, result):
                return

    def _show(self, camera: Camera, result: FrameResult) -> bool:
        """Show a frame where somebody looks; whether the window is still open."""
        if camera.window is None or result.drawn is None:
            return True
        with self._times.measure("show"):
            return camera.window.show(result.drawn)

    def _close(self, camera: Camera, writer: SinkThread) -> None:
        """Finish a camera's files as soon as it has ended."""
        camera.source.close()
        error = self._lanes[camera.name].error
        if error is not None:
            self._fail(camera, error)
        elif len(self._cameras) > 1 and camera.source.kind == "camera":
            self._tell(f"{camera.name}: ended after {self._counts[camera.name].frames} frames")
        writer.close()
        self.state.set_source_drops(camera.name, camera.source.drops)
        self.state.set_state(camera.name, "ended", "" if error is None else str(error))

    def _fail(self, camera: Camera, error: BaseException) -> None:
        """Let a camera end alone."""
        lane = self._lanes[camera.name]
        self._errors[camera.name] = str(error)
        self._turns.end(lane, error, is_left=True)
        self.state.set_state(camera.name, "ended", str(error))
        camera.source.close()
        if len(self._cameras) > 1:
            self._tell(f"{camera.name}: ended ({error})")

    def _tell_shedding(self, line: str) -> None:
        self.state.set_shedding(self._shedding.step.line if self._shedding.is_shedding else "")
        self._tell(line)


def check_alike(sessions: Sequence[Session]) -> None:
    """Refuse graphs that cannot stand in for one another.

    Raises:
        InputError: they are of different tasks or classes.
    """
    first = sessions[0].card
    for session in sessions[1:]:
        if (session.card.task, session.card.class_names) != (first.task, first.class_names):
            raise InputError(
                f"model: expected a {first.task} of the classes {', '.join(first.class_names)}, "
                f"got a {session.card.task} of {', '.join(session.card.class_names)}. "
                f"Start a run of its own for it."
            )


@contextmanager
def one_thread_for_opencv() -> Iterator[None]:
    """Keep OpenCV's own threads out of the network's way: `resize` took 2.3 ms of contention instead of 0.17."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)

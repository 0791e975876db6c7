"""Opens all that a run is told: models, outputs, sources, windows; what is wrong shows before a camera opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..backends import split_option
from ..closing import Closing
from ..detection.thresholds import moved_line, thresholds_from_options
from ..errors import InputError
from ..events.plan import EventsPlan
from ..live.controls import Controls
from ..loop.blur import Blur
from ..loop.camera import Camera, Observer
from ..loop.observers import Following, FollowingLater, Watching
from ..loop.pipeline import Pipeline, check_alike
from ..loop.run_state import RunState
from ..machine import frames_in_flight
from ..require import require
from ..rules.watch import Watch
from ..session import Session, open_session
from ..shipped import shipped_detector
from ..sinks.crops import check_same_classes
from ..sinks.open_sinks import open_sinks
from ..sinks.outputs import Outputs, check_outputs
from ..sinks.sink import Sink
from ..sinks.window import Window, check_display
from ..sources.decoder import decoder_line
from ..sources.frame import Source
from ..sources.open_source import open_source
from ..sources.source_events import SourceEvent
from ..tracking.tracker import Tracker
from .configuration import RunConfig
from .delivering import checked_events_plan
from .drawn_places import DrawnPlaces
from .watching import check_classes

if TYPE_CHECKING:
    from ..events.open_events import Events
    from ..live.live import Live
    from ..live.place_editor import PlaceEditor
    from ..service.metrics import MetricsServer

Tell = Callable[[str], None]
OnCameraEvent = Callable[[str, SourceEvent], None]
"""Is given the camera's name in this run; from the thread that reads the source."""
Thresholds = Mapping[str, Sequence[NDArray[np.float32]]]
"""[number of classes] float32 by camera, for each session."""


class OpenRun(Closing):
    """A run whose models, sources and outputs are open.

    Args:
        config: what it is told.
        path: the file that says so, in which places are kept that are drawn while it runs.
        is_named: cameras have names that belong into results, and are waited for where they are not there yet; so it is
            with several in any case.
        tell: is given lines for people: who computes, what is shed; from any thread.
        on_event: is given what happens to the source of a camera; none tells what is out of order and when it is in
            order again.

    Raises:
        InputError: something that was named cannot be used.
    """

    def __init__(
        self,
        config: RunConfig,
        *,
        path: Path | None = None,
        is_named: bool = False,
        tell: Tell,
        on_event: OnCameraEvent | None = None,
    ) -> None:
        self.config = config
        self._tell = tell
        self._on_event = on_event or self._tell_of
        self._is_named = is_named or len(config.cameras) > 1
        outputs = {name: config.outputs_of(name) for name in config.cameras}
        check_outputs([(config.cameras[name].source, outputs[name]) for name in config.cameras])
        plan = checked_events_plan(config)
        shows = [name for name, camera in config.cameras.items() if camera.show or config.show]
        if shows:
            check_display()
        told: list[str] = []
        with ExitStack() as stack, ExitStack() as failing:
            self.sessions = self._open_sessions(config, told.append)
            stack.callback(self._close_sessions)
            check_task(config, self.sessions[0])
            thresholds = thresholds_of(config, self.sessions)
            told += _start_lines(config, self.sessions[0])
            self.watches = {name: Watch(name, config.places_of(name), config.rules_of(name)) for name in config.cameras}
            self.state = RunState(list(config.cameras), promise_ms=config.max_age_ms)
            self._live = self._take_ports(stack, told)
            # What is wrong with a file shows before a camera opens.
            sources = {
                name: stack.enter_context(self._open_source(name))
                for name in sorted(config.cameras, key=config.is_live)
            }
            self._events = None if plan.is_empty else stack.enter_context(_events(plan, self.state, tell))
            self.sinks = {
                name: self._open_sinks(outputs[name], sources[name], name, failing) for name in config.cameras
            }
            self.cameras = [
                self._camera(name, sources[name], thresholds[name], shows=name in shows) for name in config.cameras
            ]
            self.pipeline = self._pipeline()
            if self._live is not None:
                self._live.serve(self.state, self._controls(), self._editor(path))
            for line in told:  # not before: a mistake among the options leaves its own line alone
                tell(line)
            failing.pop_all()
            self._owned = stack.pop_all()

    @property
    def paths(self) -> tuple[str, ...]:
        """What is written, as far as it is known."""
        paths = [path for sinks in self.sinks.values() for sink in reversed(sinks) for path in sink.paths]
        return (*paths, *(self._events.paths if self._events is not None else ()))

    def reload(self, config: RunConfig) -> None:
        """Take models, thresholds, places and rules of a new configuration between two frames, without losing a camera.

        Tracks go on, and counts of places that stay as they are.

        Raises:
            InputError: they cannot be used, or something else was changed; what runs goes on as before.
        """
        check_same_but_model(self.config, config)
        self._check_is_watched(config)
        plan = checked_events_plan(config)
        if self._events is not None:
            self._events.check_replaceable(plan)
        elif not plan.is_empty:
            raise InputError("rules: expected no webhook, as none was there at the start, got one. Start anew for it.")
        opened = self._open_sessions(config, self._tell)
        try:
            check_classes(config.rules, opened[0].card)
            self.pipeline.replace(opened, thresholds_of(config, opened))
        except InputError:
            for session in opened:
                session.close()
            raise
        self._close_sessions()
        self.sessions, self.config = opened, config
        if self._live is not None:
            self._live.controls.forget()
        if self._events is not None:
            self._events.replace(plan)  # before anything happens by new rules
        for name, watch in self.watches.items():
            watch.replace(config.places_of(name), config.rules_of(name))

    def _check_is_watched(self, config: RunConfig) -> None:
        for camera in self.cameras:
            later = [observer for observer in camera.observers if isinstance(observer, FollowingLater)]
            if later:
                if config.tracks(camera.name):
                    later[0].open()
                continue
            has = [type(observer) for observer in camera.observers]
            needs = ([Following] if config.tracks(camera.name) else []) + [Watching] * bool(
                config.rules_of(camera.name)
            )
            if any(each not in has for each in needs):
                raise InputError(
                    f"cameras.{camera.name}: expected no zones, lines or rules, as objects are not followed since the "
                    f"start, got some. Start anew for it; with track = true they can be added while it runs."
                )

    def close(self) -> None:
        """Close everything that is still open."""
        self._owned.close()

    def _camera(self, name: str, source: Source, thresholds: Sequence[NDArray[np.float32]], *, shows: bool) -> Camera:
        return Camera(
            name=name,
            source=source,
            thresholds=thresholds,
            sinks=self.sinks[name],
            window=Window(name) if shows else None,
            tiles=self.config.tiles_of(name),
            skips_still=self.config.cameras[name].skip_still or self.config.skip_still,
            blur=self._blur(name, source),
            observers=self._open_observers(name, source),
        )

    def _blur(self, name: str, source: Source) -> Blur | None:
        card = self.sessions[0].card
        hidden = [card.class_id(class_name) for class_name in self.config.blur_of(name)]
        return Blur(hidden, holds=source.kind != "images") if hidden else None

    def _open_observers(self, name: str, source: Source) -> list[Observer]:
        observers: list[Observer] = []
        tracker = self.config.cameras[name].tracker or self.config.tracker or "bytetrack"
        if self.config.tracks(name):
            observers.append(Following(Tracker(tracker)))
        elif self._live is not None and self.sessions[0].card.task == "detector" and source.kind != "images":
            observers.append(FollowingLater(lambda: Tracker(tracker)))
        if observers or self.watches[name].rules:  # with tracks places can come later
            observers.append(Watching(self.watches[name]))
        return observers

    def _take_ports(self, stack: ExitStack, told: list[str]) -> Live | None:
        """Open what is asked over HTTP; the page answers once the run is there."""
        if self.config.metrics is not None:
            told.append(stack.enter_context(_metrics(self.config.metrics, self.state)).line)
        if self.config.live is None:
            return None
        live = stack.enter_context(_live(self.config))
        told.append(live.line)
        return live

    def _open_sinks(self, outputs: Outputs, source: Source, name: str, failing: ExitStack) -> list[Sink]:
        recorder = None if self._events is None else self._events.recorder(name)
        on_packet = None if recorder is None else recorder.add
        sinks = open_sinks(outputs, source=source, tell=self._tell, on_packet=on_packet)
        if self._events is not None:
            sinks.append(self._events.sink(name))  # behind the recording, whose packets it takes
        for sink in sinks:
            failing.callback(sink.close)  # the run itself closes them
        return sinks if self._live is None else [self._live.hub.sinks[name], *sinks]

    def _pipeline(self) -> Pipeline:
        return Pipeline(
            self.cameras,
            self.sessions,
            state=self.state,
            max_frames=self.config.max_frames,
            stats=self.config.stats,
            is_named=self._is_named,
            tell=self._tell,
        )

    def _controls(self) -> Controls:
        def for_score(score: float) -> list[NDArray[np.float32]]:
            return [thresholds_from_options([str(score)], session.card) for session in self.sessions]

        return Controls(
            self.sessions[0].card,
            told=lambda: thresholds_of(self.config, self.sessions),
            for_score=for_score,
            apply=lambda thresholds: self.pipeline.replace(thresholds=thresholds),
        )

    def _editor(self, path: Path | None) -> PlaceEditor:
        later = {
            camera.name: observer
            for camera in self.cameras
            for observer in camera.observers
            if isinstance(observer, FollowingLater)
        }
        watches = {camera.name: self.watches[camera.name] for camera in self.cameras if camera.observers}
        return DrawnPlaces(watches, later, path=path)

    def _tell_of(self, camera: str, event: SourceEvent) -> None:
        if event.state in ("stalled", "lost", "back"):
            self._tell((replace(event, source=camera) if self._is_named else event).line)

    def _open_source(self, name: str) -> Source:
        camera = self.config.cameras[name]

        def on_event(event: SourceEvent) -> None:
            self.state.add_event(name, event)
            self._on_event(name, event)

        is_live = self.config.is_live(name)
        source = open_source(
            camera.source,
            policy=camera.policy or (self.config.policy if is_live else None),
            give_up_after_s=camera.give_up_after if camera.give_up_after is not None else self.config.give_up_after,
            waits_at_start=self._is_named and camera.source != "-",  # standard input is there, or never
            decoder=camera.decoder or self.config.decoder or "cpu",
            on_event=on_event,
        )
        if source.kind == "images" and (camera.skip_still or self.config.skip_still):
            source.close()
            raise InputError(f"--skip-still: expected a camera, a stream or a video, got images: {source.name}.")
        if source.kind == "images" and (self.config.tracks(name) or self.watches[name].rules):
            source.close()
            option = _watched_by(self.config, [name])
            raise InputError(f"{option}: expected a camera, a stream or a video, got images: {source.name}.")
        return source

    def _open_sessions(self, config: RunConfig, tell: Tell) -> list[Session]:
        backend, precision = split_option(config.backend)
        streams = config.threads or frames_in_flight()
        is_throughput = config.mode_meant() == "throughput"
        sessions: list[Session] = []
        try:
            for path in config.model or (str(shipped_detector()),):
                told: list[str] = []
                session = open_session(
                    path,
                    backend=backend,
                    precision=precision,
                    threads=None if is_throughput and streams > 1 else config.threads,
                    streams=streams if is_throughput else 1,
                    spins=False,
                    trust=config.trust,
                    tell=told.append,
                )
                sessions.append(session)
                for line in told:
                    tell(f"{line}; {mode_line(session, config.threads)}" if line.startswith("backend: ") else line)
            check_alike(sessions)
        except BaseException:
            for session in sessions:
                session.close()
            raise
        return sessions

    def _close_sessions(self) -> None:
        for session in self.sessions:
            session.close()


def _metrics(address: str, state: RunState) -> MetricsServer:
    from ..service.metrics import MetricsServer

    return MetricsServer(address, state)


def _events(plan: EventsPlan, state: RunState, tell: Tell) -> Events:
    from ..events.open_events import Events

    return Events(plan, state, tell=tell)


def _live(config: RunConfig) -> Live:
    from ..live.live import Live

    return Live(str(config.live), config.live_token, cameras=list(config.cameras))


def check_task(config: RunConfig, session: Session) -> None:
    """Refuse what needs boxes for what finds none, and ids where nobody can give them.

    Raises:
        InputError: it was asked for.
        MissingDependencyError: ids were asked for, and the package for them is not installed.
    """
    for tiles in filter(None, map(config.tiles_of, config.cameras)):
        tiles.check_suits(session.card)
    for name in config.cameras:
        hidden = config.blur_of(name)
        option = config.outputs_of(name).needs_boxes or (hidden and "--blur")
        if option and session.card.task == "classifier":
            raise InputError(f"{option}: expected a detector, got a classifier, which finds no boxes. Take --json.")
        if (crops := config.outputs_of(name).crops) is not None:
            check_same_classes(Path(crops), session.card.class_names)
        if unknown := [each for each in hidden if each not in session.card.class_names]:
            known = ", ".join(session.card.class_names)
            raise InputError(f"--blur {unknown[0]}: expected one of the model's classes, {known}, got another.")
    check_watched(config, session)


def check_watched(config: RunConfig, session: Session) -> None:
    """Refuse ids, places and rules where no boxes are found, classes that are not, and ids where nobody can give them.

    Raises:
        InputError: they were asked for.
        MissingDependencyError: ids are needed, and the package for them is not installed.
    """
    watched = [name for name in config.cameras if config.tracks(name) or config.rules_of(name)]
    if watched and session.card.task != "detector":
        option = _watched_by(config, watched)
        raise InputError(f"{option}: expected a detector, which finds boxes, got a {session.card.task}. Leave it out.")
    check_classes(config.rules, session.card)
    followed = [name for name in config.cameras if config.tracks(name)]
    if followed:
        asked = any(map(config.tracks_asked, followed))
        require("trackers", extra="track", why="--track" if asked else "a zone, a line or a rule")


def _watched_by(config: RunConfig, names: Sequence[str]) -> str:
    return "--track" if any(map(config.tracks_asked, names)) else "zones, lines and rules"


def thresholds_of(config: RunConfig, sessions: Sequence[Session]) -> Thresholds:
    """Return the least scores of each camera for each session.

    Raises:
        InputError: there is no such class, or a score is below a graph's floor.
    """
    return {
        name: [thresholds_from_options(config.score_options(name), session.card) for session in sessions]
        for name in config.cameras
    }


def mode_line(session: Session, threads: int | None) -> str:
    """Say how a session spends the cores; `threads` as it was asked for."""
    if session.streams > 1:
        return f"throughput: {session.streams} frames at a time, a thread each"
    if threads is None:
        return "latency: one frame at a time, on all cores"
    return f"latency: one frame at a time, in {threads} {'thread' if threads == 1 else 'threads'}"


def check_same_but_model(before: RunConfig, after: RunConfig) -> None:
    """Refuse a reload that would change more than models, scores, places and rules.

    Raises:
        InputError: it would.
    """
    free: dict[str, object] = {"model": None, "score": (), "rules": {}}
    of_camera: dict[str, object] = {"score": (), "zones": {}, "lines": {}}
    fixed = [
        config.model_copy(
            update={
                **free,
                "cameras": {name: camera.model_copy(update=of_camera) for name, camera in config.cameras.items()},
            }
        )
        for config in (before, after)
    ]
    if fixed[0] != fixed[1]:
        changed = [key for key in RunConfig.model_fields if getattr(fixed[0], key) != getattr(fixed[1], key)]
        raise InputError(
            f"{changed[0]}: expected the value of before, as only model, score, zones, lines and rules are taken while "
            f"it runs, got another. Start anew for it."
        )


def _start_lines(config: RunConfig, session: Session) -> list[str]:
    """Say which scores moved, where objects are followed without being asked for, and who decodes."""
    moved = [moved_line(config.score_options(name), session.card) for name in config.cameras]
    lines = list(dict.fromkeys(line for line in moved if line is not None))
    followed = [name for name in config.cameras if config.tracks(name) and not config.tracks_asked(name)]
    if followed:
        lines.append(f"objects are followed, for the zones, lines and rules of {', '.join(followed)}")
    decoders = {camera.decoder or config.decoder or "cpu" for camera in config.cameras.values()}
    return [*lines, *(decoder_line(decoder) for decoder in sorted(decoders - {"cpu"}))]

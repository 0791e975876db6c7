"""Live sources: the newest frame counts, and what is lost comes back."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from ..closing import Closing
from ..errors import InputError
from .capture_time import CaptureTimes
from .clock import Clock, MachineClock
from .feed import Feed, FeedLostError, Picture
from .frame import Frame, SourceKind
from .frame_clock import FrameClock
from .handoff import Handoff
from .source_events import OnEvent, SourceEvent, SourceState, ignore_event
from .source_names import Policy

_CLOSE_S = 2.0
_INTERVAL_S = 0.04
"""From frame to frame of a recording whose frames have no times."""

_ENDED = "it ended"


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a live source waits."""

    stall_s: float = 1.5
    """Without a frame for so long it is stalled, which is said; a slow camera is given four of its intervals."""
    silence_s: float = 5.0
    """Without a frame for so long it is lost; a slow camera is given eight of its intervals."""
    first_delay_s: float = 0.5
    """Before it is opened again; doubled at each attempt, with jitter, so that clients do not knock in step."""
    longest_delay_s: float = 30.0
    give_up_after_s: float | None = None
    """Lost for so long the run ends; never where not given."""
    waits_at_start: bool = False
    """Whether it may be missing at the start, too; else that is an error, as the name is probably wrong."""


class LiveSource(Closing):
    """A camera or stream, read in a thread of its own that keeps the newest frame; `Frame.index` shows a gap.

    Its end is a loss: it is opened again, first after half a second, then ever more rarely up to every 30 s. Frames
    are never invented; `Frame.time_s` counts on through the gap.

    Args:
        name: for messages and results; shows no secret.
        open_feed: connects; raises InputError where nothing is there.
        policy: of frames that nobody took; by default the newest of what comes back, all of a recording or a pipe.
        patience: how long is waited.
        on_event: is given each change of its state.
        clock: to wait by.

    Raises:
        InputError: nothing is there; while iterating, if no frame ever comes.
    """

    kind: SourceKind = "camera"
    length: int | None = None

    def __init__(
        self,
        name: str,
        open_feed: Callable[[], Feed],
        *,
        policy: Policy | None = None,
        patience: Patience = Patience(),
        on_event: OnEvent = ignore_event,
        clock: Clock | None = None,
    ) -> None:
        self.name = name
        self._open_feed = open_feed
        self._patience = patience
        self._on_event = on_event
        self._clock = clock or MachineClock()
        self._state: SourceState | None = None
        self._warnings: list[str] = []
        self._read = self._damaged = self._undecoded = self._losses = self._stalls = self._attempts = 0
        self._times, self._capture = FrameClock(), CaptureTimes()
        self._waits_s = deque[float](maxlen=9)
        self._failure: BaseException | None = None
        self._given_up = ""
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._change("opening")
        feed = None if patience.waits_at_start else open_feed()
        waits = feed is not None and not feed.comes_back  # who writes a pipe waits for who reads it
        self._handoff = Handoff(policy or ("all" if waits or self._clock.is_simulated else "latest"))
        self._first_s = self._quiet_since_s = self._open_since_s = self._away_since_s = self._clock.now_s()
        self._is_reading, self._comes_back, self._hint = False, True, Feed.hint
        self._clock.watch(self._look, self._stop)
        self._thread = self._start(feed, "")

    @property
    def policy(self) -> Policy:
        """Of frames that nobody took."""
        return self._handoff.policy

    @property
    def drops(self) -> Mapping[str, int]:
        """Frames that nobody took, that have faults, or that could not be decoded."""
        counts = {
            "replaced by a newer": self._handoff.dropped,
            "damaged": self._damaged,
            "not decoded": self._undecoded,
        }
        return {cause: count for cause, count in counts.items() if count}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was damaged and lost, a line each."""
        counts = {
            f"{self._damaged} frames are damaged": self._damaged,
            f"{self._undecoded} parts cannot be decoded": self._undecoded,
            f"stalled {_times(self._stalls)}": self._stalls,
            f"lost {_times(self._losses)}": self._losses,
            f"its clock is {abs(self._capture.apart_s):.0f} s from this machine's; for {self._capture.disbelieved} "
            f"frames the moment of arrival counts": self._capture.disbelieved,
        }
        return (*(f"{self.name}: {line}." for line, count in counts.items() if count), *self._warnings)

    def reads(self, _path: Path) -> bool:
        """Whether it is a file, which it is not."""
        return False

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self._handoff.take()) is not None:
            yield frame
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Stop reading and free the camera or stream."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._handoff.end(is_left=True)
        self._thread.join(_CLOSE_S)  # a read that hangs inside a driver ends with the process

    def _start(self, feed: Feed | None, reason: str) -> threading.Thread:
        thread = threading.Thread(target=self._work, args=(feed, reason), name="live", daemon=True)
        self._thread = thread
        thread.start()
        return thread

    def _is_current(self) -> bool:
        """Whether this thread is the one that reads, and has not been left behind in a read that hangs."""
        return self._thread is threading.current_thread() and not self._stop.is_set()

    def _work(self, feed: Feed | None, reason: str) -> None:
        try:
            opened = feed or self._open_again(reason)
            while opened is not None:
                with closing(opened):
                    reason = self._deliver(opened)
                if not self._is_current():
                    return
                self._check_first(reason)
                if not opened.comes_back:
                    self._warnings += [] if reason == _ENDED else [f"{self.name}: ended early ({reason})."]
                    return
                opened = self._open_again(reason)
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the thread that iterates
            self._failure = error
        finally:
            if self._thread is threading.current_thread():
                self._handoff.end()
                self._change("ended", self._given_up if self._failure is None else str(self._failure))

    def _check_first(self, reason: str) -> None:
        if not self._read and not self._patience.waits_at_start:
            raise InputError(f"{self.name}: expected a source that delivers frames, got none ({reason}). {self._hint}")

    def _deliver(self, feed: Feed) -> str:
        """Hand over frames until the connection ends; say how it did."""
        self._hint, self._comes_back, undecoded = feed.hint, feed.comes_back, self._undecoded
        self._open_since_s, self._is_reading = self._clock.now_s(), True
        try:
            for picture in feed:
                if not self._is_current():
                    return "it was left"
                self._put(picture, is_recorded=feed.is_recorded)
        except FeedLostError as error:
            return str(error)
        except InputError as error:
            return str(error).removeprefix(f"{self.name}: ")
        except OSError as error:
            return error.strerror or type(error).__name__
        finally:
            if self._thread is threading.current_thread():
                self._undecoded, self._is_reading = undecoded + feed.undecoded, False
        return _ENDED

    def _put(self, picture: Picture, *, is_recorded: bool) -> None:
        now_s, wall = self._clock.now_s(), self._clock.wall()
        with self._lock:
            if self._read == 0:
                self._first_s = now_s
            if self._state == "opening":
                self._change("live")
            elif self._state in ("stalled", "lost"):
                self._change("back", f"after {now_s - self._away_since_s:.1f} s")
            self._attempts = 0
            self._waits_s.append(now_s - max(self._quiet_since_s, self._open_since_s))
        frame = Frame(
            image=picture.image,
            index=self._read,
            time_s=self._times.time_s(picture.stamp_s, interval_s=_INTERVAL_S)
            if is_recorded
            else now_s - self._first_s,
            source=self.name,
            pixel_aspect=picture.pixel_aspect,
        )
        if not is_recorded:
            taken = self._capture.of(picture, now_s=now_s, wall=wall)
            s = None if self._clock.is_simulated else taken.s  # no age can be told of a simulated moment
            frame = replace(frame, captured_at=taken.at, captured_s=s, capture_clock=taken.clock)
        self._read += 1
        self._damaged += picture.is_damaged
        self._is_reading = False  # who does not take a frame is no fault of the camera
        self._handoff.put(frame)
        self._quiet_since_s, self._is_reading = self._clock.now_s(), True

    def _look(self) -> None:
        """See whether frames still come; leave a read that hangs."""
        with self._lock:
            quiet_s = self._clock.now_s() - max(self._quiet_since_s, self._open_since_s)
            if not self._is_reading:
                return
            usual_s = median(self._waits_s) if self._waits_s else 0.0
            if quiet_s >= max(self._patience.silence_s, 8 * usual_s) and self._comes_back:
                if self._thread is threading.current_thread():
                    raise FeedLostError("silence")
                self._start(None, "silence")
            elif quiet_s >= max(self._patience.stall_s, 4 * usual_s) and self._state in ("live", "back"):
                self._stalls += 1
                self._away_since_s = self._quiet_since_s
                self._change("stalled", f"nothing came for {quiet_s:.1f} s")

    def _open_again(self, reason: str) -> Feed | None:
        """Try until it is there again; None where it was left, or is given up."""
        if reason:
            self._check_first(reason)
        while not self._stop.is_set():
            if reason and not self._wait(reason):
                return None
            try:
                return self._open_feed()
            except InputError as error:
                reason = str(error).removeprefix(f"{self.name}: ")
        return None

    def _wait(self, reason: str) -> bool:
        """Wait before the next attempt, longer each time; False where there shall be none."""
        with self._lock:
            if self._state != "lost":
                self._losses += 1
                self._away_since_s = self._quiet_since_s
                self._change("lost", reason)
        limits, away_s = self._patience, self._clock.now_s() - self._away_since_s
        if limits.give_up_after_s is not None and away_s >= limits.give_up_after_s:
            self._given_up = f"lost for {away_s:.0f} s ({reason}); given up"
            self._warnings.append(f"{self.name}: {self._given_up}, the run ends here.")
            return False
        delay_s = min(limits.longest_delay_s, limits.first_delay_s * 2 ** min(self._attempts, 16)) * random.uniform(
            0.5, 1
        )
        if limits.give_up_after_s is not None:
            delay_s = min(delay_s, limits.give_up_after_s - away_s)
        self._attempts += 1
        return not self._clock.wait(delay_s, self._stop)

    def _change(self, state: SourceState, reason: str = "") -> None:
        self._state = state
        self._on_event(SourceEvent(source=self.name, state=state, at=self._clock.wall(), reason=reason))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"

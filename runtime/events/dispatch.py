"""Does what events call for, in a thread of its own: pictures, lines, clips, messages."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from ..closing import Closing
from ..detection.boxes import part_around
from ..loop.deliveries import DeliveryCounts
from ..rules.event import BoxXyxy, Event, event_json
from ..sinks.encoder import EncodedPacket
from .clip_length import ClipLength
from .clips import ClipRecorder
from .event_folder import SNAPSHOTS, EventFolder
from .message import Message, Target
from .outbox import CLOSING_S, QUEUE_FULL

_MOST_BYTES = 256 << 20
"""Of pictures and clips that wait to be written."""

_EVENT_BYTES = 2000
_LOOK_S = 1.0
_JOIN_S = 30.0
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 90]
_MARGIN = 0.1
"""Of a crop, of the box's size on each side."""


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """What an event of a rule does besides its line.

    Args:
        targets: names of who is told.
        snapshot: keep the picture, and the object's part of it.
        clip: keep a video of so long; none if not given.
    """

    targets: tuple[str, ...] = ()
    snapshot: bool = True
    clip: ClipLength | None = None


@dataclass(frozen=True, kw_only=True)
class _Job:
    run: Callable[[], None]
    size_bytes: int


class Dispatch(Closing):
    """Takes events and clips of all cameras; never waits, so that a disk that hangs stops no camera.

    Args:
        folder: what is kept goes there; nothing is if not given.
        targets: who is told, by name.
        on_picture: is given each event with its picture, the object's part where there is one, as JPEG.
        most_bytes: of what waits; pictures of events that find no room are left out, which is counted.
    """

    def __init__(
        self,
        folder: EventFolder | None,
        targets: Mapping[str, Target],
        *,
        on_picture: Callable[[Event, bytes], None] = lambda _event, _picture: None,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        self._folder = folder
        self._targets = targets
        self._on_picture = on_picture
        self._most_bytes = most_bytes
        self._recorders: list[ClipRecorder] = []
        self._changed = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._size_bytes = 0
        self._dropped: Counter[str] = Counter()
        self._has_ended = False
        self._thread = threading.Thread(target=self._work, name="events", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> list[DeliveryCounts]:
        """What became of events: in the folder, and of each target."""
        found = [] if self._folder is None else [self._folder.counts]
        if self._dropped:
            found.append(DeliveryCounts(target="events", sent=0, waiting=0, dropped=dict(self._dropped), away=""))
        return found + [target.counts for target in self._targets.values()]

    def watch(self, recorder: ClipRecorder) -> None:
        """Finish a camera's clips also when it gives no frames any more."""
        self._recorders.append(recorder)

    def take(self, event: Event, reaction: Reaction, *, image: NDArray[np.uint8] | None, clip: str | None) -> None:
        """Take an event.

        Args:
            event: what happened.
            reaction: of its rule.
            image: [h, w, 3] uint8, BGR, the frame as it may be shown; not changed by anybody any more.
            clip: name of its clip, which may become whole later.
        """
        kept = image if reaction.snapshot else None
        size_bytes = _EVENT_BYTES + (0 if kept is None else kept.nbytes)
        if self._put(_Job(run=partial(self._handle, event, reaction, kept, clip), size_bytes=size_bytes)):
            return
        self._drop(f"picture: {QUEUE_FULL}")
        if not self._put(_Job(run=partial(self._handle, event, reaction, None, clip), size_bytes=_EVENT_BYTES)):
            self._drop(QUEUE_FULL)

    def save_clip(self, name: str, packets: Sequence[EncodedPacket], captured_at: datetime) -> None:
        """Take a clip."""
        folder = self._folder
        if folder is None:
            raise ValueError("a clip needs a folder of events")
        job = _Job(
            run=partial(folder.save_clip, name, packets, captured_at),
            size_bytes=sum(len(packet.data) for packet in packets),
        )
        if not self._put(job):
            self._drop(f"clip: {QUEUE_FULL}")

    def close(self) -> None:
        """Do what was taken, give targets a few seconds to take what waits, and close the folder."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()
        self._thread.join(_JOIN_S)
        for target in self._targets.values():
            target.end_within(CLOSING_S)
        for target in self._targets.values():
            target.close()
        if self._folder is not None:
            self._folder.close()

    def _put(self, job: _Job) -> bool:
        with self._changed:
            if self._size_bytes + job.size_bytes > self._most_bytes and self._jobs:
                return False
            self._jobs.append(job)
            self._size_bytes += job.size_bytes
            self._changed.notify_all()
        return True

    def _drop(self, cause: str) -> None:
        with self._changed:
            self._dropped[cause] += 1

    def _work(self) -> None:
        looked_s = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._has_ended, _LOOK_S)
                job = self._jobs.popleft() if self._jobs else None
                if job is None and self._has_ended:
                    return
            if job is not None:
                job.run()
                with self._changed:
                    self._size_bytes -= job.size_bytes
            if time.monotonic() - looked_s >= _LOOK_S:
                self._look_after()
                looked_s = time.monotonic()

    def _look_after(self) -> None:
        """Finish clips of cameras that give no frames any more, and delete what is too old."""
        for recorder in self._recorders:
            recorder.finish_overdue()
        if self._folder is not None:
            self._folder.prune()

    def _handle(self, event: Event, reaction: Reaction, image: NDArray[np.uint8] | None, clip: str | None) -> None:
        values = event_json(event)
        pictures = {} if image is None else _pictures(image, event.box_xyxy)
        if self._folder is not None:
            for kind, data in pictures.items():
                name = f"{SNAPSHOTS}/{event.id}{'_crop' if kind == 'crop' else ''}.jpg"
                if self._folder.save_picture(name, data):
                    values[kind] = name
            if clip is not None:
                values["clip"] = clip
            self._folder.add_line(values)
        message = Message(event=event, values=values, pictures=pictures)
        for name in reaction.targets:
            self._targets[name].take(message)
        if pictures:
            self._on_picture(event, pictures.get("crop", pictures["snapshot"]))


def _pictures(image: NDArray[np.uint8], box: BoxXyxy | None) -> dict[str, bytes]:
    """Encode a frame, and the part of it that shows the object."""
    pictures = {"snapshot": _jpeg(image)}
    if box is not None:
        height, width = image.shape[:2]
        left, top, right, bottom = part_around(np.array(box, np.float32), _MARGIN, height=height, width=width)
        crop = image[top:bottom, left:right]
        if crop.size:
            pictures["crop"] = _jpeg(crop)
    return pictures


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    _, data = cv2.imencode(".jpg", image, _JPEG)
    return data.tobytes()

"""What events leave in their folder and tell, and that none of it holds anybody up."""

from __future__ import annotations

import json
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from singleshot.runtime.errors import InputError
from singleshot.runtime.events import event_folder
from singleshot.runtime.events.dispatch import Dispatch, Reaction
from singleshot.runtime.events.event_folder import EventFolder, check_event_folder
from singleshot.runtime.events.kept_files import Keep
from singleshot.runtime.events.message import Message, Target
from singleshot.runtime.loop.deliveries import DeliveryCounts
from singleshot.runtime.rules.event import BoxXyxy, event_json
from singleshot.tests.fixtures.events import event, wait_until

TOLD = Reaction(targets=("given",))


class KeptMessages(Target):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.ended: list[float] = []

    @property
    def counts(self) -> DeliveryCounts:
        return DeliveryCounts(target="given", sent=len(self.messages), waiting=0, dropped={}, away="")

    def take(self, message: Message) -> None:
        self.messages.append(message)

    def end_within(self, seconds: float) -> None:
        self.ended.append(seconds)

    def close(self) -> None:
        self.ended.append(0.0)


def picture(height: int = 40, width: int = 80) -> NDArray[np.uint8]:
    """Dark, and bright where the box of `event` is."""
    image = np.zeros((height, width, 3), np.uint8)
    image[height // 4 : 3 * height // 4, width // 4 : width // 2] = 200
    return image


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def test_an_event_leaves_a_line_a_snapshot_and_its_crop_and_is_told(tmp_path: Path) -> None:
    target, seen = KeptMessages(), list[tuple[str, bytes]]()
    with Dispatch(
        EventFolder(tmp_path / "events", print),
        {"given": target},
        on_picture=lambda one, data: seen.append((one.id, data)),
    ) as dispatch:
        dispatch.take(event(1), TOLD, image=picture(), clip="clips/x.mp4")
        dispatch.take(event(2, box=None), TOLD, image=picture(), clip=None)
        dispatch.take(event(3), Reaction(snapshot=False), image=picture(), clip=None)
    first, second, third = lines(tmp_path / "events")
    names = {"snapshot": f"snapshots/{event(1).id}.jpg", "crop": f"snapshots/{event(1).id}_crop.jpg"}
    assert first == {**event_json(event(1)), **names, "clip": "clips/x.mp4"} | {"box_xyxy": [0.25, 0.25, 0.5, 0.75]}
    assert "crop" not in second
    assert {"snapshot", "crop", "clip"}.isdisjoint(third)
    whole = cv2.imread(str(tmp_path / "events" / names["snapshot"]))
    crop = cv2.imread(str(tmp_path / "events" / names["crop"]))
    assert whole is not None
    assert crop is not None
    assert whole.shape == (40, 80, 3)
    assert crop.shape == (24, 24, 3)  # the box of 20 x 20 with a tenth around it
    assert crop.mean() > 100 > whole.mean()
    assert [message.values for message in target.messages] == [first, second]
    assert [one for one, _ in seen] == [event(1).id, event(2).id]
    assert seen[0][1] == target.messages[0].pictures["crop"]
    assert target.ended == [5.0, 0.0]
    assert sorted(path.name for path in (tmp_path / "events").iterdir()) == ["events.jsonl", "snapshots"]


@pytest.mark.parametrize(
    ("box", "shape"),
    [
        pytest.param((0.0, 0.0, 1.0, 1.0), (40, 80), id="the whole picture"),
        pytest.param((0.9, 0.9, 1.3, 1.2), (5, 11), id="over the edge"),
        pytest.param((0.5, 0.5, 0.5, 0.5), None, id="of no size"),
        pytest.param((1.2, 1.2, 1.4, 1.4), None, id="beside the picture"),
    ],
)
def test_crops_stay_within_the_picture(tmp_path: Path, box: BoxXyxy, shape: tuple[int, int] | None) -> None:
    with Dispatch(EventFolder(tmp_path, print), {}) as dispatch:
        dispatch.take(event(1, box=box), Reaction(), image=picture(), clip=None)
    (line,) = lines(tmp_path)
    assert ("crop" in line) == (shape is not None)
    if shape is not None:
        crop = cv2.imread(str(tmp_path / str(line["crop"])))
        assert crop is not None
        assert crop.shape[:2] == shape


def test_lines_are_appended_over_runs_and_follow_their_name(tmp_path: Path) -> None:
    for number in range(2):
        with Dispatch(EventFolder(tmp_path, print), {}) as dispatch:
            dispatch.take(event(number), Reaction(), image=None, clip=None)
    assert [line["id"] for line in lines(tmp_path)] == [event(0).id, event(1).id]
    with Dispatch(EventFolder(tmp_path, print), {}) as dispatch:
        (tmp_path / "events.jsonl").rename(tmp_path / "events.jsonl.1")  # as logrotate does
        dispatch.take(event(2), Reaction(), image=None, clip=None)
    assert [line["id"] for line in lines(tmp_path)] == [event(2).id]


def test_old_pictures_go_while_events_never_pause(tmp_path: Path) -> None:
    old = tmp_path / "snapshots" / f"{event(99).id}.jpg"
    old.parent.mkdir()
    old.write_bytes(b"")
    os.utime(old, (0, 0))
    folder = EventFolder(tmp_path, print, keep=Keep(age_s=3600))
    assert old.exists()
    with Dispatch(folder, {}) as dispatch:
        ends_s = time.monotonic() + 10
        while old.exists() and time.monotonic() < ends_s:
            for number in range(20):  # something always waits
                dispatch.take(event(number), Reaction(), image=picture(), clip=None)
            time.sleep(0.01)
    assert not old.exists()


def test_a_run_without_events_leaves_no_line_behind(tmp_path: Path) -> None:
    EventFolder(tmp_path, print).close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_one_run_s(tmp_path: Path) -> None:
    with EventFolder(tmp_path, print), pytest.raises(InputError, match="expected a folder that nothing else writes"):
        EventFolder(tmp_path, print)


def test_what_cannot_take_events_is_refused_before(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file: expected a folder for events, got a file\. Name another\.$"):
        check_event_folder(tmp_path / "file")
    with pytest.raises(InputError, match=r"expected a place that can be written to, got .*file, which is a file"):
        check_event_folder(tmp_path / "file" / "events")
    check_event_folder(tmp_path / "new" / "events")
    assert not (tmp_path / "new").exists()


@contextmanager
def limited(size_bytes: int) -> Iterator[None]:
    """Let no file grow further, as on a disk that is full; pytest's own output neither, so not for a whole test."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    was = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, was)


def test_a_full_disk_is_said_once_counted_and_stops_nothing(tmp_path: Path) -> None:
    told, target = list[str](), KeptMessages()
    with Dispatch(EventFolder(tmp_path, told.append), {"given": target}) as dispatch:
        with limited(300):
            for number in range(4):
                dispatch.take(event(number), TOLD, image=picture(), clip=None)
            wait_until(lambda: len(target.messages) == 4)
        assert dispatch.counts[0].dropped == {"picture not written": 8, "line not written": 3}
        dispatch.take(event(4), TOLD, image=picture(), clip=None)
    assert len(target.messages[0].pictures) == 2  # who is told has them all the same
    assert [line["id"] for line in lines(tmp_path)] == [event(0).id, event(4).id]
    assert len(told) == 4
    assert sum("The run goes on; what is missing is counted." in line for line in told) == 2
    assert sum("could be written again." in line for line in told) == 2
    assert not list((tmp_path / "snapshots").glob(".*"))


def test_a_disk_that_hangs_stops_nobody_and_what_finds_no_room_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, write = threading.Event(), event_folder._write_whole
    monkeypatch.setattr(event_folder, "_write_whole", lambda *args: (hangs.wait(), write(*args))[1])
    target = KeptMessages()
    room = 10 * picture().nbytes
    with Dispatch(EventFolder(tmp_path, print), {"given": target}, most_bytes=room) as dispatch:
        for number in range(100):
            dispatch.take(event(number), TOLD, image=picture(), clip=None)
        hangs.set()
    (_, own, told) = dispatch.counts
    assert own.target == "events"
    without, lost = own.dropped["picture: queue full"], own.dropped["queue full"]
    assert without > lost > 0
    assert len(lines(tmp_path)) == told.sent == 100 - lost
    assert sum("snapshot" in line for line in lines(tmp_path)) == 100 - without

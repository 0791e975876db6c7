"""Clips: where they begin and end, what they show, and that nothing is encoded twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.events import clips
from singleshot.runtime.events.clip_file import save_clip
from singleshot.runtime.events.clip_length import ClipLength
from singleshot.runtime.events.clips import ClipRecorder
from singleshot.runtime.events.packet_ring import PacketRing
from singleshot.runtime.sinks import encoder
from singleshot.runtime.sinks.encoder import (
    KEY_EVERY_S,
    EncodedPacket,
    Encoder,
    PictureShape,
    add_h264_stream,
    new_context,
)
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sinks.segments import Segments
from singleshot.runtime.sinks.video import VideoSink
from singleshot.runtime.sources.frame import Frame
from singleshot.tests.fixtures.events import START, event

SHAPE = PictureShape(height=48, width=64, pixel_aspect=Fraction(1))


def result(time_s: float, *, height: int = 48, width: int = 64) -> FrameResult:
    """A frame whose brightness is its time in tenths of seconds."""
    image = np.full((height, width, 3), min(255, round(10 * time_s)), np.uint8)
    frame = Frame(image=image, index=round(1000 * time_s), time_s=time_s, source="door")
    return FrameResult(frame=frame, found=Detections.none(), drawn=image)


def packet(time_s: float, *, is_key: bool = False, size: int = 10, shape: PictureShape = SHAPE) -> EncodedPacket:
    return EncodedPacket(data=b"x" * size, time_s=time_s, is_key=is_key, shape=shape)


class KeptClips:
    """Writes clips below a folder, and remembers what they are of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clips: list[tuple[str, list[float], datetime]] = []

    def save(self, name: str, packets: Sequence[EncodedPacket], captured_at: datetime) -> None:
        self.clips.append((name, [one.time_s for one in packets], captured_at))
        save_clip(self.folder / name, packets, captured_at=captured_at)

    def frames(self, number: int) -> list[tuple[float, int]]:
        """Times since the clip's beginning, and brightness, of a clip's frames."""
        with av.open(str(self.folder / self.clips[number][0])) as file:
            return [
                (float(frame.pts * frame.time_base), round(float(frame.to_ndarray(format="gray").mean())))
                for frame in file.decode(video=0)
                if frame.pts is not None and frame.time_base is not None
            ]


def run(recorder: ClipRecorder, times_s: Sequence[float], events: dict[float, ClipLength]) -> None:
    """Show frames, and have clips of events at some of them."""
    for time_s in times_s:
        recorder.see(result(time_s))
        if (length := events.get(time_s)) is not None:
            recorder.record(event(round(10 * time_s), time_s=time_s), length)


def tenths(first: float, last: float) -> list[float]:
    return [number / 10 for number in range(round(10 * first), round(10 * last))]


@pytest.fixture
def kept(tmp_path: Path) -> KeptClips:
    return KeptClips(tmp_path)


def test_a_clip_begins_before_its_event_and_shows_every_frame_at_its_time(kept: KeptClips) -> None:
    recorder = ClipRecorder(3.0, kept.save)
    run(recorder, tenths(0, 20), {10.0: ClipLength(before_s=3.0, after_s=2.0)})
    ((name, times_s, at),) = kept.clips
    assert name == f"clips/{event(100).id}.mp4"
    assert 7.0 - KEY_EVERY_S < times_s[0] <= 7.0
    assert times_s == tenths(times_s[0], 12.1)
    assert at == START + timedelta(seconds=times_s[0])
    shown = kept.frames(0)
    assert [time_s for time_s, _ in shown] == pytest.approx([time_s - times_s[0] for time_s in times_s], abs=1e-4)
    assert [grey for _, grey in shown] == pytest.approx([10 * time_s for time_s in times_s], abs=3)


def test_gaps_and_dropped_frames_stay_as_they_are(kept: KeptClips) -> None:
    times_s = [0.0, 0.1, 0.5, 0.6, 4.0, 4.1, 6.0, 20.0]
    run(ClipRecorder(5.0, kept.save), times_s, {4.0: ClipLength(before_s=5.0, after_s=3.0)})
    assert kept.clips[0][1] == times_s[:-1]
    assert [time_s for time_s, _ in kept.frames(0)] == pytest.approx(times_s[:-1], abs=1e-4)


@pytest.mark.parametrize(
    ("events", "names", "ends_s"),
    [
        pytest.param([10.0, 11.0], ["100"], [13.0], id="an event within a clip makes it longer"),
        pytest.param([10.0, 12.0, 14.0], ["100"], [16.0], id="and again"),
        pytest.param([10.0, 12.5], ["100", "125"], [12.0, 14.5], id="one behind it has its own"),
    ],
)
def test_events_share_clips(kept: KeptClips, events: list[float], names: list[str], ends_s: list[float]) -> None:
    length = ClipLength(before_s=1.0, after_s=2.0)
    run(ClipRecorder(1.0, kept.save), tenths(0, 20), dict.fromkeys(events, length))
    assert [name for name, _, _ in kept.clips] == [f"clips/{event(int(name)).id}.mp4" for name in names]
    assert [times_s[-1] for _, times_s, _ in kept.clips] == ends_s


def test_a_clip_does_not_grow_for_ever(kept: KeptClips, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "LONGEST_S", 6.0)
    length = ClipLength(before_s=1.0, after_s=2.0)
    run(ClipRecorder(1.0, kept.save), tenths(0, 20), {float(time_s): length for time_s in range(5, 15)})
    spans_s = [times_s[-1] - times_s[0] for _, times_s, _ in kept.clips]
    assert len(spans_s) > 1
    assert max(spans_s) <= 6.0
    assert {time_s for _, times_s, _ in kept.clips for time_s in times_s} >= set(tenths(4, 16))


def test_the_end_of_a_run_finishes_a_clip(kept: KeptClips) -> None:
    recorder = ClipRecorder(1.0, kept.save)
    run(recorder, tenths(0, 3), {2.5: ClipLength(before_s=1.0, after_s=60.0)})
    assert kept.clips == []
    recorder.close()
    assert kept.clips[0][1][-1] == 2.9
    assert len(kept.frames(0)) == len(kept.clips[0][1])


def test_a_camera_that_is_lost_in_the_middle_leaves_its_clip(kept: KeptClips) -> None:
    now_s = [100.0]
    recorder = ClipRecorder(1.0, kept.save, clock=lambda: now_s[0])
    run(recorder, tenths(0, 3), {2.5: ClipLength(before_s=1.0, after_s=5.0)})
    now_s[0] += 5.0
    recorder.finish_overdue()
    assert kept.clips == []  # frames may come late
    now_s[0] += 3.0
    recorder.finish_overdue()
    assert len(kept.clips) == 1
    run(recorder, tenths(60, 62), {61.0: ClipLength(before_s=0.5, after_s=0.5)})  # it is back
    assert kept.clips[1][1][0] >= 60.0


def test_another_size_ends_a_clip_and_begins_the_ring_anew(kept: KeptClips) -> None:
    recorder = ClipRecorder(5.0, kept.save)
    length = ClipLength(before_s=5.0, after_s=5.0)
    run(recorder, tenths(0, 3), {2.5: length})
    for time_s in tenths(3, 12):
        recorder.see(result(time_s, height=50, width=65))
        if time_s == 4.0:
            recorder.record(event(40, time_s=4.0), length)
    assert [times_s[0] for _, times_s, _ in kept.clips] == [0.0, 3.0]
    assert [times_s[-1] for _, times_s, _ in kept.clips] == [2.9, 9.0]
    assert len(kept.frames(1)) == 61


@pytest.mark.parametrize("segments", [None, Segments(length_s=2.0)], ids=["one file", "a recording that is cut"])
def test_a_recording_s_packets_are_taken_and_nothing_is_encoded_twice(
    kept: KeptClips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, segments: Segments | None
) -> None:
    encoded: list[float] = []
    encode = encoder.Encoder.encode

    def counted(self: Encoder, image: NDArray[np.uint8], time_s: float) -> list[av.Packet[av.VideoStream]]:
        encoded.append(time_s)
        return encode(self, image, time_s)

    monkeypatch.setattr(encoder.Encoder, "encode", counted)
    recorder = ClipRecorder(3.0, kept.save)
    video = VideoSink(tmp_path / "out.mp4", segments=segments, on_packet=recorder.add)
    for time_s in tenths(0, 10):
        video.write(result(time_s))
        recorder.see(result(time_s))
        if time_s == 6.5:
            recorder.record(event(65, time_s=time_s), ClipLength(before_s=3.0, after_s=1.0))
    video.close()
    assert encoded == tenths(0, 10)
    shown = kept.frames(0)
    assert kept.clips[0][1] == tenths(kept.clips[0][1][0], 7.6)
    assert [grey for _, grey in shown] == pytest.approx([10 * time_s for time_s in kept.clips[0][1]], abs=3)


def test_where_a_recording_pauses_the_clip_goes_on(kept: KeptClips, tmp_path: Path) -> None:
    recorder = ClipRecorder(3.0, kept.save)
    video = VideoSink(tmp_path / "out.mp4", on_packet=recorder.add)
    for time_s in tenths(0, 8):
        if time_s < 3.0 or time_s >= 6.0:  # its disk was full
            video.write(result(time_s))
        recorder.see(result(time_s))
        if time_s == 5.0:
            recorder.record(event(50, time_s=time_s), ClipLength(before_s=3.0, after_s=2.0))
    video.close()
    shown = kept.frames(0)
    assert kept.clips[0][1] == tenths(kept.clips[0][1][0], 7.1)
    assert [grey for _, grey in shown] == pytest.approx([10 * time_s for time_s in kept.clips[0][1]], abs=3)


def test_key_frames_come_in_time_at_any_frame_rate() -> None:
    one = Encoder(new_context(SHAPE), SHAPE, start_s=0.0, key_every_s=2.0)
    kept = [one.kept(packet) for time_s in range(20) for packet in one.encode(result(time_s).drawn, float(time_s))]  # type: ignore[arg-type]
    assert [packet.time_s for packet in kept if packet.is_key] == [float(time_s) for time_s in range(0, 20, 2)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_headers_of_files_are_those_of_the_ring(tmp_path: Path, suffix: str) -> None:
    """A clip's own headers stand for packets that another encoder made."""
    for shape in (SHAPE, PictureShape(height=721, width=1281, pixel_aspect=Fraction(4, 3))):
        context = new_context(shape)
        Encoder(context, shape, start_s=0.0, key_every_s=2.0).encode(
            np.zeros((shape.height, shape.width, 3), np.uint8), 0.0
        )
        with av.open(str(tmp_path / f"x{suffix}"), "w") as file:
            stream = add_h264_stream(file, shape)
            file.start_encoding()
            assert stream.codec_context.extradata == context.extradata
            assert context.extradata


@pytest.mark.parametrize(
    ("packets", "since_s", "found"),
    [
        pytest.param([(0, True), (1, False), (2, True), (3, False)], 2.5, [2, 3], id="from the key frame before"),
        pytest.param([(0, True), (1, False), (2, True), (3, False)], 2.0, [2, 3], id="or at that moment"),
        pytest.param([(0, True), (1, False), (2, True)], 0.5, [0, 1, 2], id="as much as there is"),
        pytest.param([(0, True), (1, False)], -5.0, [0, 1], id="where there is none so early"),
        pytest.param([(0, False), (1, True), (2, False)], 0.0, [1, 2], id="what cannot be decoded is left out"),
        pytest.param([(9, True), (9.5, False), (0, True), (1, False)], 0.0, [0, 1], id="time that fell begins anew"),
        pytest.param([], 0.0, [], id="nothing"),
    ],
)
def test_what_a_ring_gives(packets: list[tuple[float, bool]], since_s: float, found: list[float]) -> None:
    ring = PacketRing(10.0)
    for time_s, is_key in packets:
        ring.add(packet(time_s, is_key=is_key))
    assert [one.time_s for one in ring.since(since_s)] == found


def test_a_ring_is_bounded_in_seconds_and_bytes() -> None:
    ring = PacketRing(3.0, most_bytes=1000)
    for time_s in range(100):
        ring.add(packet(time_s, is_key=time_s % 2 == 0))
    assert [one.time_s for one in ring.since(0.0)] == [96, 97, 98, 99]
    assert not ring.is_short
    for time_s in range(100, 200):
        ring.add(packet(time_s, is_key=time_s % 2 == 0, size=300))
    assert sum(len(one.data) for one in ring.since(0.0)) <= 1000
    assert ring.is_short

"""Streams from real servers on loopback: they are lost and come back, fall silent, change their size."""

from __future__ import annotations

import io
import itertools
import socket
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.sources import open_source as opening
from singleshot.runtime.sources import stream
from singleshot.runtime.sources.live import Patience
from singleshot.runtime.sources.open_source import open_source
from singleshot.runtime.sources.source_events import SourceEvent
from singleshot.tests.places import CLIP, FIXTURES

SYSTEM_PYTHON = "/usr/bin/python3"
RTSP_PROBE = """
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
raise SystemExit(not all(map(Gst.ElementFactory.find, ("videotestsrc", "x264enc", "rtph264pay"))))
"""


def jpeg(width: int) -> bytes:
    return cv2.imencode(".jpg", np.full((48, width, 3), 90, np.uint8))[1].tobytes()


@contextmanager
def mjpeg_camera(send: Callable[[int, int], bytes | None]) -> Iterator[str]:
    """Serve `multipart/x-mixed-replace` on loopback.

    Args:
        send: of the number of the connection and of the picture: its bytes; empty closes, None is silence.
    """
    connections = itertools.count()
    left = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            connection = next(connections)
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for number in itertools.count():
                data = send(connection, number)
                if data is None:
                    left.wait()
                if not data or left.wait(0.01):
                    return
                head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data)
                try:
                    self.wfile.write(head + data + b"\r\n")
                except OSError:
                    return

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://user:geheim@127.0.0.1:{server.server_address[1]}/cam?token=geheim"
        left.set()
        server.shutdown()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "Patience", partial(Patience, first_delay_s=0.05, stall_s=0.4))
    monkeypatch.setattr(stream, "_OPEN_S", 5.0)
    monkeypatch.setattr(stream, "_READ_S", 1.0)


def test_stream_that_closes_is_opened_again_at_another_size() -> None:
    told: list[SourceEvent] = []
    with (
        mjpeg_camera(lambda connection, number: b"" if number == 40 else jpeg(64 if connection == 0 else 80)) as url,
        open_source(url, policy="all", on_event=told.append) as source,
    ):
        frames = list(itertools.islice(source, 60))
        assert {frame.image.shape for frame in frames} == {(48, 64, 3), (48, 80, 3)}
        times_s = [frame.time_s for frame in frames]
        assert times_s == sorted(times_s)
        assert all(frame.captured_at is not None and frame.captured_at.tzinfo is not None for frame in frames)
        shown = source.name
        assert {frame.source for frame in frames} == {shown}
    assert [event.state for event in told][:4] == ["opening", "live", "lost", "back"]
    assert told[2].line.startswith(f"{shown}: lost (")
    assert told[3].line.startswith(f"{shown}: back (after ")
    assert "geheim" not in f"{told} {shown} {source.warnings}"


def test_stream_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[SourceEvent] = []
    monkeypatch.setattr(stream, "_OPEN_S", 1.0)
    with (
        mjpeg_camera(lambda connection, number: jpeg(64) if connection == 0 and number < 40 else None) as url,
        open_source(url, policy="all", give_up_after_s=1.5, on_event=told.append) as source,
    ):
        assert len(list(source)) > 0
        assert "given up, the run ends here" in source.warnings[-1]
    assert [event.state for event in told] == [
        "opening",
        "live",
        "stalled",
        "lost",
        "ended",
    ]  # one a change, not one an attempt
    assert f"{source.name}: lost 1 times." in source.warnings


def test_newest_frame_of_a_live_stream_is_kept_and_the_others_counted() -> None:
    with mjpeg_camera(lambda _connection, _number: jpeg(64)) as url, open_source(url) as source:
        frames = iter(source)
        first = next(frames)
        time.sleep(0.3)
        later = next(frames)
        next(frames)
    dropped = later.index - first.index - 1
    assert dropped > 3
    assert "frames came while another was looked at" in source.warnings[0]
    assert source.drops["replaced by a newer"] >= dropped


def test_stream_that_is_not_there(capfd: pytest.CaptureFixture[str]) -> None:
    for scheme in ("rtsp", "http", "rtmp"):
        with pytest.raises(InputError) as caught:
            open_source(f"{scheme}://user:geheim@127.0.0.1:1/cam?key=geheim")
        expected = f"{scheme}://127.0.0.1:1/cam: expected a stream that can be opened, got "
        assert str(caught.value).startswith(expected)
        assert "geheim" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_pictures_on_standard_input_are_all_looked_at() -> None:
    program = (
        "from singleshot.runtime.sources.open_source import open_source\n"
        "with open_source('-') as source: print(*[frame.image.shape for frame in source], source.warnings)"
    )
    pictures = b"".join(map(jpeg, (64, 64, 80)))
    run = subprocess.run([sys.executable, "-c", program], input=pictures, capture_output=True, check=True)
    assert run.stdout.decode() == "(48, 64, 3) (48, 64, 3) (48, 80, 3) ()\n"


def test_pictures_that_cannot_be_decoded() -> None:
    command = [sys.executable, "-m", "singleshot.tools.rt_detect", "--video", "-"]
    run = subprocess.run(command, input=jpeg(64)[:300], capture_output=True, check=False)
    message = "error: stdin: expected a source that delivers frames, got none (it ended). Is it a stream of pictures?"
    assert (run.returncode, run.stderr.decode().splitlines()[-1]) == (2, message)


@contextmanager
def served(name: str, data: bytes) -> Iterator[str]:
    """Serve a file on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            try:
                self.wfile.write(data[start:])
            except OSError:
                return

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{name}"
        server.shutdown()


def test_video_over_http_is_read_whole_and_ends() -> None:
    with served("dog.mp4", CLIP.read_bytes()) as url, open_source(url) as source:
        frames = list(source)
    assert (len(frames), source.warnings, frames[0].captured_at) == (282, (), None)
    assert frames[-1].time_s == pytest.approx(281 / 25)


def test_sound_over_http_is_no_stream_of_pictures() -> None:
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", "not compressed"))
        file.writeframes(bytes(8000))
    with (
        served("sound.wav", sound.getvalue()) as url,
        pytest.raises(InputError, match=r"sound\.wav: expected a stream with pictures, got one without\."),
    ):
        open_source(url)


def has_rtsp_server() -> bool:
    if not Path(SYSTEM_PYTHON).exists():
        return False
    return subprocess.run([SYSTEM_PYTHON, "-c", RTSP_PROBE], capture_output=True, check=False).returncode == 0


@contextmanager
def rtsp_camera(port: int, *, width: int) -> Iterator[None]:
    command = [SYSTEM_PYTHON, str(FIXTURES / "rtsp_server.py"), str(port), str(width)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            yield
        finally:
            server.kill()


@pytest.mark.skipif(not has_rtsp_server(), reason="GStreamer's RTSP server is not installed (tests/apt.txt lists it)")
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp_camera_that_is_killed_comes_back_at_another_size(
    transport: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told: list[SourceEvent] = []
    with rtsp_camera(port, width=320):
        source = open_source(f"rtsp://user:geheim@127.0.0.1:{port}/cam?transport={transport}", on_event=told.append)
        frames = iter(source)
        assert [next(frames).image.shape for _ in range(5)] == [(240, 320, 3)] * 5
    with rtsp_camera(port, width=160), source:
        assert next(frame for frame in frames if frame.image.shape == (240, 160, 3)).index > 5
    assert [event.state for event in told if event.state != "stalled"] == ["opening", "live", "lost", "back", "ended"]
    assert {event.source for event in told} == {f"rtsp://127.0.0.1:{port}/cam"}
    assert capfd.readouterr().err == ""

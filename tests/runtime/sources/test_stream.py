"""Streams from real servers on loopback: they are lost and come back, fall silent, change their size."""

from __future__ import annotations

import io
import itertools
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from singleshot.runtime.errors import InputError
from singleshot.runtime.sources import open_source as opening
from singleshot.runtime.sources import stream
from singleshot.runtime.sources.live import Patience
from singleshot.runtime.sources.open_source import open_source
from singleshot.runtime.sources.source_events import SourceEvent
from singleshot.tests.fixtures.mjpeg_camera import jpeg, mjpeg_camera
from singleshot.tests.fixtures.running import running
from singleshot.tests.places import CLIP, FIXTURES

SYSTEM_PYTHON = "/usr/bin/python3"
RTSP_PROBE = """
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
raise SystemExit(not all(map(Gst.ElementFactory.find, ("videotestsrc", "x264enc", "rtph264pay"))))
"""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with closing(socket.socket(type=kind)) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "Patience", partial(Patience, first_delay_s=0.05, stall_s=0.4, silence_s=2.0))
    monkeypatch.setattr(stream, "_OPEN_S", 5.0)
    monkeypatch.setattr(stream, "_READ_S", 3.0)


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
    assert f"{source.name}: lost once." in source.warnings


def test_newest_frame_of_a_live_stream_is_kept_and_the_others_counted() -> None:
    with mjpeg_camera(lambda _connection, _number: jpeg(64)) as url, open_source(url) as source:
        frames = iter(source)
        first = next(frames)
        time.sleep(0.3)
        later = next(frames)
        next(frames)
    dropped = later.index - first.index - 1
    assert dropped > 3
    assert source.drops["replaced by a newer"] >= dropped


def test_stream_that_is_not_there(capfd: pytest.CaptureFixture[str]) -> None:
    for scheme in ("rtsp", "http", "rtmp"):
        with pytest.raises(InputError) as caught:
            open_source(f"{scheme}://user:geheim@127.0.0.1:1/cam?key=geheim")
        expected = f"{scheme}://127.0.0.1:1/cam: expected a stream that can be opened, got "
        assert str(caught.value).startswith(expected)
        assert "geheim" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_stream_that_wants_another_password() -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(InputError) as caught:
            open_source(f"http://user:geheim@127.0.0.1:{server.server_address[1]}/cam")
        server.shutdown()
    assert str(caught.value).endswith(
        "/cam: expected a stream that can be opened, got Server returned 401 Unauthorized (authorization failed). "
        "Are user name and password right?"
    )
    assert "geheim" not in str(caught.value)


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
    message = (
        "error: stdin: expected a source that delivers frames, got none (it ended). Standard input takes JPEG "
        "pictures, one after the other: `ffmpeg -i ... -f mjpeg - | rt-detect --video -`."
    )
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


def pictures(index: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), index % 200, np.uint8), format="bgr24")
    frame.pts = index
    return frame


def send_h264(target: object, form: str, left: threading.Event, *, options: dict[str, str] | None = None) -> None:
    """Send grey pictures, 25 a second, as a camera would, until told to leave or nobody listens any more."""
    with suppress(OSError, av.FFmpegError), av.open(target, "w", format=form, options=options or {}) as out:
        settings = {"preset": "ultrafast", "tune": "zerolatency", "g": "12"}
        stream = out.add_stream("libx264", rate=25, options=settings)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in itertools.count():
            if left.wait(0.04):
                return
            out.mux(stream.encode(pictures(index)))


@contextmanager
def sent(target: object, form: str, options: dict[str, str] | None = None) -> Iterator[None]:
    left = threading.Event()
    thread = threading.Thread(target=send_h264, args=(target, form, left), kwargs={"options": options}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()


@contextmanager
def udp_camera(_folder: Path) -> Iterator[str]:
    port = free_port(socket.SOCK_DGRAM)
    with sent(f"udp://127.0.0.1:{port}?pkt_size=1316", "mpegts"):
        yield f"udp://127.0.0.1:{port}"


@contextmanager
def transport_stream_over_http(_folder: Path) -> Iterator[str]:
    left = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            send_h264(self.wfile, "mpegts", left)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/live.ts"
        left.set()
        server.shutdown()


@contextmanager
def hls_camera(folder: Path) -> Iterator[str]:
    """A playlist without an end that names the last three files of half a second."""
    settings = {"hls_time": "0.48", "hls_list_size": "3", "hls_flags": "delete_segments"}
    handler = partial(QuietFiles, directory=str(folder))
    with (
        sent(str(folder / "live.m3u8"), "hls", settings),
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while not (folder / "live.m3u8").exists():
            time.sleep(0.05)
        yield f"http://127.0.0.1:{server.server_address[1]}/live.m3u8"
        server.shutdown()


class QuietFiles(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def rtmp_camera(_folder: Path) -> Iterator[str]:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg, which serves RTMP, is not installed (tests/apt.txt lists it)")
    port = free_port()
    url = f"rtmp://127.0.0.1:{port}/live/cam"
    pattern = "testsrc=size=64x48:rate=25"
    encoding = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "12", "-f", "flv"]
    command = ["ffmpeg", "-v", "quiet", "-re", "-f", "lavfi", "-i", pattern, *encoding, "-listen", "1", url]
    with running(command):
        for _ in range(200):  # it says nothing when it listens, and takes one client alone
            if f":{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text():
                break
            time.sleep(0.05)
        yield url


@pytest.mark.parametrize(
    "camera",
    [
        pytest.param(udp_camera, id="MPEG-TS over UDP"),
        pytest.param(transport_stream_over_http, id="MPEG-TS over HTTP"),
        pytest.param(hls_camera, id="HLS"),
        pytest.param(rtmp_camera, id="RTMP"),
    ],
)
def test_live_streams_of_other_protocols(
    camera: Callable[[Path], AbstractContextManager[str]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[SourceEvent] = []
    with camera(tmp_path) as url, open_source(url, policy="all", on_event=told.append) as source:
        frames = list(itertools.islice(source, 30))
    assert {frame.image.shape for frame in frames} == {(48, 64, 3)}
    assert {frame.capture_clock for frame in frames} == {"arrival"}
    assert [event.state for event in told if event.state != "stalled"][:2] == ["opening", "live"]
    assert capfd.readouterr().err == ""


def test_protocol_that_pyav_lacks_is_named() -> None:
    with pytest.raises(InputError) as caught:
        open_source("srt://user:geheim@127.0.0.1:1?passphrase=geheim")
    lacks = rf"srt://127\.0\.0\.1:1: expected a protocol that PyAV {av.__version__} has, got srt\. One built .*"
    assert re.fullmatch(rf"{lacks}|srt://127\.0\.0\.1:1: expected a stream .*", str(caught.value))
    assert "geheim" not in str(caught.value)


def has_rtsp_server() -> bool:
    if not Path(SYSTEM_PYTHON).exists():
        return False
    return subprocess.run([SYSTEM_PYTHON, "-c", RTSP_PROBE], capture_output=True, check=False).returncode == 0


@contextmanager
def rtsp_camera(port: int, *, width: int) -> Iterator[subprocess.Popen[str]]:
    command = [SYSTEM_PYTHON, str(FIXTURES / "rtsp_server.py"), str(port), str(width)]
    with running(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield server


needs_rtsp = pytest.mark.skipif(
    not has_rtsp_server(), reason="GStreamer's RTSP server is not installed (tests/apt.txt lists it)"
)


@needs_rtsp
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp_camera_that_is_killed_comes_back_at_another_size(
    transport: str, capfd: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    told: list[SourceEvent] = []
    with rtsp_camera(port, width=320):
        source = open_source(f"rtsp://user:geheim@127.0.0.1:{port}/cam?transport={transport}", on_event=told.append)
        frames = iter(source)
        assert [next(frames).image.shape for _ in range(5)] == [(240, 320, 3)] * 5
    with rtsp_camera(port, width=160), source:
        assert next(frame for frame in frames if frame.image.shape == (240, 160, 3)).index >= 5
    assert [event.state for event in told if event.state != "stalled"] == ["opening", "live", "lost", "back", "ended"]
    assert {event.source for event in told} == {f"rtsp://127.0.0.1:{port}/cam"}
    assert capfd.readouterr().err == ""


def painted_s(image: NDArray[np.uint8]) -> float:
    """Read the moment that `rtsp_server.py` painted: 4 rows of 16 blocks, 20 pixels wide, the highest bit first."""
    blocks = image[:80, :, 1].reshape(4, 20, 16, 20).mean((1, 3)).ravel() > 128
    return int("".join("1" if block else "0" for block in blocks), 2) / 1e6


@needs_rtsp
@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.slow
def test_age_is_from_the_clock_of_the_rtsp_camera(transport: str) -> None:
    """The camera paints the moment of capture into its pictures."""
    port = free_port()
    with rtsp_camera(port, width=320), open_source(f"rtsp://127.0.0.1:{port}/clock?transport={transport}") as source:
        frames = iter(source)
        first = next(frames)
        heard = [frame for frame in itertools.islice(frames, 250) if frame.capture_clock == "sender"]
    assert first.capture_clock == "arrival"  # until the first report
    assert len(heard) > 20
    apart_ms = [
        1e3 * (frame.captured_at.timestamp() - painted_s(frame.image))
        for frame in heard
        if frame.captured_at is not None
    ]
    assert np.median(np.abs(apart_ms)) < 1
    assert np.abs(apart_ms).max() < 30  # the server stamps after painting; the machine may be busy


@needs_rtsp
@pytest.mark.slow
def test_rtsp_picture_does_not_wait_for_the_next_one() -> None:
    """At 25 pictures a second FFmpeg's parser makes each 40 ms late."""
    port, ages_ms = free_port(), list[float]()
    with rtsp_camera(port, width=320), open_source(f"rtsp://127.0.0.1:{port}/clock", policy="all") as source:
        for frame in itertools.islice(source, 150):
            ages_ms.append(1e3 * (time.time() - painted_s(frame.image)))
    assert np.percentile(ages_ms[100:], 25) < 20  # a quarter, as the machine may be busy
    assert not source.drops


@needs_rtsp
@pytest.mark.slow
def test_rtsp_camera_that_freezes_is_lost_and_comes_back() -> None:
    """A server that stops without closing sends nothing and refuses nothing."""
    port, told = free_port(), list[SourceEvent]()
    with (
        rtsp_camera(port, width=160) as server,
        open_source(f"rtsp://127.0.0.1:{port}/cam", on_event=told.append) as source,
    ):
        frames = iter(source)
        next(frames)
        server.send_signal(signal.SIGSTOP)
        threading.Timer(3, server.send_signal, [signal.SIGCONT]).start()
        times_s = [frame.time_s for frame in itertools.islice(frames, 50)]
        gap_s = max(np.diff(times_s))
    assert gap_s > 1
    assert [event.state for event in told][:5] == ["opening", "live", "stalled", "lost", "back"]

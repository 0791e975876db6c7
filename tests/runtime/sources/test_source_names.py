"""What a user writes for a source, and what of it may be shown."""

from __future__ import annotations

import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.sources.open_source import open_source
from singleshot.runtime.sources.source_names import SourceName, read_source_name, without_secrets


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("cam0", SourceName(kind="camera", target="0", shown="cam0"), id="camera"),
        pytest.param("12", SourceName(kind="camera", target="12", shown="cam12"), id="camera by number"),
        pytest.param("./0", SourceName(kind="path", target="./0", shown="./0"), id="file that is called by a number"),
        pytest.param(
            "/dev/video1?width=1280&format=mjpg",
            SourceName(kind="camera", target="1", shown="cam1", options={"width": "1280", "format": "mjpg"}),
            id="device with options",
        ),
        pytest.param(
            "/dev/v4l/by-id/usb-046d_C920-video-index0?fps=30",
            SourceName(
                kind="camera",
                target="/dev/v4l/by-id/usb-046d_C920-video-index0",
                shown="/dev/v4l/by-id/usb-046d_C920-video-index0",
                options={"fps": "30"},
            ),
            id="camera by its lasting name",
        ),
        pytest.param(
            "csi://1?width=1920&flip=2",
            SourceName(kind="csi", target="1", shown="csi://1", options={"width": "1920", "flip": "2"}),
            id="camera of a Jetson",
        ),
        pytest.param(
            "gst:rtspsrc location=rtsp://a:geheim@cam/1 ! application/x-rtp,media=video ! decodebin",
            SourceName(
                kind="gstreamer",
                target="rtspsrc location=rtsp://a:geheim@cam/1 ! application/x-rtp,media=video ! decodebin",
                shown="gst:rtspsrc!decodebin",
            ),
            id="of a pipeline the elements alone are shown",
        ),
        pytest.param(
            "synthetic://?objects=3&paced=1",
            SourceName(
                kind="synthetic",
                target="",
                shown="synthetic://?objects=3&paced=1",
                options={"objects": "3", "paced": "1"},
            ),
            id="synthetic scene",
        ),
        pytest.param(
            "chaos://drop=0.1&seed=2&source=rtsp://a:geheim@cam/1?source=2&transport=udp",
            SourceName(
                kind="chaos",
                target="rtsp://a:geheim@cam/1?source=2&transport=udp",
                shown="chaos://rtsp://cam/1",
                options={"drop": "0.1", "seed": "2"},
            ),
            id="what chaos wraps stands at the end as it is",
        ),
        pytest.param("-", SourceName(kind="stdin", target="pipe:0", shown="stdin"), id="standard input"),
        pytest.param("a?.jpg", SourceName(kind="path", target="a?.jpg", shown="a?.jpg"), id="glob"),
        pytest.param("12:30.mp4", SourceName(kind="path", target="12:30.mp4", shown="12:30.mp4"), id="colon"),
        pytest.param(
            "rtsp://admin:p@ss@cam:554/h264?channel=1&transport=udp&key=abc",
            SourceName(
                kind="stream",
                target="rtsp://admin:p@ss@cam:554/h264?channel=1&key=abc",
                shown="rtsp://cam:554/h264",
                options={"rtsp_transport": "udp"},
            ),
            id="RTSP by UDP keeps the camera's own query and shows no secret",
        ),
        pytest.param(
            "rtsp://cam/1",
            SourceName(kind="stream", target="rtsp://cam/1", shown="rtsp://cam/1", options={"rtsp_transport": "tcp"}),
            id="RTSP goes by TCP",
        ),
        pytest.param(
            "https://x.example/live.m3u8?token=abc",
            SourceName(
                kind="stream",
                target="https://x.example/live.m3u8?token=abc",
                shown="https://x.example/live.m3u8",
            ),
            id="a ? in an address is no glob",
        ),
    ],
)
def test_name_is_read(text: str, name: SourceName) -> None:
    assert read_source_name(text) == name


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        pytest.param("rtsp://user:12/geheim@host/a", "rtsp://host/a", id="a password that begins like a port"),
        pytest.param("rtsp://host:554/a@b", "rtsp://b", id="what may be one"),
        pytest.param("rtsp://host/@user/live", "rtsp://host/@user/live", id="what cannot be one"),
        pytest.param("udp://@239.0.0.1:1234", "udp://239.0.0.1:1234", id="a group"),
        pytest.param(
            "rtsp://host:554/user=a_password=geheim_stream=0.sdp?real", "rtsp://host:554/...", id="within a path"
        ),
        pytest.param("http://host/live;pwd=geheim/1.m3u8", "http://host/live;.../1.m3u8", id="behind a semicolon"),
    ],
)
def test_secrets_are_not_shown(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


@pytest.mark.parametrize("text", ["rtsp:/a:geheim@host/x", "rtsp//a:geheim@host/x", "a:geheim@host", "//a:geheim@host"])
def test_an_address_with_a_slip_shows_no_secret_either(text: str) -> None:
    with pytest.raises(InputError, match=r"host.*: expected a video, an image") as caught:
        open_source(text)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("ftp://user:geheim@host/a", "ftp://host/a: expected a protocol of rtsp, rtsps,", id="protocol"),
        pytest.param(
            "rtsp://user:geheim@host/a?transport=tpc", "rtsp://host/a: expected transport=tcp or", id="transport"
        ),
        pytest.param("rtsp://user:geheim@[host/a", "rtsp://: expected an address, got one that", id="address"),
        pytest.param("http:///user:geheim@host/a", "http://: expected an address, got one that", id="a slash more"),
        pytest.param(" ", "--video: expected a source, got an empty name.", id="nothing"),
        pytest.param(
            "synthetic://?width=16385", "synthetic://?width=16385: expected width to be a number of", id="too wide"
        ),
        pytest.param(
            "synthetic://?height=99999", "synthetic://?height=99999: expected height to be a number of", id="too high"
        ),
        pytest.param(
            "synthetic://?objects=1000",
            "synthetic://?objects=1000: expected objects to be a whole number up to 999",
            id="too many",
        ),
        *(
            pytest.param(
                f"rtsp://user:{password}@host/a",
                "rtsp://: expected an address, got one that cannot be read. In a password write / as %2F,",
                id=f"a password with {password[-1]}",
            )
            for password in ("geheim/", "geheim?", "geheim#", "#geheim#")
        ),
        pytest.param(
            "cam0?widht=3", "cam0: expected options width, height, fps, format, got widht. Is width", id="key"
        ),
        pytest.param("cam0?width=wide", "cam0: expected width to be a number above 0, got 'wide'", id="number"),
        pytest.param(
            "csi://front", "csi://front: expected the number of a camera as in csi://0, got 'front'.", id="csi"
        ),
        pytest.param(
            "csi://0?flip=9", "csi://0: expected flip to be 0 to 7, as nvvidconv's flip-method, got", id="flip"
        ),
        pytest.param("gst: !", "gst:: expected a pipeline of GStreamer as in 'gst:v4l2src ! videoc", id="no pipeline"),
        pytest.param("synthetic://5", "synthetic://5: expected options behind a ? as in synthetic://?obj", id="no ?"),
        pytest.param(
            "synthetic://?paced=yes", "synthetic://?paced=yes: expected paced to be 0 or 1, got 'yes'", id="0 or 1"
        ),
        pytest.param(
            "chaos://drop=0.1", "chaos://: expected source=SOURCE at its end, got none.", id="chaos of nothing"
        ),
        pytest.param(
            "chaos://drop=2&source=rtsp://a:geheim@cam/1",
            "chaos://rtsp://cam/1: expected drop to be a share of 0 to 1, got '2'.",
            id="share",
        ),
        pytest.param(
            "chaos://drop=0.6&stall=0.6&source=cam0",
            "chaos://cam0: expected shares of at most 1 together, got 1.2.",
            id="shares",
        ),
        pytest.param("cam0?format=jpeg2", "cam0: expected format to be four letters like mjpg, got 'jp", id="letters"),
    ],
)
def test_name_that_is_none(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_source_name(text)
    assert str(caught.value).startswith(message)
    assert "geheim" not in str(caught.value)

"""What a user writes for a source, and what of it may be shown."""

from __future__ import annotations

import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.sources.source_names import SourceName, read_source_name


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
    ("text", "message"),
    [
        pytest.param("ftp://user:geheim@host/a", "ftp://host/a: expected a protocol of rtsp, rtsps,", id="protocol"),
        pytest.param(
            "rtsp://user:geheim@host/a?transport=tpc", "rtsp://host/a: expected transport=tcp or", id="transport"
        ),
        pytest.param("rtsp://user:geheim@[host/a", "rtsp://: expected an address, got one that", id="address"),
        pytest.param(
            "cam0?widht=3", "cam0: expected options width, height, fps, format, got widht. Is width", id="key"
        ),
        pytest.param("cam0?width=wide", "cam0: expected width to be a number above 0, got 'wide'", id="number"),
        pytest.param("cam0?format=jpeg2", "cam0: expected format to be four letters like mjpg, got 'jp", id="letters"),
    ],
)
def test_name_that_is_none(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_source_name(text)
    assert str(caught.value).startswith(message)
    assert "geheim" not in str(caught.value)

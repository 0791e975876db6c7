"""The grammar of what a user writes for a source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from ..errors import InputError

NameKind = Literal["camera", "stream", "stdin", "path"]

Policy = Literal["latest", "all"]
"""`latest`: a frame that nobody took is replaced by the next; `all`: reading waits."""


@dataclass(frozen=True, kw_only=True)
class SourceName:
    """What was written, read.

    Args:
        kind: what opens it.
        target: the camera's number, the URL with its password, or the path.
        shown: the same without user name, password and query: all that logs, errors and results may say.
        options: of the source, each checked for its name.
    """

    kind: NameKind
    target: str
    shown: str
    options: Mapping[str, str] = field(default_factory=dict)


SOURCE_FORMS = {
    "cam0, 0": "a local camera by its number",
    "/dev/video0?width=1280&height=720&fps=30&format=mjpg": (
        "the same by its device, or by /dev/v4l/by-id/NAME, which stays when it is plugged in anew; cam0 takes the "
        "options too"
    ),
    "clip.mp4": "a video file",
    "photo.jpg, photos/, 'photos/**/*.jpg'": "an image, a folder of images, or a glob",
    "rtsp://user:password@camera/path": "a stream by TCP; ?transport=udp by UDP",
    "rtmp://, srt://, udp://, http://, https://": "a stream or a video of the network: HLS, MJPEG, MPEG-TS, MP4",
    "-": "JPEG pictures one after the other on standard input",
}
"""What `--video` takes; a file whose name is a number is written `./0`."""

STREAM_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "rtp", "http", "https")

_CAMERA = re.compile(r"(?:(?:cam|/dev/video)?(?P<number>\d{1,3})|(?P<device>/dev/v4l/[^?]+))(?:\?(?P<query>.*))?")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_CAMERA_OPTIONS = ("width", "height", "fps", "format")
_TRANSPORTS = ("tcp", "udp")


def read_source_name(text: str) -> SourceName:
    """Read a source's name.

    Raises:
        InputError: a protocol or an option is none that is known, or has no such value.
    """
    if text == "-":
        return SourceName(kind="stdin", target="pipe:0", shown="stdin")
    if camera := _CAMERA.fullmatch(text):
        name = camera["device"] or f"cam{camera['number']}"
        options = _camera_options(name, camera["query"] or "")
        return SourceName(kind="camera", target=camera["device"] or camera["number"], shown=name, options=options)
    if scheme := _SCHEME.match(text):
        return _stream(text, scheme[1].lower())
    return SourceName(kind="path", target=text, shown=text)


def without_secrets(url: str) -> str:
    """Leave out a URL's user name, password and query, which may hold a key."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _stream(url: str, scheme: str) -> SourceName:
    try:
        shown = without_secrets(url)
    except ValueError:
        raise InputError(f"{scheme}://: expected an address, got one that cannot be read.") from None
    if scheme not in STREAM_SCHEMES:
        raise InputError(f"{shown}: expected a protocol of {', '.join(STREAM_SCHEMES)}, got {scheme}.")
    if not scheme.startswith("rtsp"):
        return SourceName(kind="stream", target=url, shown=shown)
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if pair and not pair.startswith("transport=")]  # the camera's own
    transport = dict(parse_qsl(parts.query)).get("transport", "tcp")
    if transport not in _TRANSPORTS:
        raise InputError(f"{shown}: expected transport=tcp or transport=udp, got {transport}.")
    target = urlunsplit((parts.scheme, parts.netloc, parts.path, "&".join(kept), parts.fragment))
    return SourceName(kind="stream", target=target, shown=shown, options={"rtsp_transport": transport})


def _camera_options(name: str, query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for key, value in options.items():
        if key not in _CAMERA_OPTIONS:
            nearest = get_close_matches(key, _CAMERA_OPTIONS, n=1, cutoff=0)[0]
            raise InputError(f"{name}: expected options {', '.join(_CAMERA_OPTIONS)}, got {key}. Is {nearest} meant?")
        is_right = len(value) == 4 if key == "format" else value.isdecimal() and int(value) > 0
        if not is_right:
            wanted = "four letters like mjpg" if key == "format" else "a number above 0"
            raise InputError(f"{name}: expected {key} to be {wanted}, got {value!r}.")
    return options

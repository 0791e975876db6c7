"""The grammar of what a user writes for a source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from ..errors import InputError

NameKind = Literal["camera", "csi", "gstreamer", "stream", "stdin", "synthetic", "chaos", "path"]

Policy = Literal["latest", "all"]
"""`latest`: a frame that nobody took is replaced by the next; `all`: reading waits."""


Decoder = Literal["auto", "cpu", "cuda", "vaapi", "v4l2m2m"]
"""`auto` is the first of the hardware that there is, else the processor."""


@dataclass(frozen=True, kw_only=True)
class SourceName:
    """What was written, read.

    Args:
        kind: what opens it.
        target: the camera's number or device, the URL with its password, the pipeline, the name of the source that
            chaos wraps, or the path.
        shown: the same without user name, password and query: all that logs, errors and results may say.
        options: of the source, each checked for its name and value.
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
    "csi://0?width=1280&height=720&fps=30&flip=2": "a Jetson's own camera, where OpenCV has GStreamer",
    "gst:PIPELINE": "what GStreamer plays, where OpenCV has it",
    "clip.mp4": "a video file",
    "photo.jpg, photos/, 'photos/**/*.jpg'": "an image, a folder of images, or a glob",
    "rtsp://user:password@camera/path": "a stream by TCP; ?transport=udp by UDP",
    "rtmp://, srt://, udp://, http://, https://": "a stream or a video of the network: HLS, MJPEG, MPEG-TS, MP4",
    "-": "JPEG pictures one after the other on standard input",
    "synthetic://?objects=5&frames=300&paced=1": (
        "moving objects whose true boxes are known, as a camera's or, without paced=1, as fast as they are taken; also "
        "width, height, fps, seed"
    ),
    "chaos://drop=0.01&stall=0.001&source=SOURCE": (
        "another source with faults: shares of frames that drop, stall, corrupt, resize, disconnect, jump; also seed, "
        "clock=simulated, which waits for nothing"
    ),
}
"""What `--video` takes; a file whose name is a number is written `./0`."""

STREAM_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "rtp", "http", "https")
OWN_SCHEMES = ("csi", "synthetic", "chaos")

CHAOS_FAULTS = ("drop", "stall", "corrupt", "resize", "disconnect", "jump")
"""What `chaos://` injects."""

_CAMERA = re.compile(r"(?:(?:cam|/dev/video)?(?P<number>\d{1,3})|(?P<device>/dev/v4l/[^?]+))(?:\?(?P<query>.*))?")
_SETTING = re.compile(r"[^;]*=.*")
_CREDENTIALS = re.compile(r"[^/\s]*:[^@\s]*@")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_TRANSPORTS = ("tcp", "udp")

_Rule = tuple[str, re.Pattern[str]]
_ABOVE_0: _Rule = ("a number above 0", re.compile(r"0*[1-9]\d*"))
_COUNT: _Rule = ("a whole number", re.compile(r"\d+"))
_SHARE: _Rule = ("a share of 0 to 1", re.compile(r"0|1|0?\.\d+|1\.0+"))
_SIDE: _Rule = (
    "a number of 1 to 16384",
    re.compile(r"0*(?:[1-9]\d{0,3}|1[0-5]\d{3}|16[0-2]\d\d|163[0-7]\d|1638[0-4])"),
)
_SIZE = {"width": _ABOVE_0, "height": _ABOVE_0, "fps": _ABOVE_0}
_CAMERA_RULES = _SIZE | {"format": ("four letters like mjpg", re.compile(r".{4}"))}
_CSI_RULES = _SIZE | {"flip": ("0 to 7, as nvvidconv's flip-method", re.compile(r"[0-7]"))}
_SYNTHETIC_RULES = _SIZE | {
    "width": _SIDE,
    "height": _SIDE,
    "objects": ("a whole number up to 999", re.compile(r"0*\d{1,3}")),
    "seed": _COUNT,
    "frames": _ABOVE_0,
    "paced": ("0 or 1", re.compile(r"[01]")),
}
_CHAOS_RULES = dict.fromkeys(CHAOS_FAULTS, _SHARE) | {
    "seed": _COUNT,
    "clock": ("machine or simulated", re.compile(r"machine|simulated")),
}


def read_source_name(text: str) -> SourceName:
    """Read a source's name.

    Raises:
        InputError: a protocol or an option is none that is known, or has no such value.
    """
    if not text.strip():
        raise InputError("--video: expected a source, got an empty name. Is a variable of the shell not set?")
    if text == "-":
        return SourceName(kind="stdin", target="pipe:0", shown="stdin")
    if camera := _CAMERA.fullmatch(text):
        name = camera["device"] or f"cam{camera['number']}"
        options = _options(name, camera["query"] or "", _CAMERA_RULES)
        return SourceName(kind="camera", target=camera["device"] or camera["number"], shown=name, options=options)
    if text.startswith("gst:"):
        return _gstreamer(text.removeprefix("gst:").strip())
    if scheme := _SCHEME.match(text):
        reader = {"csi": _csi, "synthetic": _synthetic, "chaos": _chaos}.get(scheme[1].lower())
        return _stream(text, scheme[1].lower()) if reader is None else reader(text[scheme.end() :])
    return SourceName(kind="path", target=text, shown=text)


def without_secrets(url: str) -> str:
    """Leave out a URL's user name, password, query and settings within its path, any of which may hold a key.

    Raises:
        ValueError: it cannot be read, as where a password is not written as URLs have it.
    """
    parts = urlsplit(url)
    if parts.port is None and parts.netloc.rpartition("@")[2].endswith(":"):
        raise ValueError("a colon without a port")
    if not parts.netloc and "@" in parts.path:
        raise ValueError("a slash too many before the host")
    place, path = parts.netloc.rpartition("@")[2], parts.path
    if ":" in parts.netloc and "@" not in parts.netloc and "@" in path:  # rtsp://user:12/34@host
        place, path = path.rpartition("@")[2], ""
    path = "/".join(_SETTING.sub("...", segment) for segment in path.split("/"))
    return urlunsplit((parts.scheme, place, path, "", ""))


def text_without_secrets(text: str) -> str:
    """Leave out what looks like a user name and password in what is no URL but may be meant for one."""
    return _CREDENTIALS.sub("", text)


def _stream(url: str, scheme: str) -> SourceName:
    try:
        shown = without_secrets(url)
    except ValueError:
        raise InputError(
            f"{scheme}://: expected an address, got one that cannot be read. In a password write / as %2F, ? as %3F, "
            f"# as %23 and : as %3A."
        ) from None
    if scheme not in STREAM_SCHEMES:
        known = ", ".join(STREAM_SCHEMES + OWN_SCHEMES)
        raise InputError(f"{shown}: expected a protocol of {known}, got {scheme}.")
    if not scheme.startswith("rtsp"):
        return SourceName(kind="stream", target=url, shown=shown)
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if pair and not pair.startswith("transport=")]  # the camera's own
    transport = dict(parse_qsl(parts.query)).get("transport", "tcp")
    if transport not in _TRANSPORTS:
        raise InputError(f"{shown}: expected transport=tcp or transport=udp, got {transport}.")
    target = urlunsplit((parts.scheme, parts.netloc, parts.path, "&".join(kept), parts.fragment))
    return SourceName(kind="stream", target=target, shown=shown, options={"rtsp_transport": transport})


def _csi(rest: str) -> SourceName:
    number, _, query = rest.partition("?")
    name = f"csi://{number}"
    if not number.isdecimal():
        raise InputError(f"{name}: expected the number of a camera as in csi://0, got {number!r}.")
    return SourceName(kind="csi", target=number, shown=name, options=_options(name, query, _CSI_RULES))


def _gstreamer(pipeline: str) -> SourceName:
    elements = [part.split()[0] for part in pipeline.split("!") if part.strip()]
    shown = "gst:" + "!".join(element for element in elements if "/" not in element)  # settings may hold a password
    if not elements:
        raise InputError("gst:: expected a pipeline of GStreamer as in 'gst:v4l2src ! videoconvert', got none.")
    return SourceName(kind="gstreamer", target=pipeline, shown=shown)


def _synthetic(rest: str) -> SourceName:
    before, _, query = rest.partition("?")
    shown = f"synthetic://{rest}"
    if before:
        raise InputError(f"{shown}: expected options behind a ? as in synthetic://?objects=5, got {before!r}.")
    return SourceName(kind="synthetic", target="", shown=shown, options=_options(shown, query, _SYNTHETIC_RULES))


def _chaos(rest: str) -> SourceName:
    query, found, wrapped = rest.partition("source=")
    if not found or not wrapped or (query and not query.endswith("&")):
        raise InputError("chaos://: expected source=SOURCE at its end, got none. `rt-detect --help` shows an example.")
    inner = read_source_name(wrapped)
    shown = f"chaos://{inner.shown}"
    options = _options(shown, query.removesuffix("&"), _CHAOS_RULES)
    total = sum(float(options.get(fault, 0)) for fault in CHAOS_FAULTS)
    if total > 1:
        raise InputError(f"{shown}: expected shares of at most 1 together, got {total:g}.")
    return SourceName(kind="chaos", target=wrapped, shown=shown, options=options)


def _options(name: str, query: str, rules: Mapping[str, _Rule]) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for key, value in options.items():
        if key not in rules:
            nearest = get_close_matches(key, rules, n=1, cutoff=0)[0]
            raise InputError(f"{name}: expected options {', '.join(rules)}, got {key}. Is {nearest} meant?")
        wanted, pattern = rules[key]
        if not pattern.fullmatch(value):
            raise InputError(f"{name}: expected {key} to be {wanted}, got {value!r}.")
    return options

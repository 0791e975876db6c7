"""Finds out what the user means by a source, and opens it."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..errors import InputError
from ..files import StrPath
from .camera import open_camera
from .chaos import ChaosSource
from .decoder import find_decoder
from .feed import Feed
from .frame import Source
from .gstreamer import csi_pipeline, open_pipeline
from .image_folder import ImagesSource, images_by_glob, images_in_folder, is_single_image
from .live import LiveSource, Patience
from .source_events import OnEvent, ignore_event
from .source_names import Decoder, Policy, SourceName, read_source_name, text_without_secrets
from .stream import StreamFeed
from .synthetic import SyntheticFeed, SyntheticVideo, scene_from_options
from .video import VideoSource


def open_source(
    spec: StrPath,
    *,
    policy: Policy | None = None,
    give_up_after_s: float | None = None,
    waits_at_start: bool = False,
    decoder: Decoder = "cpu",
    on_event: OnEvent = ignore_event,
) -> Source:
    """Open a source of frames.

    Args:
        spec: as `SOURCE_FORMS` of `source_names.py` says.
        policy: of frames that nobody took: by default `latest` of cameras and live streams, `all` of everything else.
        give_up_after_s: ends the run when a camera or stream was lost for so long; never where not given.
        waits_at_start: a camera or stream that is not there yet is waited for as for one that was lost.
        decoder: who decodes videos and streams; `decoder_line` says who does where it is missing.
        on_event: is given each change of state of a camera or stream; files have none.

    Returns:
        A source; use it as a context manager.

    Raises:
        InputError: nothing like that can be opened.
    """
    name = read_source_name(os.fspath(spec))
    patience = Patience(give_up_after_s=give_up_after_s, waits_at_start=waits_at_start)
    if name.kind == "chaos":
        wrapped = open_source(name.target, decoder=decoder)
        return ChaosSource(name, wrapped, policy=policy, patience=patience, on_event=on_event)
    if (open_feed := _feed_opener(name, find_decoder(decoder))) is not None:
        default: Policy | None = "latest" if name.kind == "synthetic" else None  # it ends, and is a camera until then
        return LiveSource(name.shown, open_feed, policy=policy or default, patience=patience, on_event=on_event)
    if policy == "latest":
        raise InputError(f"--policy latest: expected a camera or stream, got {name.shown}. Files lose no frame.")
    if name.kind == "synthetic":
        return SyntheticVideo(name.shown, scene_from_options(name.options), frames=_frames(name))
    return _open_path(name.target, find_decoder(decoder))


def _feed_opener(name: SourceName, decoder: Decoder) -> Callable[[], Feed] | None:
    """Say how it is connected to; None of what is no camera or stream."""
    if name.kind == "camera":
        return partial(open_camera, name.shown, name.target, name.options)
    if name.kind == "csi":
        return partial(open_pipeline, name.shown, csi_pipeline(name.target, name.options))
    if name.kind == "gstreamer":
        return partial(open_pipeline, name.shown, name.target)
    if name.kind in ("stream", "stdin"):
        return partial(StreamFeed, name, decoder=decoder)
    if name.kind == "synthetic" and name.options.get("paced") == "1":
        return partial(SyntheticFeed, scene_from_options(name.options), frames=_frames(name))
    return None


def _frames(name: SourceName) -> int | None:
    return int(name.options["frames"]) if "frames" in name.options else None


def _open_path(spec: str, decoder: Decoder) -> Source:
    path = Path(spec)
    try:
        is_there, is_folder = path.exists(), path.is_dir()
    except OSError as error:  # a name that is too long
        raise InputError(f"{spec}: expected a source of frames, got {error.strerror}.") from error
    if is_folder:
        return images_in_folder(path)
    if is_there:
        return ImagesSource(spec, [path]) if is_single_image(path) else VideoSource(path, decoder=decoder)
    if glob.has_magic(spec):
        return images_by_glob(spec)
    shown = text_without_secrets(spec)  # perhaps a URL with a slash too few
    raise InputError(
        f"{shown}: expected a video, an image, a folder, a glob or a camera like cam0, got no such file. "
        f"Check the path."
    )

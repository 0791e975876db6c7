"""What can be harvested: recordings, folders of them or of images, what a run kept of its events."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ...runtime.errors import InputError
from ...runtime.files import StrPath
from ...runtime.image_files import read_image_bgr
from ...runtime.sinks.encoder import has_drawings
from ...runtime.sources.frame import Frame, Source
from ...runtime.sources.image_folder import ImagesSource, is_image_name
from ...runtime.sources.open_source import open_source
from ...runtime.sources.source_names import read_source_name

EVENT_LINES, SNAPSHOTS, CROP = "events.jsonl", "snapshots", "_crop"
"""In a folder that `rt-detect --events` wrote."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Frames that can be read as often as they are needed.

    Args:
        name: for a person.
        open: opens it.
        is_video: frames follow one another.
    """

    name: str
    open: Callable[[], Source]
    is_video: bool

    def frames(self, numbers: Collection[int], names: Sequence[str]) -> Iterator[Frame]:
        """Read some of the frames again.

        Args:
            numbers: of the frames.
            names: of the same frames, as the source calls them; of images alone.
        """
        if not self.is_video:
            for number, name in zip(numbers, names, strict=True):
                yield Frame(image=read_image_bgr(Path(name)), index=number, time_s=0.0, source=name)
            return
        wanted = set(numbers)
        if not wanted:
            return
        with self.open() as source:
            for frame in source:
                if frame.index in wanted:
                    wanted.remove(frame.index)
                    yield frame
                if not wanted:
                    break


def find_recordings(specs: Sequence[StrPath]) -> list[Recording]:
    """Find out what is meant; nothing is decoded yet.

    Args:
        specs: videos, images, patterns, folders of one kind, folders of events.

    Raises:
        InputError: there is nothing like that; or a recording has what was found drawn in, which a network would learn
            instead of the objects.
    """
    found = [recording for spec in specs for recording in _recordings(os.fspath(spec))]
    for recording in found:
        if recording.is_video and has_drawings(Path(recording.name)):
            raise InputError(
                f"{recording.name}: expected pictures as the camera gave them, got a recording of rt-detect with what "
                f"was found drawn in. Record with --plain, or name the folder of --events."
            )
    return found


def _recordings(spec: str) -> Iterator[Recording]:
    if read_source_name(spec).kind != "path":
        raise InputError(f"{spec}: expected a recording, a folder or events, got a camera or stream. Record it first.")
    path = Path(spec)
    if path.is_dir() and (path / EVENT_LINES).is_file():
        yield _images(spec, _snapshots(path))
        return
    files = sorted(each for each in path.iterdir() if not each.name.startswith(".")) if path.is_dir() else [path]
    videos = [each for each in files if path.is_dir() and _is_video(each)]
    if videos and not any(map(is_image_name, files)):
        for video in videos:
            yield Recording(name=str(video), open=partial(open_source, video), is_video=True)
        return
    with open_source(spec) as source:
        is_video = source.kind == "video"
    yield Recording(name=spec, open=partial(open_source, spec), is_video=is_video)


def _images(name: str, paths: list[Path]) -> Recording:
    return Recording(name=name, open=lambda: ImagesSource(name, paths), is_video=False)


def _snapshots(events: Path) -> list[Path]:
    """List the whole pictures of events, without the parts that show one object."""
    paths = sorted(path for path in (events / SNAPSHOTS).glob("*.jpg") if not path.stem.endswith(CROP))
    if not paths:
        raise InputError(f"{events}: expected snapshots of events, got none. Their rules need snapshot = true.")
    return paths


def _is_video(path: Path) -> bool:
    return (mimetypes.guess_type(path.name)[0] or "").startswith("video/")

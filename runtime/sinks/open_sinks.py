"""Where results go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from ..files import StrPath
from ..sources.frame import Source
from .coco_results import CocoSink
from .crops import CropsSink
from .csv_rows import CsvSink
from .full_disk import PausingSink
from .image_folder import ImagesSink
from .json_lines import JsonLinesSink
from .lines import STDOUT
from .mot_rows import MotSink
from .outputs import Outputs, check_save
from .segments import Segments
from .sink import Sink
from .video import VideoSink
from .video_file import OnPacket


def _silent(_line: str) -> None: ...


def open_sinks(
    outputs: Outputs,
    *,
    source: Source,
    tell: Callable[[str], None] = _silent,
    on_packet: OnPacket | None = None,
) -> list[Sink]:
    """Open what a run writes; the lines come first, as a video's frames take longer.

    Args:
        outputs: held by `check_outputs` to what can be known before; where it was not asked, all is found out here.
        source: what is read.
        tell: is given a line when an output pauses as its disk is full, and when it goes on.
        on_packet: is given each frame of a video as it was encoded.

    Raises:
        InputError: one of them cannot be written to; the other is left as it was.
    """
    check_save(outputs, source.kind)
    sinks: list[Sink] = []
    try:
        if outputs.json_lines is not None:
            sinks.append(open_json_lines(outputs.json_lines, source, tell=tell))
        for path, open_sink in ((outputs.csv, CsvSink), (outputs.coco, CocoSink), (outputs.mot, MotSink)):
            if path is not None:
                sinks.append(_opened_file(Path(path), open_sink, source, tell))
        if outputs.crops is not None:
            crops = Path(outputs.crops)
            sinks.append(PausingSink(CropsSink(crops, outputs.crop_settings, source.kind, tell), crops, crops, tell))
        if outputs.save is not None:
            sinks.append(
                open_recording(
                    outputs.save,
                    source,
                    segments=outputs.segments,
                    tell=tell,
                    on_packet=None if outputs.plain else on_packet,  # clips show what was found
                    is_plain=outputs.plain,
                )
            )
    except InputError:
        for sink in sinks:
            sink.close()
        raise
    return sinks


def open_recording(
    save: StrPath,
    source: Source,
    *,
    segments: Segments | None = None,
    tell: Callable[[str], None] = _silent,
    on_packet: OnPacket | None = None,
    is_plain: bool = False,
) -> Sink:
    """Open what pictures are saved to: a video of a video or camera, a folder of annotated images of images.

    Args:
        save: a video file (.mp4, .mkv), or a folder.
        source: what will be recorded.
        segments: how a video is cut.
        tell: as `open_sinks`.
        on_packet: as `open_sinks`.
        is_plain: nothing is drawn in a video.

    Raises:
        InputError: the place does not suit the source or cannot be written to.
    """
    check_save(Outputs(save=save, segments=segments, plain=is_plain), source.kind)
    save = Path(save)
    if source.kind == "images":
        return PausingSink(ImagesSink(save, source), save, save, tell)
    _check_is_not_input(save, source)
    video = VideoSink(save, segments=segments, tell=tell, on_packet=on_packet, is_plain=is_plain)
    return PausingSink(video, save, save.parent, tell)


def open_json_lines(path: StrPath, source: Source, *, tell: Callable[[str], None] = _silent) -> Sink:
    """Open a file for JSON lines; `-` means stdout.

    Raises:
        InputError: the place cannot be written to.
    """
    path = Path(path)
    if str(path) == STDOUT:
        return PausingSink(JsonLinesSink(path), path, path.parent, tell)
    return _opened_file(path, JsonLinesSink, source, tell)


def _opened_file(path: Path, open_sink: Callable[[Path], Sink], source: Source, tell: Callable[[str], None]) -> Sink:
    _check_is_not_input(path, source)
    return PausingSink(open_sink(path), path, path.parent, tell)


def _check_is_not_input(path: Path, source: Source) -> None:
    if source.reads(path):
        raise InputError(f"{path}: expected another place than the input, got the input itself.")

"""From recordings to a data set of the frames in which a detector is least sure, with what it proposes."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...data.sample import Sample
from ...data.writers.convert import WRITERS, Target
from ...data.writers.whole_folder import check_is_free, whole_folder
from ...data.writers.writers import LayoutWriter
from ...runtime.detection.tiles import Tiles
from ...runtime.errors import InputError
from ...runtime.files import StrPath
from ...runtime.loop.camera import Camera
from ...runtime.loop.pipeline import Pipeline
from ...runtime.progress import Progress, no_progress
from ...runtime.session import Session
from ...runtime.sinks.frame_result import FrameResult
from ...runtime.sources.frame import Frame, Source
from .answers import RecordedAnswers
from .choosing import short_list, spread
from .embedding import Embed
from .proposals import Proposals, propose
from .recordings import Recording, find_recordings
from .sightings import Sighting, sightings

SPLIT = "train"
NOTES = "harvest.jsonl"
"""A line for each image: where it is from, and how unsure what is proposed was."""

_QUALITY = 95


@dataclass(frozen=True, kw_only=True)
class Harvest:
    """What was written.

    Args:
        images: in the data set.
        looked_at: frames.
        doubtful: frames that were considered: of each second of a video the most doubtful, of images each, where there
            was a doubt.
        alike: of these, left out as nearly the same as a more doubtful one.
        proposals: boxes.
        unsure: of these, below the score from which on objects are shown.
        is_interrupted: not all was looked at.
        warnings: what could not be read, a line each.
    """

    images: int
    looked_at: int
    doubtful: int
    alike: int
    proposals: int
    unsure: int
    is_interrupted: bool
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        return asdict(self)


def harvest(
    specs: Sequence[StrPath],
    session: Session,
    embed: Embed,
    out: StrPath,
    *,
    thresholds: NDArray[np.float32],
    count: int,
    target: Target = "coco",
    tiles: Tiles | None = None,
    answers: RecordedAnswers | None = None,
    on_progress: Progress = no_progress,
) -> Harvest:
    """Look for frames of doubt and write them with proposals, whole or not at all.

    An interruption (Ctrl-C) while it looks ends the looking: what was seen until then is chosen from.

    Args:
        specs: recordings, folders of images or recordings, folders of events.
        session: an open detector.
        embed: what a network makes of a picture; the choice is spread by it.
        out: a folder that is not there yet, or is empty.
        thresholds: [number of classes] float32, from which on an object is shown.
        count: images wanted.
        target: the layout to write.
        tiles: look at parts of each frame too.
        answers: are taken instead of asking the detector.
        on_progress: called after each frame.

    Raises:
        InputError: a source cannot be used, nothing can be decoded, there is no frame of doubt, or the folder holds
            something or cannot be written to.
    """
    out = Path(out)
    check_is_free(out)
    if session.card.task != "detector":
        raise InputError("model: expected a detector, got a classifier. It proposes no boxes.")
    recordings = find_recordings(specs)
    looking = _Looking(session, thresholds, tiles, answers, on_progress)
    looking.look(recordings)
    chosen_from, alike = short_list(looking.seen, count)
    if not chosen_from:
        raise _no_doubt(specs, looking.frames)
    with whole_folder(out) as folder:
        writer = WRITERS[target](folder, session.card.class_names)
        writer.images.mkdir()
        pictures = _pictures(chosen_from, recordings, writer.images, embed, on_progress)
        kept = _spread_out(pictures, count)
        proposals = _label(kept, thresholds, writer)
        _write_notes(folder / NOTES, kept, proposals, session.card.class_names)
    return Harvest(
        images=len(proposals),
        looked_at=looking.frames,
        doubtful=len(looking.seen),
        alike=alike,
        proposals=sum(len(each.found) for each in proposals),
        unsure=sum(int(each.is_unsure.sum()) for each in proposals),
        is_interrupted=looking.is_interrupted,
        warnings=tuple(looking.warnings),
    )


def _no_doubt(specs: Sequence[StrPath], frames: int) -> InputError:
    named = ", ".join(map(str, specs))
    return InputError(
        f"{named}: expected frames in which the detector is unsure, got none of {frames}. "
        f"Name other recordings, or a --score nearer to what it gives."
    )


class _Looking:
    """Looks through recordings, one after the other."""

    def __init__(
        self,
        session: Session,
        thresholds: NDArray[np.float32],
        tiles: Tiles | None,
        answers: RecordedAnswers | None,
        on_progress: Progress,
    ) -> None:
        self._answers = answers
        self._session = session
        self._thresholds = thresholds
        self._tiles = tiles
        self._on_progress = on_progress
        self.frames = 0
        self.seen: list[Sighting] = []
        self.warnings: list[str] = []
        self.is_interrupted = False

    def look(self, recordings: Sequence[Recording]) -> None:
        """Look at all; one that cannot be read is noted where there are others.

        Raises:
            InputError: none can be read.
        """
        failed: list[InputError] = []
        try:
            for number, recording in enumerate(recordings):
                failed += self._look_at(recording, number)
        except KeyboardInterrupt as interrupt:
            if type(interrupt) is not KeyboardInterrupt:  # SIGTERM, which ends everything
                raise
            self.is_interrupted = True
        if failed and len(failed) == len(recordings):
            raise failed[0]
        self.warnings += map(str, failed)

    def _look_at(self, recording: Recording, number: int) -> list[InputError]:
        """Look at one; what made it end early, if anything did."""
        try:
            with ExitStack() as stack:
                source = stack.enter_context(recording.open())
                results = self._results(source, recording.name)
                stack.callback(results.close)
                self.seen.extend(sightings(results, self._thresholds, source=number, is_video=recording.is_video))
                self.warnings.extend(source.warnings)
        except InputError as error:
            return [error]
        return []

    def _results(self, source: Source, name: str) -> Generator[FrameResult, None, None]:
        for done, result in enumerate(self._answered(source, name), 1):
            self.frames += 1
            self._on_progress(f"looking at {Path(name).name}", done, max(done, source.length or 0))
            yield result

    def _answered(self, source: Source, name: str) -> Iterator[FrameResult]:
        if self._answers is not None:
            return self._answers.results(source)
        everything = np.zeros_like(self._thresholds)
        camera = Camera(name=name, source=source, thresholds=[everything], tiles=self._tiles)
        return Pipeline([camera], [self._session]).results()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Picture:
    """A frame of the short list, written."""

    sighting: Sighting
    path: Path
    size_hw: tuple[int, int]
    embedding: NDArray[np.float32]


def _pictures(
    listed: Sequence[Sighting], recordings: Sequence[Recording], folder: Path, embed: Embed, on_progress: Progress
) -> list[_Picture]:
    """Write the images of a short list, in the order of the recordings."""
    pictures: list[_Picture] = []
    taken: set[str] = set()
    for number, recording in enumerate(recordings):
        wanted = {each.frame: each for each in listed if each.source == number}
        for frame in recording.frames(list(wanted), [each.name for each in wanted.values()]):
            path = folder / _free_name(frame, recording, taken)
            _write(frame, path, recording)
            height, width = frame.image.shape[:2]
            pictures.append(
                _Picture(sighting=wanted[frame.index], path=path, size_hw=(height, width), embedding=embed(frame.image))
            )
            on_progress("choosing", len(pictures), len(listed))
    return pictures


def _spread_out(pictures: Sequence[_Picture], count: int) -> list[_Picture]:
    """Keep those that differ most, and take the files of the others away."""
    kept = [pictures[index] for index in spread([each.embedding for each in pictures], count)]
    for picture in pictures:
        if picture not in kept:
            picture.path.unlink()
    return kept


def _label(pictures: Sequence[_Picture], thresholds: NDArray[np.float32], writer: LayoutWriter) -> list[Proposals]:
    """Write labels: what is proposed of each picture."""
    proposals = [propose(each.sighting.found, thresholds) for each in pictures]
    samples = [_sample(picture, each) for picture, each in zip(pictures, proposals, strict=True)]
    writer.write_split(SPLIT, ((sample, sample.image_path.name) for sample in samples))
    writer.finish()
    return proposals


def _write(frame: Frame, path: Path, recording: Recording) -> None:
    if not recording.is_video:  # the very file
        path.write_bytes(Path(frame.source).read_bytes())
        return
    _, data = cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    path.write_bytes(data.tobytes())


def _free_name(frame: Frame, recording: Recording, taken: set[str]) -> str:
    source = Path(frame.source)
    stem = f"{source.stem}_{frame.index:08}" if recording.is_video else source.stem
    stem = "_".join(stem.split())  # VOC's and YOLO's lists end a name at a space
    suffix = ".jpg" if recording.is_video else source.suffix
    name, number = stem, 1
    while name.lower() in taken:  # lower case: some file systems do not tell x.jpg from X.jpg
        number += 1
        name = f"{stem}_{number}"
    taken.add(name.lower())
    return name + suffix


def _sample(picture: _Picture, proposals: Proposals) -> Sample:
    height, width = picture.size_hw
    found = proposals.found
    return Sample(
        image_id=picture.path.stem,
        image_path=picture.path,
        boxes_xyxy_px=found.boxes_xyxy_px(height=height, width=width),
        class_ids=found.class_ids.astype(np.int64),
        difficult=np.zeros(len(found), np.bool_),
        height_px=height,
        width_px=width,
    )


def _write_notes(
    path: Path, pictures: Sequence[_Picture], proposals: Sequence[Proposals], class_names: Sequence[str]
) -> None:
    lines = [_note(*each, class_names) for each in zip(pictures, proposals, strict=True)]
    path.write_text("".join(lines), encoding="utf-8", errors="backslashreplace")


def _note(picture: _Picture, proposals: Proposals, class_names: Sequence[str]) -> str:
    height, width = picture.size_hw
    sighting = picture.sighting
    found = proposals.found.to_dicts(class_names, height=height, width=width)
    note = {
        "image": picture.path.name,
        "source": sighting.name,
        "frame": sighting.frame,
        "time_s": round(sighting.time_s, 6),
        "unsureness": round(sighting.unsureness.total, 4),
        "flickers": sighting.unsureness.flickers,
        "proposals": [
            {
                "label": each["label"],
                "score": round(each["score"], 4),
                "box_xyxy_px": [round(edge, 2) for edge in each["box_xyxy_px"]],
                "unsure": bool(is_unsure),
            }
            for each, is_unsure in zip(found, proposals.is_unsure, strict=True)
        ],
    }
    return json.dumps(note, ensure_ascii=False) + "\n"

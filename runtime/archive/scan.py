"""A scan: a detector over all recordings of an archive, which goes on where it was ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..files import StrPath, sha256_of_file, whole_file
from ..progress import Progress, no_progress
from ..require import require
from ..shipped import shipped_detector
from ..sources.prefetch import Prefetch
from .chunks import Chunk, cut
from .clips import Clip, find_clips
from .looking import Answer, Look, Looking
from .store import Part, Store, settings_of
from .workers import Workers

if TYPE_CHECKING:
    import pyarrow as pa

_MOMENTS = 1000
"""Parts of a clip for which it is known what is in them."""

_SHARES, _SHORTEST_S, _LONGEST_S = 64, 5.0, 60.0
"""An archive is cut into so many chunks at least, so that workers end together; shorter ones cost, of longer ones one
sees nothing for long."""

_AHEAD = 64
"""Chunks that are known before a worker asks for one: reading the packets of a long clip takes seconds."""


@dataclass(frozen=True, kw_only=True)
class ClipSummary:
    """What is known of a clip at the end of a scan.

    Args:
        clip: the recording.
        frames: that were looked at.
        seconds: from its first frame to its last.
        height: of its frames; 0 of one that could not be read.
        width: of its frames.
        found: boxes by class.
        frames_with: frames in which a class is, by class.
        warnings: what went wrong without ending it.
        error: why it could not be read, or not to its end; empty of a good one.
        thumbnails: of each class the surest: `label`, `score`, `time_s` and `file`, relative to the scan's folder.
        when: for each class the moments in which it is, in thousandths of the clip.
    """

    clip: Clip
    frames: int = 0
    seconds: float = 0.0
    height: int = 0
    width: int = 0
    found: Mapping[str, int] = field(default_factory=dict)
    frames_with: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: str = ""
    thumbnails: tuple[Mapping[str, Any], ...] = ()
    when: Mapping[str, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ScanSummary:
    """What a scan found.

    Args:
        folder: where it is.
        detections: a pattern that matches the Parquet files.
        clips: in the order of their names.
        workers: how many looked; 0 where everything was there already.
    """

    folder: Path
    detections: str
    clips: tuple[ClipSummary, ...]
    workers: int

    @property
    def bad(self) -> list[ClipSummary]:
        """Clips that could not be read to their end."""
        return [one for one in self.clips if one.error]


def scan(
    place: StrPath,
    out: StrPath,
    *,
    model: StrPath | None = None,
    look: Look | None = None,
    trust: bool = False,
    ray_address: str | None = None,
    workers: int | None = None,
    gpus: float = 0.0,
    progress: Progress = no_progress,
    tell: Callable[[str], None] = lambda _line: None,
) -> ScanSummary:
    """Look at all recordings; a second call with the same values goes on where the first was ended.

    Args:
        place: a folder, a pattern or a file.
        out: folder of the results; see docs/archives.md.
        model: a graph or an engine; the shipped detector if not given.
        look: how recordings are looked at.
        trust: run an engine that this user did not build.
        ray_address: of a cluster; this machine alone if not given.
        workers: processes, a core each; as many as there are cores if not given.
        gpus: share of a GPU that each takes.
        progress: is told the seconds of recordings that were looked at.
        tell: is given lines for people.

    Raises:
        InputError: there is no recording, the model cannot be used, or the folder holds something else.
        MissingDependencyError: Ray or pyarrow is not installed.
    """
    for module in ("ray", "pyarrow"):
        require(module, extra="scale", why="a scan")
    model = shipped_detector() if model is None else Path(model)
    look = look or Look()
    Looking(model, look, trust=trust).close()  # what is wrong shows before recordings are searched for
    clips = find_clips(place, progress)
    chunk_s = look.chunk_s or settings_of(Path(out)).get("chunk_s") or chunk_length_s(clips)
    store = Store(Path(out), {"model": sha256_of_file(model), **asdict(look), "chunk_s": chunk_s})
    work = _Work(clips, store, chunk_s, progress, tell)
    count = 0
    if work.remaining:
        with Workers(model, look, trust=trust, address=ray_address, count=workers, gpus=gpus) as pool:
            count = pool.count
            tell(f"{len(work.remaining)} of {len(clips)} recordings to look at, {count} workers")
            work.run(pool)
    summary = ScanSummary(
        folder=Path(out), detections=store.pattern, clips=tuple(map(work.summary, clips)), workers=count
    )
    _save_clips(Path(out) / "clips.parquet", summary)
    return summary


class _Work:
    """What is left to do, and what came of it."""

    def __init__(
        self, clips: Sequence[Clip], store: Store, chunk_s: float, progress: Progress, tell: Callable[[str], None]
    ) -> None:
        self._clips = {clip.path: clip for clip in clips}
        self._store = store
        self._chunk_s = chunk_s
        self._progress = progress
        self._tell = tell
        self._errors = {clip.path: clip.error for clip in clips if clip.error}
        self._wholes: set[str] = set()
        self._total_s = sum(clip.seconds for clip in clips)
        self._done_s = 0.0
        self.remaining = []
        for clip in clips:
            parts = store.parts(clip)
            if not clip.error and not is_whole(parts):
                self.remaining.append(clip)
            self._done_s += sum(part.seconds for part in parts)

    def run(self, pool: Workers) -> None:
        """Have it all looked at."""
        with closing(Prefetch(self._chunks(), depth=_AHEAD, name="cut")) as chunks:
            for answer in pool.answers(chunks):
                self._take(answer, pool)

    def summary(self, clip: Clip) -> ClipSummary:
        """Put together what is known of a clip."""
        parts = self._store.parts(clip)
        error = self._errors.get(clip.path, "")
        if not parts:
            return ClipSummary(clip=clip, error=error or f"{clip.path}: expected frames, got none.")
        found = _Found(max(clip.seconds, sum(part.seconds for part in parts)) or 1.0)
        for part in parts:
            found.add(self._store.table(part))
        best: dict[str, Mapping[str, Any]] = {}
        for thumbnail in (one for part in parts for one in part.thumbnails):
            if thumbnail["label"] not in best or thumbnail["score"] > best[thumbnail["label"]]["score"]:
                best[thumbnail["label"]] = thumbnail
        return ClipSummary(
            clip=clip,
            frames=sum(part.frames for part in parts),
            seconds=sum(part.seconds for part in parts),
            height=parts[0].height,
            width=parts[0].width,
            found=found.boxes,
            frames_with=found.frames,
            warnings=tuple(line for part in parts for line in part.warnings),
            error=error,
            thumbnails=tuple(best.values()),
            when={label: sorted(moments) for label, moments in found.when.items()},
        )

    def _chunks(self) -> Generator[Chunk, None, None]:
        for clip in self.remaining:
            done = self._store.parts(clip)
            try:
                chunks = cut(Path(clip.path), self._chunk_s)
            except InputError as error:
                self._errors[clip.path] = str(error)
                continue
            if any(part.of != chunks[0].of for part in done) or not done:
                self._store.forget(clip)  # of an earlier state of the clip
                done = []
            numbers = {part.number for part in done}
            yield from (chunk for chunk in chunks if chunk.number not in numbers)

    def _take(self, answer: Answer, pool: Workers) -> None:
        chunk = answer.chunk
        clip = self._clips[chunk.clip]
        if chunk.clip in self._wholes and chunk.span is not None:
            return
        if answer.is_uncounted:
            self._wholes.add(chunk.clip)
            self._store.forget(clip)
            pool.add(Chunk(clip=chunk.clip))
        elif answer.error:
            self._errors[chunk.clip] = answer.error
            self._tell(answer.error)
        else:
            self._store.save(clip, answer)
            self._done_s += answer.seconds
            self._progress("seconds of video", round(self._done_s), round(self._total_s))


class _Found:
    """Counts of a clip, from the tables of its chunks."""

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self.boxes: Counter[str] = Counter()
        self.frames: Counter[str] = Counter()
        self.when: dict[str, set[int]] = {}

    def add(self, table: pa.Table) -> None:
        labels = table["label"].to_numpy()
        frames, times_s = table["frame"].to_numpy(), table["time_s"].to_numpy()
        for label in set(labels.tolist()):
            rows = labels == label
            self.boxes[label] += int(rows.sum())
            self.frames[label] += len(np.unique(frames[rows]))
            moments = np.unique(np.minimum(_MOMENTS - 1, _MOMENTS * times_s[rows] / self._length_s).astype(int))
            self.when.setdefault(label, set()).update(moments.tolist())


def chunk_length_s(clips: Sequence[Clip]) -> float:
    """Choose the least length of a chunk of an archive, in seconds."""
    return min(_LONGEST_S, max(_SHORTEST_S, round(sum(clip.seconds for clip in clips) / _SHARES, 1)))


def is_whole(parts: Sequence[Part]) -> bool:
    """Whether these are all parts of a clip."""
    return bool(parts) and {part.of for part in parts} == {len(parts)}


def _save_clips(path: Path, summary: ScanSummary) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {
            "clip": one.clip.name,
            "path": one.clip.path,
            "frames": one.frames,
            "seconds": one.seconds,
            "width_px": one.width,
            "height_px": one.height,
            "error": one.error or None,
            "warnings": list(one.warnings),
            "boxes": [
                {"label": label, "boxes": count, "frames": one.frames_with[label]}
                for label, count in sorted(one.found.items())
            ],
        }
        for one in summary.clips
    ]
    found = pa.list_(pa.struct([("label", pa.string()), ("boxes", pa.int64()), ("frames", pa.int64())]))
    schema = pa.schema(
        [
            ("clip", pa.string()),
            ("path", pa.string()),
            ("frames", pa.int64()),
            ("seconds", pa.float64()),
            ("width_px", pa.int32()),
            ("height_px", pa.int32()),
            ("error", pa.string()),
            ("warnings", pa.list_(pa.string())),
            ("boxes", found),
        ]
    )
    with whole_file(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), temporary, compression="zstd")

"""What a scan has found, on the disk: a Parquet file a chunk, written whole, so that a killed scan goes on."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..errors import InputError
from ..files import whole_file
from .clips import Clip
from .looking import Answer

if TYPE_CHECKING:
    import pyarrow as pa

_KEY = b"singleshot"
_SETTINGS = "scan.json"
_LONGEST = 200
"""Bytes of a folder's name; most file systems take 255."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What is kept of a chunk beside its table.

    Args:
        path: of the Parquet file.
        size: of the clip, in bytes, when it was looked at.
        changed_ns: when the clip had been changed last.
        number: of the chunk.
        of: chunks of the clip.
        frames: how many were looked at.
        seconds: from the chunk's first frame to its last.
        height: of the frames.
        width: of the frames.
        warnings: what went wrong without ending it.
        backend: who computed.
        thumbnails: class, score, time and file of each.
    """

    path: Path
    size: int
    changed_ns: int
    number: int
    of: int
    frames: int
    seconds: float
    height: int
    width: int
    warnings: tuple[str, ...]
    backend: str
    thumbnails: tuple[Mapping[str, Any], ...]


class Store:
    """A folder with the results of one scan.

    Args:
        folder: made where it is missing.
        settings: what the results depend on; a folder of others is refused.

    Raises:
        InputError: it holds something else, or results of other settings, or cannot be written to.
    """

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        self._folder = folder
        wanted = json.loads(json.dumps(settings))
        if before := settings_of(folder):
            _check_same(folder, before, wanted)
            return
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder}: expected a folder of a scan or an empty one, got another. Name one by --out.")
        with whole_file(folder / _SETTINGS) as temporary:
            temporary.write_text(json.dumps(wanted, indent=1), encoding="utf-8")

    @property
    def pattern(self) -> str:
        """Matches the files of detections."""
        return f"{self._folder}/detections/*/*.parquet"

    def parts(self, clip: Clip) -> list[Part]:
        """Return what is there of a clip; what is of an earlier state of it is not, and goes when it is saved anew."""
        found = [part for part in map(_read_part, self._files(clip)) if part is not None]
        return [part for part in found if (part.size, part.changed_ns) == (clip.size, clip.changed_ns)]

    def table(self, part: Part) -> pa.Table:
        """Read what was found in a chunk; its columns are `COLUMNS`."""
        import pyarrow.parquet as pq

        return pq.ParquetFile(part.path).read()

    def save(self, clip: Clip, answer: Answer) -> None:
        """Keep what was found in a chunk.

        Raises:
            InputError: it cannot be written; what was kept before stays whole.
        """
        import pyarrow.parquet as pq

        if answer.table is None:
            raise ValueError("an answer with an error has nothing to keep")
        stem = f"part-{answer.chunk.number:05}"
        thumbnails = []
        for number, thumbnail in enumerate(answer.thumbnails):
            path = self._folder / "thumbnails" / _folder_name(clip.name) / f"{stem}-{number}.jpg"
            with whole_file(path) as temporary:
                temporary.write_bytes(thumbnail.jpeg)
            kept = {"label": thumbnail.label, "score": thumbnail.score, "time_s": thumbnail.time_s}
            thumbnails.append({**kept, "file": path.relative_to(self._folder).as_posix()})
        part = Part(
            path=self._of(clip) / f"{stem}.parquet",
            size=clip.size,
            changed_ns=clip.changed_ns,
            number=answer.chunk.number,
            of=answer.chunk.of,
            frames=answer.frames,
            seconds=answer.seconds,
            height=answer.shape[0],
            width=answer.shape[1],
            warnings=answer.warnings,
            backend=answer.backend,
            thumbnails=tuple(thumbnails),
        )
        values = {key: value for key, value in asdict(part).items() if key != "path"}
        table = answer.table.replace_schema_metadata({_KEY: json.dumps(values)})
        with whole_file(part.path) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    def forget(self, clip: Clip) -> None:
        """Delete what is kept of a clip."""
        for folder in (self._of(clip), self._folder / "thumbnails" / _folder_name(clip.name)):
            shutil.rmtree(folder, ignore_errors=True)

    def _of(self, clip: Clip) -> Path:
        return self._folder / "detections" / f"clip={_folder_name(clip.name)}"

    def _files(self, clip: Clip) -> Iterator[Path]:
        return iter(sorted(self._of(clip).glob("part-*.parquet")))


def settings_of(folder: Path) -> Mapping[str, Any]:
    """Read what a folder's results depend on; nothing where it is of no scan."""
    try:
        return dict(json.loads((folder / _SETTINGS).read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return {}


def _folder_name(name: str) -> str:
    """Write a clip's name as readers of partitions take it apart again: `a/b c.mp4` is `a%2Fb%20c.mp4`."""
    quoted = quote(name, safe="")
    if len(quoted) <= _LONGEST:
        return quoted
    return f"{hashlib.sha256(name.encode()).hexdigest()[:16]}-{quote(Path(name).name, safe='')[-_LONGEST // 2 :]}"


def _read_part(path: Path) -> Part | None:
    import pyarrow.parquet as pq
    from pyarrow.lib import ArrowException

    try:
        values = json.loads((pq.read_metadata(path).metadata or {})[_KEY])
    except (OSError, KeyError, ValueError, ArrowException):
        return None  # not whole, or not ours: looked at again
    return Part(
        path=path, **{**values, "warnings": tuple(values["warnings"]), "thumbnails": tuple(values["thumbnails"])}
    )


def _check_same(folder: Path, before: Mapping[str, object], wanted: Mapping[str, object]) -> None:
    for key, value in wanted.items():
        if before.get(key) != value:
            raise InputError(
                f"{folder}: expected results of the same {key}, as a scan goes on where it ended, got those of "
                f"{before.get(key)!r} instead of {value!r}. Name another folder by --out."
            )

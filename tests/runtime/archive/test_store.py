"""What a scan keeps is whole, of the clip as it is, and goes on only with what it began with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from singleshot.runtime.archive.chunks import Chunk, Span
from singleshot.runtime.archive.clips import Clip
from singleshot.runtime.archive.looking import Answer, Rows, Thumbnail
from singleshot.runtime.archive.scan import is_whole
from singleshot.runtime.archive.store import Store
from singleshot.runtime.errors import InputError

pytest.importorskip("pyarrow")
CLIP = Clip(name="yard cam/ä.mp4", path="/archive/yard cam/ä.mp4", size=7, changed_ns=8)
SETTINGS = {"model": "abc", "score": ("0.4",)}


def answer(number: int = 0, of: int = 2) -> Answer:
    span = Span(first=0, frames=5, origin=0, start=0, end=None)
    return Answer(
        chunk=Chunk(clip=CLIP.path, number=number, of=of, span=span),
        table=Rows().table(),
        frames=5,
        seconds=0.2,
        shape=(48, 64),
        warnings=("odd",),
        thumbnails=(Thumbnail(label="dog", score=0.9, time_s=1.5, jpeg=b"jpeg"),),
        backend="onnxruntime (CPU)",
    )


def test_parts_come_back_as_they_were_kept(tmp_path: Path) -> None:
    store = Store(tmp_path, SETTINGS)
    assert store.parts(CLIP) == []
    store.save(CLIP, answer(0))
    assert not is_whole(store.parts(CLIP))
    store.save(CLIP, answer(1))
    parts = store.parts(CLIP)
    assert is_whole(parts)
    assert (parts[1].number, parts[1].of, parts[1].frames, parts[1].warnings) == (1, 2, 5, ("odd",))
    assert (tmp_path / parts[1].thumbnails[0]["file"]).read_bytes() == b"jpeg"
    assert store.table(parts[0]).num_rows == 0
    assert [path.parent.name for path in tmp_path.glob("detections/*/*0.parquet")] == ["clip=yard%20cam%2F%C3%A4.mp4"]


def test_clip_that_changed_has_nothing_yet(tmp_path: Path) -> None:
    store = Store(tmp_path, SETTINGS)
    store.save(CLIP, answer(0, of=1))
    assert store.parts(replace(CLIP, changed_ns=9)) == []
    assert store.parts(replace(CLIP, size=8)) == []
    store.forget(CLIP)
    assert store.parts(CLIP) == []


def test_part_that_is_not_whole_is_looked_at_again(tmp_path: Path) -> None:
    store = Store(tmp_path, SETTINGS)
    store.save(CLIP, answer(0, of=1))
    path = store.parts(CLIP)[0].path
    path.write_bytes(path.read_bytes()[:40])
    assert store.parts(CLIP) == []


def test_name_that_is_longer_than_files_may_be(tmp_path: Path) -> None:
    store = Store(tmp_path, SETTINGS)
    clips = [replace(CLIP, name="/".join(["folder"] * 60) + f"/{number}.mp4") for number in range(2)]
    for clip in clips:
        store.save(clip, answer(0, of=1))
    assert [len(store.parts(clip)) for clip in clips] == [1, 1]


def test_folder_of_other_settings_is_refused(tmp_path: Path) -> None:
    Store(tmp_path, SETTINGS)
    Store(tmp_path, SETTINGS)
    with pytest.raises(InputError, match=r"expected results of the same score.* \['0.4'\] instead of \[\]"):
        Store(tmp_path, {**SETTINGS, "score": ()})


def test_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(InputError, match=r"expected a folder of a scan or an empty one, got another"):
        Store(tmp_path, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]

"""Pictures and clips that go after a while, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from singleshot.runtime.events.kept_files import Keep, KeptFiles
from singleshot.tests.fixtures.events import event


def written(folder: Path, number: int, suffix: str = ".jpg", *, size: int = 100, age_s: float = 0.0) -> Path:
    path = folder / f"{event(number).id}{suffix}"
    path.write_bytes(b"x" * size)
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def names(*folders: Path) -> list[str]:
    return sorted(path.name[15:18] for folder in folders for path in folder.iterdir())


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "clips").mkdir()
    return tmp_path / "snapshots", tmp_path / "clips"


def test_the_oldest_go_above_a_size_over_runs_and_folders(folders: tuple[Path, Path]) -> None:
    snapshots, clips = folders
    for number in range(3):
        written(snapshots, number)
        written(clips, number, ".mp4", size=300)
    kept = KeptFiles(folders, Keep(size_bytes=1000), print)
    kept.prune()
    assert names(snapshots, clips) == ["001", "001", "002", "002"]
    kept.add(written(clips, 3, ".mp4", size=900))
    assert names(snapshots, clips) == ["003"]
    kept.add(written(snapshots, 4, size=5000))
    assert names(snapshots, clips) == ["004"]


def test_what_is_old_goes_also_when_nothing_happens(folders: tuple[Path, Path]) -> None:
    snapshots, clips = folders
    now_s = [1000.0]
    written(snapshots, 0, age_s=3600)
    written(snapshots, 1, "_crop.jpg", age_s=30)
    kept = KeptFiles(folders, Keep(age_s=60), print, clock=lambda: now_s[0])
    kept.prune()
    assert names(snapshots) == ["001"]
    kept.add(written(clips, 2, ".mp4"))
    now_s[0] += 31
    kept.prune()
    assert names(snapshots, clips) == ["002"]
    now_s[0] += 30
    kept.prune()
    assert names(snapshots, clips) == []


def test_files_of_others_and_files_for_ever_stay(folders: tuple[Path, Path]) -> None:
    snapshots, _ = folders
    others = [snapshots / "holiday.jpg", snapshots / f"{event(1).id}_kept.jpg", snapshots / f"{event(1).id}.png"]
    for path in others:
        path.write_bytes(b"x")
        os.utime(path, (0, 0))
    KeptFiles(folders, Keep(age_s=1), print).prune()
    own = written(snapshots, 1, age_s=1e9)
    KeptFiles(folders, Keep(), print).prune()
    assert sorted(snapshots.iterdir()) == sorted([*others, own])


def test_what_cannot_be_deleted_is_said_and_left(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    path = written(folders[0], 1, age_s=100)

    def refuse(_path: Path, *, missing_ok: bool) -> None:
        raise PermissionError(13, "Permission denied")

    kept = KeptFiles(folders, Keep(age_s=1), told.append)
    monkeypatch.setattr(Path, "unlink", refuse)
    kept.prune()
    assert told == [f"{path}: could not be deleted (Permission denied); it is left."]

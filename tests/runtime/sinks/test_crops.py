"""Crops are images to train on: one object each, labelled, as many as are wanted and no more."""

from __future__ import annotations

import csv
import errno
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from singleshot.data.dataset import open_dataset
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.errors import InputError
from singleshot.runtime.image_files import read_image_bgr
from singleshot.runtime.sinks.crops import COLUMNS, CropSettings, CropsSink, check_same_classes
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sinks.full_disk import DiskFullError
from singleshot.runtime.sources.frame import Frame
from singleshot.runtime.tracking.tracks import Tracks
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.fixtures.found import Found, detections
from singleshot.tests.places import PHOTOS

NAMES = ("cat", "dog/wolf")
BOX = [0.2, 0.2, 0.4, 0.6]


def result(
    time_s: float = 0.0,
    *rows: Found,
    ids: list[int] | None = None,
    trails: Mapping[int, object] | None = None,
    captured_at: datetime | None = None,
) -> FrameResult:
    image = np.repeat(np.add.outer(np.arange(100), np.arange(200)).astype(np.uint8)[..., np.newaxis], 3, axis=2)
    frame = Frame(image=image, index=round(10 * time_s), time_s=time_s, source="clip.mp4", captured_at=captured_at)
    tracks = None if ids is None else Tracks(ids=np.array(ids, np.int64), trails=trails or {})  # type: ignore[arg-type]
    found = detections(*rows) if rows else Detections.none()
    return FrameResult(frame=frame, found=found, drawn=None, class_names=NAMES, tracks=tracks)


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_crop_is_the_box_and_a_margin_with_its_label(tmp_path: Path) -> None:
    sink = CropsSink(tmp_path / "crops", CropSettings(), "video")
    sink.write(result(0.0, (0.9, 1, BOX)))
    sink.close()
    assert written(tmp_path / "crops") == ["dog-wolf/clip_00000000_1.jpg"]
    piece = read_image_bgr(tmp_path / "crops" / "dog-wolf" / "clip_00000000_1.jpg")
    assert piece.shape == (48, 48, 3)  # 40 x 40 pixels and a tenth on either side
    assert np.abs(piece.astype(int) - result().frame.image[16:64, 36:84]).mean() < 3
    (row,) = rows(tmp_path / "crops")
    assert tuple(row) == COLUMNS
    assert [row[name] for name in COLUMNS[1:8]] == ["dog/wolf", "4.0", "4.0", "43.0", "43.0", "0", "0.9"]
    assert (tmp_path / "crops" / "classes.txt").read_text().splitlines() == list(NAMES)


def test_the_data_set_is_what_was_found(tmp_path: Path) -> None:
    """In continuous edges, others in the piece too; difficult where less than half is seen."""
    beside, away = [0.38, 0.2, 0.5, 0.6], [0.8, 0.8, 0.9, 0.9]
    half = [0.3, 0.3, 0.4, 0.5]
    sink = CropsSink(tmp_path / "crops", CropSettings(), "video")
    sink.write(result(0.0, (0.9, 1, BOX), (0.8, 1, half), (0.7, 1, beside), (0.6, 1, away)))
    sink.close()
    dataset = open_dataset(tmp_path / "crops")
    assert dataset.class_names == NAMES
    (sample,) = dataset.samples("all")
    np.testing.assert_allclose(sample.boxes_xyxy_px, [[4, 4, 44, 44], [24, 14, 44, 34], [40, 4, 48, 44]], atol=0.01)
    assert sample.difficult.tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("settings", "times_s", "kept"),
    [
        pytest.param(CropSettings(), [0, 0.3, 0.9, 1.0, 1.5, 2.1], 3, id="one a second"),
        pytest.param(CropSettings(every_s=0), [0, 0.3, 0.9], 6, id="all"),
        pytest.param(CropSettings(most=2), [0, 1, 2, 3], 2, id="until there are enough"),
        pytest.param(CropSettings(), [100, 0.1], 2, id="a clock that is set back"),
    ],
)
def test_how_many_are_kept(settings: CropSettings, times_s: list[float], kept: int, tmp_path: Path) -> None:
    told: list[str] = []
    sink = CropsSink(tmp_path / "crops", settings, "video", told.append)
    for time_s in times_s:
        sink.write(result(time_s, (0.9, 0, BOX), (0.8, 0, [0.5, 0.5, 0.9, 0.9])))
    sink.close()
    assert len(written(tmp_path / "crops")) == kept
    assert len(told) == (settings.most == 2)


def test_a_followed_object_is_kept_once_as_it_was_seen_best(tmp_path: Path) -> None:
    sink = CropsSink(tmp_path / "crops", CropSettings(), "video")
    for time_s, score in ((0.0, 0.6), (0.4, 0.9), (0.8, 0.7), (1.2, 0.99), (2.0, 0.99)):
        sink.write(result(time_s, (score, 0, BOX), ids=[5], trails={5: ()}))
    sink.write(result(2.1, ids=[], trails={5: ()}))  # hidden for a moment
    sink.write(result(2.2, (0.9, 0, BOX), (0.8, 0, BOX), ids=[5, 6], trails={5: (), 6: ()}))
    assert written(tmp_path / "crops") == ["cat/clip_00000004_1.jpg"]
    sink.write(result(2.3, ids=[], trails={5: ()}))  # the other is gone
    sink.write(result(2.4, (0.9, 0, BOX), ids=[7], trails={7: ()}))
    sink.close()
    assert written(tmp_path / "crops") == [
        f"cat/clip_{name}.jpg" for name in ("00000004_1", "00000022_2", "00000024_1")
    ]
    assert [row["track_id"] for row in rows(tmp_path / "crops") if row["image"].endswith("22_2.jpg")] == ["6", "5"]


def test_a_later_run_adds_and_the_same_run_again_does_not(tmp_path: Path) -> None:
    came = datetime(2026, 11, 30, 9, 5, 2, 123456, tzinfo=timezone.utc)
    for captured_at in (None, None, came):
        sink = CropsSink(tmp_path / "crops", CropSettings(), "video")
        sink.write(result(0.0, (0.9, 0, BOX), captured_at=captured_at))
        sink.close()
    assert written(tmp_path / "crops") == ["cat/20261130T090502.123Z_00000000_1.jpg", "cat/clip_00000000_1.jpg"]
    assert len(rows(tmp_path / "crops")) == 2


def test_a_full_disk_is_said_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = CropsSink(tmp_path / "crops", CropSettings(), "video")

    def full(_self: Path, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(DiskFullError, match=r"clip_00000000_1\.jpg: .*No space left"):
            sink.write(result(0.0, (0.9, 0, BOX)))
    sink.write(result(1.0, (0.9, 0, BOX)))
    sink.close()
    assert written(tmp_path / "crops") == ["cat/clip_00000010_1.jpg"]


def test_crops_of_other_classes_are_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cow\nhorse\n")
    with pytest.raises(InputError, match=r"expected crops of the classes cat, dog, got those of cow, horse\. Name"):
        check_same_classes(tmp_path, ("cat", "dog"))


def test_crops_of_photos_are_all_objects_and_hidden_ones_stay_hidden(tmp_path: Path) -> None:
    for folder, options in (("plain", ()), ("hidden", ("--blur", "horse"))):
        crops = tmp_path / folder
        run = run_verb(
            "rt-detect", "--video", PHOTOS, "--crops", crops, "--json", tmp_path / f"{folder}.jsonl", *options
        )
        assert run.exit_code == 0, run.stderr
        lines = [json.loads(line) for line in (tmp_path / f"{folder}.jsonl").read_text().splitlines()]
        assert len(written(crops)) == sum(len(line["detections"]) for line in lines)
    plain, hidden = (read_image_bgr(next(tmp_path.glob(f"{name}/horse/*_1.jpg"))) for name in ("plain", "hidden"))
    assert np.diff(plain.astype(int), axis=1).std() > 2 * np.diff(hidden.astype(int), axis=1).std()

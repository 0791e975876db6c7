"""Which images judge and which calibrate where one folder is given for both."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from singleshot.calib.int8.image_pool import ImagePool
from singleshot.calib.records.labelled_images import sampled_images
from singleshot.data.dataset import open_dataset
from singleshot.export.quantize.set_aside import set_aside
from singleshot.tests.fixtures.hostile_detector import patches


def labelled_folder(root: Path, count: int) -> Path:
    (root / "images").mkdir(parents=True)
    lines = ["image,label,xmin,ymin,xmax,ymax"]
    for number in range(count):
        cv2.imwrite(str(root / "images" / f"{number}.png"), patches(number))
        lines.append(f"{number}.png,cat,0,0,31,31")
    (root / "val.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize(
    ("labelled", "others", "count", "judging", "calibrating"),
    [
        pytest.param(24, 0, 256, 12, 12, id="one folder for both is shared half and half"),
        pytest.param(24, 0, 8, 16, 8, id="no more calibrate than were asked for"),
        pytest.param(24, 20, 16, 24, 20, id="enough others: all labelled images judge"),
        pytest.param(24, 6, 256, 15, 15, id="too few others: some labelled images help"),
    ],
)
def test_no_image_both_judges_and_calibrates(
    tmp_path: Path, labelled: int, others: int, count: int, judging: int, calibrating: int
) -> None:
    root = labelled_folder(tmp_path / "data", labelled)
    for number in range(others):
        cv2.imwrite(str(root / "images" / f"other {number}.png"), patches(1000 + number))
    images = sampled_images(open_dataset(root), "val", seed=0, most=100)
    pool = ImagePool(root / "images")
    judge, without = set_aside(images, pool, count=count)
    left = set(pool.names) - without
    assert (len(judge), len(left)) == (judging, calibrating)
    assert not left & {f"{image_id}.png".replace(".png.png", ".png") for image_id in judge.image_ids}


def test_a_copy_under_another_name_is_set_aside_too(tmp_path: Path) -> None:
    root = labelled_folder(tmp_path / "data", 12)
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(80):
        cv2.imwrite(str(photos / f"photo {number}.png"), patches(number))
    judge, without = set_aside(sampled_images(open_dataset(root), "val", seed=0, most=9), ImagePool(photos), count=64)
    assert len(judge) == 9
    assert len(without) == 9
    assert all(name in {f"photo {number}.png" for number in range(12)} for name in without)

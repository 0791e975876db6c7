"""The commands of the first two pages, run one after the other as somebody new would."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.runtime.image_files import read_image_bgr
from singleshot.runtime.session import detect, open_session
from singleshot.runtime.shipped import shipped_detector
from singleshot.tests.places import PHOTOS, ROOT
from singleshot.tests.test_readme import commands_in, words_of

SHORTER = {"--epochs 40": "--epochs 1"}
"""What a page says, and what a test has time for."""

NEEDS = ("cam0", "rtsp://", "--show", "--live")
"""Words of commands that want a camera, a display or a browser."""

MAY_FALL_SHORT = ("quantize",)
"""Verbs that refuse, exit code 1, what a network of one epoch loses."""


NAMES = ("cat", "dog", "horse", "person")
"""What is in the photos."""


def write_photos(folder: Path) -> None:
    """Write photos, their mirror images and pieces, with what the shipped detector finds in them as YOLO's labels."""
    folder.mkdir()
    with open_session(shipped_detector()) as session:
        names = session.card.class_names
        for photo in sorted(PHOTOS.glob("*.jpg")):
            whole = read_image_bgr(photo)
            width = whole.shape[1]
            pieces = (whole, whole[:, : width * 3 // 4], whole[:, width // 4 :], whole[:, width // 8 : -width // 8])
            mirrored = [np.ascontiguousarray(piece[:, ::-1]) for piece in pieces]
            for number, image in enumerate((*pieces, *mirrored)):
                found = detect(session, image).at_least(np.full(len(names), 0.3, np.float32))
                cv2.imwrite(str(folder / f"{photo.stem}_{number}.jpg"), image)
                lines = [
                    f"{NAMES.index(names[class_id])} {(x1 + x2) / 2} {(y1 + y2) / 2} {x2 - x1} {y2 - y1}"
                    for class_id, (x1, y1, x2, y2) in zip(found.class_ids, found.boxes_xyxy, strict=True)
                    if names[class_id] in NAMES
                ]
                (folder / f"{photo.stem}_{number}.txt").write_text("\n".join(lines))
        (folder / "classes.txt").write_text("\n".join(NAMES))


def run_step(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    for said, shorter in SHORTER.items():
        command = command.replace(said, shorter)
    program, *arguments = words_of(command)
    verb = [] if program == "singleshot" else [program]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".view"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "singleshot", *verb, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def steps_of(page: str) -> list[str]:
    """Give the commands of ours on a page that need nothing a test has not."""
    steps = commands_in((ROOT / "docs" / page).read_text(encoding="utf-8"))
    ours = [command for command in steps if shlex.split(command)[0] in ("singleshot", "rt-detect")]
    return [command for command in ours if not any(word in command for word in NEEDS)]


def check_picture(folder: Path) -> None:
    """Make the quickstart's picture again by the command beside it, out of the video that the page has made."""
    page = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    (command,) = (command for command in commands_in(page) if command.startswith("ffmpeg "))
    (folder / "docs").mkdir()
    subprocess.run(shlex.split(command), cwd=folder, capture_output=True, check=True)
    made, shown = (read_image_bgr(place / "docs" / "detections.jpg").astype(np.int16) for place in (folder, ROOT))
    assert made.shape == shown.shape
    assert np.abs(made - shown).mean() < 2


@pytest.mark.slow
@pytest.mark.parametrize("page", ["quickstart.md", "ten-minutes.md"])
def test_the_commands_of_a_page_work_one_after_the_other(page: str, tmp_path: Path) -> None:
    for name in ("demo", "runtime", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    write_photos(tmp_path / "photos")
    steps = steps_of(page)
    assert steps
    for step in steps:
        if " build " in step and find_spec("tensorrt_rtx") is None:
            continue
        done = run_step(step, tmp_path)
        allowed = {0, 1} if words_of(step)[1] in MAY_FALL_SHORT else {0}
        assert done.returncode in allowed, f"{step}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
    if page == "quickstart.md":
        assert (tmp_path / "found.jsonl").read_text().count("\n") > 200
        check_picture(tmp_path)

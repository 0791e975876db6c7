"""From a camera's recordings back to labelled photos."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.calib.harvest import harvest as harvesting
from singleshot.calib.harvest.embedding import embedding_of
from singleshot.calib.harvest.proposals import propose
from singleshot.calib.harvest.sightings import sightings
from singleshot.data.check.data_check import check_data
from singleshot.data.dataset import open_dataset
from singleshot.runtime.card import Card
from singleshot.runtime.image_files import read_image_bgr
from singleshot.runtime.session import open_session
from singleshot.runtime.shipped import shipped_detector
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.fixtures.found import detections
from singleshot.tests.places import PHOTOS, ROOT

WriteVideo = Callable[..., Path]


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    """Three seconds of photos, ten pictures a second."""
    path = tmp_path / "in" / "a walk.mp4"
    path.parent.mkdir()
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (320, 240))
    for number in range(30):
        photo = sorted(PHOTOS.glob("*.jpg"))[number // 10]
        writer.write(cv2.resize(read_image_bgr(photo), (320, 240)))
    writer.release()
    return path


@pytest.mark.parametrize("layout", ["coco", "yolo"])
def test_photos_become_a_data_set_with_proposals(layout: str, tmp_path: Path) -> None:
    out = tmp_path / "to-label"
    run = run_verb("harvest", PHOTOS, "-o", out, "--to", layout, "--count", 2, "--score", "0.9", "--json")
    assert run.exit_code == 0, run.stderr
    done = json.loads(run.stdout)
    assert (done["images"], done["looked_at"], done["is_interrupted"]) == (2, 5, False)
    dataset = open_dataset(out)
    assert dataset.found.startswith(f"{layout} layout")
    check = check_data(dataset, [])
    assert check.splits["train"].images == 2
    samples = {sample.image_id: sample for sample in dataset.samples("train")}
    notes = [json.loads(line) for line in (out / "harvest.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sum(len(note["proposals"]) for note in notes) == done["proposals"]
    assert sum(box["unsure"] for note in notes for box in note["proposals"]) == done["unsure"] > 0
    for note in notes:
        assert (out / "images" / note["image"]).read_bytes() == Path(note["source"]).read_bytes()
        sample = next(each for name, each in samples.items() if Path(name).stem == Path(note["image"]).stem)
        boxes = [box["box_xyxy_px"] for box in note["proposals"]]
        np.testing.assert_allclose(sample.boxes_xyxy_px, np.reshape(boxes, (-1, 4)), atol=0.02)


def test_a_video_becomes_pictures_named_by_frame(walk: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = run_verb("harvest", walk, "-o", out, "--score", "0.9", "--count", 2)
    assert run.exit_code == 0, run.stderr
    notes = [json.loads(line) for line in (out / "harvest.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [note["image"] for note in notes] == [f"a_walk_{note['frame']:08}.jpg" for note in notes]
    lines = run.stdout.splitlines()
    assert lines[0] == f"{out}: coco layout, 2 images, of 30 frames"
    assert lines[2].endswith("correct them before you train on them")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["{photos}", "-o", "{full}"], "expected a new or empty folder, got one that holds", id="full"),
        pytest.param(["{blank}", "-o", "out"], "expected frames in which the detector is unsure, got none", id="sure"),
        pytest.param(["cam0", "-o", "out"], "expected a recording, a folder or events, got a camera", id="camera"),
        pytest.param(["{broken}", "-o", "out"], "expected", id="nothing can be decoded"),
        pytest.param(
            ["{photos}", "-o", "out", "--model", "{classifier}"], "expected a detector, got a classifier", id="no boxes"
        ),
    ],
)
def test_what_is_refused_is_one_line_and_writes_nothing(
    arguments: list[str],
    message: str,
    graphs: Path,
    write_video: WriteVideo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    places = {
        "photos": PHOTOS,
        "full": "full",
        "blank": write_video("blank.mp4", times_s=[0, 0.1]),
        "broken": "broken.mp4",
        "classifier": graphs / "quarters_classifier.onnx",
    }
    run = run_verb("harvest", *(argument.format(**places) for argument in arguments))
    assert (run.exit_code, run.stdout) == (2, "")
    (line,) = [line for line in run.stderr.splitlines() if not line.startswith("backend:")]
    assert line.startswith("error: ")
    assert message in line
    assert not (tmp_path / "out").exists()
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]


def test_lines_of_a_run_stand_for_the_detector(walk: Path, tmp_path: Path) -> None:
    lines = tmp_path / "found.jsonl"
    run = run_verb(
        "rt-detect", "--video", walk, "--json", lines, "--score", "0.01", "--save", tmp_path / "x.mp4", "--plain"
    )
    assert run.exit_code == 0, run.stderr
    notes = []
    for name, source, options in (("asked", walk, ()), ("told", walk, ("--lines", lines))):
        run = run_verb("harvest", source, "-o", tmp_path / name, *options)
        assert run.exit_code == 0, run.stderr
        text = (tmp_path / name / "harvest.jsonl").read_text(encoding="utf-8")
        notes.append([json.loads(line) for line in text.splitlines()])
    asked, told = notes
    photos = [[note["frame"] // 10 for note in notes] for notes in (asked, told)]  # within one, frames are alike
    assert photos[0] == photos[1]
    assert [note["unsureness"] for note in asked] == pytest.approx([note["unsureness"] for note in told], abs=0.01)
    run = run_verb("harvest", tmp_path / "x.mp4", "-o", tmp_path / "recorded")  # plain, so that it is not refused
    assert run.exit_code == 0, run.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param(
            "no json", "line 1: expected a line of rt-detect --json of a detector, got 'no json'", id="no JSON"
        ),
        pytest.param('{"source": "x", "frame": 0, "classes": []}', "line 1: expected a line of", id="a classifier's"),
        pytest.param(
            '{"source": "x", "frame": 0, "detections": [{"class_id": 0, "label": "bus"}]}',
            "line 1: expected the model's classes cat, cow, dog, horse, sheep, person, got bus as number 0. Name the",
            id="another model's",
        ),
    ],
)
def test_lines_that_do_not_fit(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "found.jsonl").write_text(f"{line}\n")
    run = run_verb("harvest", PHOTOS, "-o", tmp_path / "out", "--lines", tmp_path / "found.jsonl")
    assert run.exit_code == 2
    assert message in run.stderr
    run = run_verb("harvest", PHOTOS, "-o", tmp_path / "out", "--lines", tmp_path / "none.jsonl")
    assert "none.jsonl: expected JSON lines of rt-detect, got" in run.stderr


def test_one_broken_recording_of_several_is_a_warning(walk: Path, tmp_path: Path) -> None:
    (walk.parent / "broken.mp4").write_bytes(b"no video")
    run = run_verb("harvest", walk.parent, "-o", tmp_path / "out")
    assert run.exit_code == 0, run.stderr
    assert any(line.startswith("warning: ") and "broken.mp4" in line for line in run.stderr.splitlines())


def test_ctrl_c_ends_the_looking_and_keeps_what_was_seen(
    walk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = sightings

    def interrupted(*arguments: object, **options: object) -> object:
        yield next(seen(*arguments, **options))  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(harvesting, "sightings", interrupted)
    run = run_verb("harvest", walk, PHOTOS, "-o", tmp_path / "out")
    assert run.exit_code == 130
    assert ", 1 images, interrupted after " in run.stdout
    assert len(list((tmp_path / "out" / "images").iterdir())) == 1


def test_ctrl_c_while_it_writes_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(harvesting, "_write", interrupted)
    assert run_verb("harvest", PHOTOS, "-o", tmp_path / "out").exit_code == 130
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(harvesting, "_write", full)
    run = run_verb("harvest", PHOTOS, "-o", tmp_path / "out")
    assert run.exit_code == 2
    assert "out: could not be written ([Errno 28] No space left on device); nothing was changed." in run.stderr
    assert list(tmp_path.iterdir()) == []


def test_proposals_have_the_unsure_but_no_place_twice() -> None:
    box, nearly, away = [0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.48], [0.6, 0.6, 0.9, 0.9]
    found = detections((0.9, 0, box), (0.8, 1, nearly), (0.3, 1, away), (0.24, 0, [0, 0, 0.1, 0.1]), (0.9, 0, [1] * 4))
    proposals = propose(found, np.array([0.5, 0.5], np.float32))
    np.testing.assert_array_equal(proposals.found.boxes_xyxy, np.array([box, away], np.float32))
    assert proposals.is_unsure.tolist() == [False, True]


def test_an_engine_is_spread_by_thumbnails() -> None:
    with open_session(shipped_detector()) as session:
        card: Card = session.card
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    assert embedding_of(Path("x.engine"), card)(image).shape == (256,)
    assert embedding_of(shipped_detector(), card)(image).shape != (256,)


def test_the_page_names_the_keys_of_the_notes(tmp_path: Path) -> None:
    run = run_verb("harvest", PHOTOS, "-o", tmp_path / "out", "--count", 1)
    assert run.exit_code == 0, run.stderr
    note = json.loads((tmp_path / "out" / "harvest.jsonl").read_text(encoding="utf-8").splitlines()[0])
    table = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8").split("| key of `harvest.jsonl` |")[1]
    assert re.findall(r"^\| `(\w+)` \|", table.split("\n\n")[0], re.MULTILINE) == list(note)
    assert list(note["proposals"][0]) == ["label", "score", "box_xyxy_px", "unsure"]

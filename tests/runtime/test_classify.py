"""A classifier through the same session, loop and sinks as a detector."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from singleshot.runtime.detection.classifications import Classification
from singleshot.runtime.detection.postprocess import classifications_from_logits
from singleshot.runtime.detection.thresholds import thresholds_from_options
from singleshot.runtime.errors import InputError
from singleshot.runtime.loop.run import run_pipeline
from singleshot.runtime.loop.summary import FoundClass
from singleshot.runtime.session import classify, detect, open_session
from singleshot.runtime.sinks.open_sinks import open_json_lines, open_recording
from singleshot.runtime.sinks.overlay import draw_classes
from singleshot.runtime.sinks.sink import Sink
from singleshot.runtime.sources.open_source import open_source

NAMES = ("cat", "cow", "dog", "horse")


def classification(*pairs: tuple[int, float]) -> Classification:
    class_ids, scores = zip(*pairs, strict=True) if pairs else ((), ())
    return Classification(scores=np.array(scores, np.float32), class_ids=np.array(class_ids, np.int32))


def test_scores_are_the_softmax_that_one_works_out_by_hand(graphs: Path) -> None:
    """Top right is 255 bright and bottom left 102: logits 0, 5, 2, 0."""
    frame = np.zeros((32, 32, 3), np.uint8)
    frame[:16, 16:] = 255
    frame[16:, :16] = 102
    with open_session(graphs / "quarters_classifier.onnx") as session:
        found = classify(session, frame.repeat(2, axis=0).repeat(2, axis=1))
    assert session.card.task == "classifier"
    weights = np.exp([5.0, 2.0, 0.0, 0.0])
    np.testing.assert_allclose(found.scores, weights / weights.sum(), atol=1e-6)
    assert found.class_ids.tolist() == [1, 2, 0, 3]  # the tie goes to the lower class


def test_reference_names_five_of_many_and_all_of_few() -> None:
    logits = np.array([[0, 3, 1, 2, 5, 4, 3]], np.float32)
    (found,) = classifications_from_logits(logits)
    assert found.class_ids.tolist() == [4, 5, 1, 6, 3]
    assert [len(found) for found in classifications_from_logits(logits[:, :2])] == [2]


@pytest.mark.parametrize(
    ("graph", "ask", "message"),
    [
        pytest.param("quarters", classify, "expected a classifier, got a detector. Give one", id="a detector"),
        pytest.param("quarters_classifier", detect, "expected a detector, got a classifier. Give one", id="other way"),
    ],
)
def test_other_task_is_refused_in_one_line(graphs: Path, graph: str, ask: Callable[..., object], message: str) -> None:
    with open_session(graphs / f"{graph}.onnx") as session, pytest.raises(InputError, match=message):
        ask(session, np.zeros((32, 32, 3), np.uint8))


def test_detector_that_calls_itself_a_classifier_is_refused(graphs: Path) -> None:
    with pytest.raises(InputError, match="expected the outputs top_scores, top_classes, got num_dets"):
        open_session(graphs / "bad_task.onnx")


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="expected scores and class ids of one shape"):
        Classification(scores=np.zeros(2, np.float32), class_ids=np.zeros(3, np.int32))


def test_video_is_classified_frame_by_frame(graphs: Path, write_video: Callable[..., Path], tmp_path: Path) -> None:
    """The upper left quarter starts brightest and fades while the rest brightens: they meet at frame 10 or 11."""
    video = write_video(times_s=[number / 10 for number in range(20)])
    with open_session(graphs / "quarters_classifier.onnx") as session, open_source(str(video)) as source:
        sinks: list[Sink] = [
            open_json_lines(tmp_path / "out.jsonl", source),
            open_recording(tmp_path / "out.mp4", source),
        ]
        thresholds = thresholds_from_options((), session.card)
        summary = run_pipeline(source, session, sinks, thresholds=thresholds)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["classes"][0]["label"] for line in lines[:10]] == ["cat"] * 10
    assert all(line["classes"][0]["label"] != "cat" for line in lines[12:])
    assert {len(line["classes"]) for line in lines} == {4}
    assert summary.task == "classifier"
    assert sum(found.frames for found in summary.found) == 20
    assert summary.found[0] == FoundClass(
        name="cat", frames=summary.found[0].frames, detections=summary.found[0].frames
    )
    assert (tmp_path / "out.mp4").stat().st_size > 1000


def test_score_option_leaves_out_what_is_below_it(graphs: Path) -> None:
    with open_session(graphs / "quarters_classifier.onnx") as session:
        thresholds = thresholds_from_options(("0.3", "dog=0.001"), session.card)
    kept = classification((1, 0.6), (0, 0.3), (3, 0.09), (2, 0.01)).at_least(thresholds)
    assert kept.class_ids.tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("height", "width"),
    [pytest.param(360, 640, id="a video"), pytest.param(64, 64, id="small"), pytest.param(8, 8, id="tiny")],
)
def test_list_is_drawn_in_the_corner_and_the_picture_is_left_alone(height: int, width: int) -> None:
    image = np.full((height, width, 3), 200, np.uint8)
    drawn = draw_classes(image, classification((1, 0.6), (0, 0.3)), NAMES)
    assert (image == 200).all()
    assert drawn.shape == image.shape
    assert (drawn[: max(4, height // 30), : max(4, width // 30)] != 200).any()
    if height == 360:
        assert (drawn[height // 2 :] == 200).all()
        assert (drawn[:, width // 2 :] == 200).all()


def test_letters_have_no_shadow_beside_them() -> None:
    drawn = draw_classes(np.full((360, 640, 3), 200, np.uint8), classification((1, 0.6), (0, 0.3)), NAMES)
    greys = drawn[(drawn == drawn[..., :1]).all(axis=2)]  # all but the bars
    assert greys.min() == 70  # the panel, 0.35 of 200: nothing is darker
    assert greys.max() == 255


def test_nothing_found_draws_nothing() -> None:
    image = np.full((64, 64, 3), 200, np.uint8)
    assert (draw_classes(image, classification(), NAMES) == 200).all()

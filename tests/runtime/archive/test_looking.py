"""A worker's answer: a row an object, the surest frame of each class, and what is wrong with a chunk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.runtime.archive.chunks import Chunk, Span
from singleshot.runtime.archive.looking import COLUMNS, Look, Looking
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.errors import InputError
from singleshot.runtime.stream import stream

pytest.importorskip("pyarrow")
WriteVideo = Callable[..., Path]


def test_rows_are_what_the_loop_finds(small_detector: Path, write_video: WriteVideo) -> None:
    clip = write_video(times_s=[number / 25 for number in range(8)])
    with Looking(small_detector, Look(score=("0.1",))) as looking:
        answer = looking.answer(Chunk(clip=str(clip)))
    assert (answer.error, answer.frames, answer.shape, answer.backend[:11]) == ("", 8, (48, 64), "onnxruntime")
    assert answer.seconds == pytest.approx(0.28)
    assert answer.table is not None
    assert answer.table.column_names == list(COLUMNS)
    rows = answer.table.to_pylist()
    found = [
        (result.frame.index, label, score, box)
        for result in stream(clip, model=small_detector, score=0.1)
        if isinstance(result.found, Detections)
        for label, score, box in zip(
            result.labels, result.found.scores, result.found.boxes_xyxy_px(height=48, width=64), strict=True
        )
    ]
    assert [(row["frame"], row["label"]) for row in rows] == [(frame, label) for frame, label, _, _ in found]
    np.testing.assert_allclose([row["score"] for row in rows], [score for _, _, score, _ in found], atol=1e-6)
    sides = ("left_px", "top_px", "right_px", "bottom_px")
    np.testing.assert_allclose([[row[side] for side in sides] for row in rows], [box for *_, box in found], atol=1e-3)
    assert {thumbnail.label for thumbnail in answer.thumbnails} == {row["label"] for row in rows}
    for thumbnail in answer.thumbnails:
        assert thumbnail.score == pytest.approx(
            max(row["score"] for row in rows if row["label"] == thumbnail.label), abs=0.021
        )
        picture = cv2.imdecode(np.frombuffer(thumbnail.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (48, 64, 3)


def test_what_is_wrong_with_a_chunk_is_in_its_answer(
    small_detector: Path, write_video: WriteVideo, tmp_path: Path
) -> None:
    clip = write_video(times_s=[0, 0.04, 0.08])
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    span = Span(first=0, frames=9, origin=0, start=0, end=None)
    with Looking(small_detector, Look()) as looking:
        broken = looking.answer(Chunk(clip=str(tmp_path / "broken.mp4")))
        uncounted = looking.answer(Chunk(clip=str(clip), of=2, span=span))
    assert "broken.mp4: expected a video" in broken.error
    assert (broken.is_uncounted, broken.table) == (False, None)
    assert uncounted.is_uncounted


@pytest.mark.parametrize(
    ("look", "message"),
    [
        pytest.param(Look(score=("bird=0.4",)), "bird", id="a class that is not there"),
        pytest.param(Look(tiles="many"), "many", id="tiles that cannot be read"),
        pytest.param(Look(backend="tpu"), "tpu", id="a backend that is not there"),
    ],
)
def test_options_that_do_not_suit_the_model(look: Look, message: str, small_detector: Path) -> None:
    with pytest.raises(InputError, match=message):
        Looking(small_detector, look)

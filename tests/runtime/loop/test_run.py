"""The loop finds, counts and times, and survives what sources and sinks do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.runtime.detection.thresholds import thresholds_from_options
from singleshot.runtime.errors import InputError
from singleshot.runtime.image_files import read_image_bgr
from singleshot.runtime.loop.run import run_pipeline
from singleshot.runtime.loop.stage_times import StageTimes
from singleshot.runtime.loop.summary import FoundClass, RunSummary
from singleshot.runtime.session import open_session
from singleshot.runtime.sinks.frame_result import FrameResult
from singleshot.runtime.sinks.open_sinks import open_json_lines, open_recording
from singleshot.runtime.sinks.sink import Sink
from singleshot.runtime.sources.open_source import open_source

WriteVideo = Callable[..., Path]


def run(
    spec: Path,
    graph: Path,
    *,
    save: Path | None = None,
    json_lines: Path | None = None,
    scores: tuple[str, ...] = (),
    max_frames: int | None = None,
    on_frame: Callable[[FrameResult], None] | None = None,
) -> RunSummary:
    with open_session(graph) as session, open_source(str(spec)) as source:
        sinks: list[Sink] = []
        if save is not None:
            sinks.append(open_recording(save, source))
        if json_lines is not None:
            sinks.append(open_json_lines(json_lines, source))
        thresholds = thresholds_from_options(scores, session.card)
        return run_pipeline(source, session, sinks, thresholds=thresholds, max_frames=max_frames, on_frame=on_frame)


def test_bright_corner_is_found_where_and_when_it_is_bright(
    graphs: Path, write_video: WriteVideo, tmp_path: Path
) -> None:
    """Frame n is 20 + 10 n bright, its upper left quarter 235 - 10 n: the cat is there down to 0.5 = 127.5.

    At frame 11 both are within 3 of that, which the encoder may change.
    """
    video = write_video(times_s=[number / 10 for number in range(20)])
    summary = run(video, graphs / "quarters.onnx", save=tmp_path / "out.mp4", json_lines=tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(20))
    assert [line["time_s"] for line in lines] == pytest.approx([number / 10 for number in range(20)])
    labels = [{found["label"] for found in line["detections"]} for line in lines]
    assert labels[:11] == [{"cat"}] * 11
    assert labels[12:] == [{"cow", "dog", "horse"}] * 8
    assert lines[0]["detections"][0]["box_xyxy_px"] == [8.0, 6.0, 24.0, 18.0]
    assert summary.frames == 20
    cat_frames = sum("cat" in found for found in labels)
    assert summary.found[0] == FoundClass(name="cat", frames=cat_frames, detections=cat_frames)
    assert {stage.stage for stage in summary.stages} == {"wait", "resize", "network", "draw", "write"}
    assert summary.wall_s > 0
    assert summary.frames_per_s == pytest.approx(20 / summary.wall_s)


def test_score_of_a_class_holds_for_that_class(graphs: Path, write_video: WriteVideo) -> None:
    video = write_video(times_s=[0.0])  # cat 235 / 255, the others 20 / 255
    found = run(video, graphs / "quarters.onnx", scores=("0.06", "cat=0.95", "horse=0.5")).found
    assert [found_class.name for found_class in found] == ["cow", "dog"]


def test_images_are_annotated_into_a_folder(graphs: Path, tmp_path: Path) -> None:
    for name, value in (("a.png", 0), ("b.png", 255)):
        (tmp_path / "in").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "in" / name), np.full((90, 120, 3), value, np.uint8))
    summary = run(tmp_path / "in", graphs / "quarters.onnx", save=tmp_path / "out", json_lines=tmp_path / "out.jsonl")
    assert summary.frames == 2
    dark, bright = (read_image_bgr(tmp_path / "out" / name) for name in ("a.png", "b.png"))
    assert (dark == 0).all()
    assert (bright != 255).any()
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["source"] for line in lines] == [str(tmp_path / "in" / name) for name in ("a.png", "b.png")]
    assert [len(line["detections"]) for line in lines] == [0, 4]


def test_max_frames_ends_the_run(graphs: Path, dog_clip: Path) -> None:
    summary = run(dog_clip, graphs / "quarters.onnx", max_frames=5)
    assert (summary.frames, summary.warnings) == (5, ())
    assert "draw" not in {stage.stage for stage in summary.stages}  # nobody looks at pictures


def test_warnings_of_the_source_reach_the_summary(graphs: Path, dog_clip: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.mp4").write_bytes(dog_clip.read_bytes()[:200_000])
    summary = run(tmp_path / "cut.mp4", graphs / "quarters.onnx")
    assert f"expected 282 frames as announced, got {summary.frames}." in summary.warnings[0]


def test_interruption_leaves_whole_files(graphs: Path, dog_clip: Path, tmp_path: Path) -> None:
    def interrupt(result: FrameResult) -> None:
        if result.frame.index == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(
            dog_clip,
            graphs / "quarters.onnx",
            save=tmp_path / "out.mp4",
            json_lines=tmp_path / "out.jsonl",
            on_frame=interrupt,
        )
    with open_source(str(tmp_path / "out.mp4")) as source:
        assert len(list(source)) == 10
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 10


def test_source_that_decodes_to_nothing_leaves_no_video(graphs: Path, dog_clip: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.mp4").write_bytes(dog_clip.read_bytes()[:5000])
    with pytest.raises(InputError, match="decodes to no frame"):
        run(tmp_path / "cut.mp4", graphs / "quarters.onnx", save=tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_stage_times_are_means_and_medians() -> None:
    times = StageTimes()
    for duration_s in (0.001, 0.002, 0.009):
        times.add("network", duration_s)
    times.add("draw", 0.5)
    first, second = times.result()
    assert (first.stage, first.median_ms) == ("network", 2.0)
    assert first.mean_ms == pytest.approx(4.0)
    assert (second.stage, second.mean_ms) == ("draw", 500.0)

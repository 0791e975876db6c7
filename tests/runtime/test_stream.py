"""The loop of `rt-detect` from Python."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest

import singleshot
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.errors import InputError


def test_a_clip_in_four_lines(graphs: Path, dog_clip: Path) -> None:
    seen: Counter[str] = Counter()
    indices = []
    for result in singleshot.stream(dog_clip, model=graphs / "quarters.onnx", score=0.3):
        seen.update(result.labels)
        indices.append(result.frame.index)
    assert indices == list(range(282))
    assert isinstance(result.found, Detections)
    assert result.frame.image.shape == (360, 640, 3)
    assert (result.frame.source, result.frame.time_s, result.camera) == (str(dog_clip), 11.24, "")
    assert seen["cat"] == 282


def test_several_sources_and_options(graphs: Path) -> None:
    scene = "synthetic://?frames=20&width=64&height=64&objects=1&seed="
    told: list[str] = []
    frames: Counter[str] = Counter()
    for result in singleshot.stream(
        f"{scene}1",
        f"{scene}2",
        model=graphs / "quarters.onnx",
        score=["0.5", "dog=0.9"],
        skip_still=True,
        tiles="2x1",
        threads=1,
        tell=told.append,
    ):
        frames[result.camera] += 1
    assert list(frames.values()) == [20, 20]
    assert [line for line in told if line.startswith("backend: onnxruntime")]


def test_places_and_rules(graphs: Path) -> None:
    pytest.importorskip("trackers")
    whole = {"whole": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    scene = "synthetic://?frames=30&width=64&height=64"
    results = list(
        singleshot.stream(
            scene,
            model=graphs / "quarters.onnx",
            score=0.06,
            zones=whole,
            lines={"gate": [(0, 0), (1, 1)]},
            rules=["dog stays whole for 0.5s"],
        )
    )
    (event,) = [event for result in results for event in result.events]
    assert (event.rule, event.place, event.label) == ("dog-stays-whole-for-0.5s", "whole", "dog")
    assert [place.name for place in results[-1].places] == ["whole", "gate"]
    assert results[-1].places[0].inside["dog"] == 1
    with pytest.raises(InputError, match="zones: expected one source, as a place is in one camera's picture, got 2"):
        next(singleshot.stream(scene, scene, model=graphs / "quarters.onnx", zones=whole))


def test_objects_are_followed(graphs: Path, dog_clip: Path) -> None:
    pytest.importorskip("trackers")
    ids = []
    for result in singleshot.stream(dog_clip, model=graphs / "quarters.onnx", track=True):
        ids.append(result.track_ids)
        if result.frame.index == 3:
            assert result.tracks is not None
            assert [len(trail) for trail in result.tracks.trails.values()] == [3] * len(result.found)
            break
    assert ids == [[None] * len(ids[0])] + [list(range(1, len(ids[0]) + 1))] * 3


def test_leaving_the_loop_ends_everything(graphs: Path) -> None:
    before = threading.active_count()
    for result in singleshot.stream("synthetic://?paced=1", model=graphs / "quarters.onnx"):
        assert result.age_ms is not None
        assert result.frame.captured_at is not None
        break
    results = singleshot.stream("synthetic://?paced=1", model=graphs / "quarters.onnx")
    next(results)
    results.close()
    assert threading.active_count() <= before


@pytest.mark.parametrize(
    ("sources", "options", "message"),
    [
        pytest.param(["none.mp4"], {}, "none.mp4: expected ", id="no such file"),
        pytest.param([], {}, "cameras: expected", id="no source"),
        pytest.param(["cam0"], {"model": "none.onnx"}, "none.onnx: expected an ONNX graph, got no such", id="no model"),
        pytest.param(["cam0"], {"score": "cow=x"}, "--score cow=x: expected a number", id="no score"),
        pytest.param(["cam0"], {"tiles": "2"}, "--tiles: expected COLUMNSxROWS", id="no tiles"),
        pytest.param(["cam0"], {"threads": 0}, "threads: expected greater than or equal to 1", id="no threads"),
    ],
)
def test_mistakes_are_raised_at_the_first_result(
    graphs: Path, sources: list[str], options: dict[str, object], message: str
) -> None:
    results = singleshot.stream(*sources, **{"model": graphs / "quarters.onnx", **options})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        next(results)

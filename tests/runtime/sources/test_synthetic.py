"""Synthetic scenes: what is drawn is what the truth says."""

from __future__ import annotations

import time

import numpy as np
import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.sources.open_source import open_source
from singleshot.runtime.sources.synthetic import Scene, scene_of

NAME = "synthetic://?width=160&height=90&objects=6&seed=4&fps=10&frames=60"


def test_objects_stand_where_the_truth_says() -> None:
    scene, still = scene_of(NAME), Scene(width=160, height=90, objects=0, seed=4).picture(0)
    partly_hidden = seen_ids = 0
    with open_source(NAME) as source:
        assert source.length == 60
        for frame in source:
            truth = scene.truth(frame.index)
            moved = (frame.image != still).any(2)
            inside = np.zeros(moved.shape, bool)
            for x1, y1, x2, y2 in truth.boxes_px.astype(int).tolist():
                assert 0 <= x1 < x2 <= 160
                assert 0 <= y1 < y2 <= 90
                inside[y1:y2, x1:x2] = True
            assert not moved[~inside].any()
            assert moved[inside].mean() > 0.9
            partly_hidden += int((truth.visible < 1).sum())
            seen_ids = max(seen_ids, len(set(truth.ids.tolist())))
    assert frame.time_s == pytest.approx(5.9)
    assert partly_hidden > 20
    assert seen_ids == 6


def test_truth_says_how_much_of_an_object_is_seen() -> None:
    scene = Scene(width=160, height=90, objects=1, seed=0)
    whole = [scene.truth(index) for index in range(0, 900, 10)]
    shares = np.concatenate([truth.visible for truth in whole])
    areas = np.concatenate([np.prod(truth.boxes_px[:, 2:] - truth.boxes_px[:, :2], axis=1) for truth in whole])
    assert shares.max() == 1
    assert 0 < shares.min() < 1
    np.testing.assert_allclose(areas / areas.max(), shares, rtol=1e-6)


def test_seed_alone_chooses_the_scene() -> None:
    one, same, other = scene_of(NAME), scene_of(NAME), scene_of(NAME.replace("seed=4", "seed=5"))
    np.testing.assert_array_equal(one.picture(7), same.picture(7))
    assert (one.picture(7) != other.picture(7)).any()


def test_paced_scene_is_a_camera() -> None:
    name = NAME.replace("fps=10", "fps=50") + "&paced=1"
    started_s = time.monotonic()
    with open_source(name, policy="all") as source:
        frames = list(source)
    assert time.monotonic() - started_s >= 59 / 50
    assert [frame.index for frame in frames] == list(range(60))
    assert {frame.capture_clock for frame in frames} == {"driver"}
    taken_s = [frame.captured_s or 0.0 for frame in frames]
    assert np.diff(taken_s).min() >= 0.019
    np.testing.assert_array_equal(frames[9].image, scene_of(name).picture(9))


def test_another_source_has_no_scene() -> None:
    with pytest.raises(InputError, match=r"clip\.mp4: expected a source like synthetic://\?objects=5, got another\."):
        scene_of("clip.mp4")

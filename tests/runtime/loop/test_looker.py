"""What is held while a scene does not move, and what is found in the parts of frames."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from singleshot.runtime.detection.tiles import Tiles
from singleshot.runtime.loop.camera import Camera
from singleshot.runtime.loop.pipeline import Pipeline
from singleshot.runtime.session import Session, open_session
from singleshot.runtime.sinks.sink import Sink
from singleshot.runtime.sources.frame import Frame
from singleshot.tests.fixtures.cameras import GivenSession, GivenSource, KeptResults

STEP_S = 1 / 25
LEARNT, HELD_FOR = 8, 50
"""Frames until the noise is known, and of two seconds."""


def camera(source: GivenSource, *sinks: Sink, tiles: Tiles | None = None, skips_still: bool = False) -> Camera:
    thresholds = [np.zeros(4, np.float32)]
    return Camera(
        name=source.name, source=source, thresholds=thresholds, sinks=sinks, tiles=tiles, skips_still=skips_still
    )


class DrawnResults(KeptResults):
    needs_drawing = True


@pytest.mark.parametrize("streams", [1, 3], ids=["one after the other", "several at the same time"])
def test_a_still_scene_keeps_what_was_found(streams: int) -> None:
    """The brightness of the whole picture is no movement; the answer's score says whose it is."""
    kept = KeptResults()
    session = GivenSession(streams=streams)
    summary = Pipeline([camera(GivenSource("a", 250), kept, skips_still=True)], [session]).run()
    assert kept.indices == list(range(250))
    looked = [result.frame.index for result in kept.results if not result.held]
    assert looked == [*range(LEARNT), *range(LEARNT - 1 + HELD_FOR, 250, HELD_FOR)]
    assert len(session.batches) == len(looked) == 250 - summary.cameras[0].held
    for result in kept.results:
        seen = max(index for index in looked if index <= result.frame.index)
        assert round(255 * float(result.found.scores[0])) == seen


def test_what_is_held_is_marked_in_the_picture() -> None:
    kept = DrawnResults()
    Pipeline([camera(GivenSource("a", 20), kept, skips_still=True)], [GivenSession()]).run()
    drawn = [result.drawn for result in kept.results if result.drawn is not None]
    assert len(drawn) == 20
    assert [result.held for result in kept.results] == [False] * LEARNT + [True] * (20 - LEARNT)
    is_bright = [bool((picture[8:] == 255).any()) for picture in drawn]  # letters of a panel in the lower corner
    assert is_bright[LEARNT:] == [not bright for bright in is_bright[:1]] * (20 - LEARNT)


@pytest.mark.parametrize(
    ("draws", "stages"),
    [
        pytest.param([True] * 21, ["taken", "found", "drawn"], id="always"),
        pytest.param([False, *[True, False] * 10], ["taken", "found"], id="now and then, as for a live page"),
    ],
)
def test_what_is_drawn_now_and_then_has_no_age_as_drawn(draws: list[bool], stages: list[str]) -> None:
    """Its last ages would stand for ever, and with them a broken promise."""

    class Drawn(KeptResults):
        asked = iter(draws)

        @property
        def needs_drawing(self) -> bool:
            return next(self.asked)

    kept = Drawn()
    Pipeline([camera(GivenSource("a", 20, policy="latest", every_s=0.005), kept)], [GivenSession()]).run()
    assert [result.drawn is not None for result in kept.results] == draws[1 : len(kept.results) + 1]
    assert all([*result.ages_ms] == stages for result in kept.results)


def test_cameras_hold_each_their_own() -> None:
    kept = [KeptResults(), KeptResults()]
    cameras = [
        camera(GivenSource("still", 60), kept[0], skips_still=True),
        camera(GivenSource("every", 60), kept[1]),
    ]
    of_still, of_every = Pipeline(cameras, [GivenSession(batch=2)]).run().cameras
    assert of_still.held > 40
    assert of_every.held == 0


def test_an_error_reaches_whoever_waits_for_what_is_held() -> None:
    numbers = count()

    def fail(_value: int) -> float:
        if next(numbers) == LEARNT:
            raise ZeroDivisionError
        return 0.01

    pipeline = Pipeline([camera(GivenSource("a", 250), skips_still=True)], [GivenSession(streams=4, seconds=fail)])
    with pytest.raises(ZeroDivisionError):
        pipeline.run()


class Scenes(GivenSource):
    """Shows a bright lower left quarter of the lower left of 2x2 parts."""

    def __iter__(self) -> Iterator[Frame]:
        image: NDArray[np.uint8] = np.zeros((128, 128, 3), np.uint8)
        image[92:, :36] = 250
        for index in range(self.length):
            yield Frame(image=image, index=index, time_s=index * STEP_S, source=self.name)


def test_parts_of_frames_are_looked_at(graphs: Path) -> None:
    kept = {name: KeptResults() for name in ("parts", "whole")}
    with open_session(graphs / "quarters.onnx") as session:
        cameras = [
            camera(Scenes("parts", 5), kept["parts"], tiles=Tiles(columns=2, rows=2)),
            camera(Scenes("whole", 5), kept["whole"]),
        ]
        Pipeline(cameras, [session]).run()
    for result in kept["parts"].results:
        box = result.found.boxes_xyxy_px(height=128, width=128)[0]  # type: ignore[union-attr]
        np.testing.assert_allclose(box, [9, 101, 27, 119], atol=1)
        assert result.found.scores[0] > 0.9
    assert all(result.found.scores.max(initial=0) < 0.5 for result in kept["whole"].results)


def test_parts_go_through_in_batches_that_the_session_likes() -> None:
    session = GivenSession(batch=4)
    Pipeline([camera(GivenSource("a", 3), tiles=Tiles(columns=2, rows=2))], [session]).run()
    assert set(session.batches) <= {4, 1, 2, 3}
    assert sum(session.batches) == 3 * 5


def test_a_fixed_batch_is_filled(graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_session(graphs / "quarters.onnx") as session:
        side = session.card.input.height
        frames = np.zeros((2, side, side, 3), np.uint8)
        frames[1, : side // 2, : side // 2] = 255
        expected = [found.class_ids.tolist() for found in session.run(frames)]
        monkeypatch.setattr(session, "_fixed_batch", 4)
        assert [found.class_ids.tolist() for found in session.run(frames)] == expected == [[], [0]]
        _is_refused(session, np.zeros((5, side, side, 3), np.uint8))
        _is_refused(session, frames[:0])


def _is_refused(session: Session, frames: NDArray[np.uint8]) -> None:
    from singleshot.runtime.errors import InputError

    with pytest.raises(InputError, match=r"frames: expected uint8 \[4, "):
        session.run(frames)

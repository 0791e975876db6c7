"""A detector is proved on pictures of its own kind where this machine has them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from singleshot.export.parity import own_frames
from singleshot.export.parity.own_frames import frames_remembered, frames_to_prove_on, remember_frames
from singleshot.runtime.card import Card, Origin
from singleshot.runtime.errors import InputError
from singleshot.tests.fixtures.small_detector import CARD, SIDE

FRAMES = np.arange(2 * SIDE * SIDE * 3, dtype=np.uint32).astype(np.uint8).reshape(2, SIDE, SIDE, 3)


def made_of(sha256: str, *ancestors: str) -> Card:
    return CARD.model_copy(update={"origin": Origin(parent_sha256=sha256, ancestors_sha256=ancestors)})


def test_what_a_checkpoint_validated_on_is_found_by_its_descendants() -> None:
    remember_frames("abc", FRAMES)
    for card in (made_of("abc"), made_of("graph", "abc")):
        frames, said = frames_to_prove_on(card, None)
        assert said == "2 frames that it was validated on"
        assert [frame.index for frame in frames] == [0, 1]
        assert np.array_equal(frames[1].image, FRAMES[1])
    assert frames_remembered(made_of("other")) is None


def test_frames_of_another_size_are_not_taken() -> None:
    remember_frames("abc", FRAMES[:, : SIDE // 2])
    assert frames_remembered(made_of("abc")) is None


def test_otherwise_the_clip_or_generated_patterns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert frames_to_prove_on(made_of("other"), None)[1] == "16 frames of dog.mp4"
    monkeypatch.setattr(own_frames, "CLIP", tmp_path / "none.mp4")
    frames, said = frames_to_prove_on(made_of("other"), None)
    assert (len(frames), said) == (4, "4 generated patterns")


def test_what_is_given_goes_before(dog_clip: Path, tmp_path: Path) -> None:
    remember_frames("abc", FRAMES)
    assert frames_to_prove_on(made_of("abc"), dog_clip)[1] == "16 frames of dog.mp4"
    with pytest.raises(InputError, match=r"none\.mp4"):
        frames_to_prove_on(made_of("abc"), tmp_path / "none.mp4")


def test_the_oldest_go(monkeypatch: pytest.MonkeyPatch, own_folders: Path) -> None:
    monkeypatch.setattr(own_frames, "MOST_KEPT", 2)
    folder = own_folders / "cache" / "singleshot" / "frames"
    for number, name in enumerate(("first", "second", "third")):
        remember_frames(name, FRAMES)
        os.utime(folder / f"{name}.npz", (number, number))
    remember_frames("fourth", FRAMES)
    assert {path.stem for path in folder.iterdir()} == {"third", "fourth"}


def test_a_cache_that_cannot_be_written_or_read_is_none(own_folders: Path) -> None:
    (own_folders / "cache").write_text("in the way")
    remember_frames("abc", FRAMES)
    assert frames_remembered(made_of("abc")) is None


def test_nothing_is_not_kept(own_folders: Path) -> None:
    remember_frames("abc", FRAMES[:0])
    assert not (own_folders / "cache").exists()

"""Frames that a graph is proved on, from a folder of photos as people have them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.export.parity.proof_frames import frames_of_folder
from singleshot.runtime.card import InputSpec
from singleshot.runtime.errors import InputError

SPEC = InputSpec(height=8, width=8, resize="stretch", colour="rgb", mean=(0, 0, 0), std=(1, 1, 1))


def test_photos_in_folders_and_none_that_a_system_hides(tmp_path: Path) -> None:
    for at, name in enumerate(("b/1.png", "a.JPG", "b/c/2.png")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.full((8, 8, 3), 50 * at, np.uint8))
    (tmp_path / "._a.JPG").write_bytes(b"Mac OS X")
    assert len(frames_of_folder(tmp_path, SPEC)) == 3
    assert len(frames_of_folder(tmp_path, SPEC, most=2)) == 2


def test_no_photos(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected images .*, got none"):
        frames_of_folder(tmp_path, SPEC)

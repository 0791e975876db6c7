"""Frames of a detector's own kind, kept for this user by what the detector was made from.

A proof on pictures in which a detector finds nothing says little. What a checkpoint validated on, or an adapted
detector was proved on, is kept in the user's cache folder, so that later steps on this machine find it. It never
travels with a graph: pictures may be private.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...runtime.card import Card
from ...runtime.errors import InputError
from ...runtime.files import StrPath, cache_folder, whole_file
from ...runtime.generated_frames import generated_frames
from ...runtime.shipped import CLIP
from ...runtime.sources.frame import Frame
from .proof_frames import PROOF_FRAMES
from .verify import sampled_frames

MOST_KEPT = 100
"""Detectors whose frames are kept, the newest; 16 frames of 300 x 300 take about 2 MB."""


def remember_frames(parent_sha256: str, frames: NDArray[np.uint8]) -> None:
    """Keep frames for whatever is made of a checkpoint or a foreign detector.

    A cache that cannot be written is no reason to fail: nothing is kept then.

    Args:
        parent_sha256: of the file.
        frames: [n, H, W, 3] uint8 BGR, fitted to the input.
    """
    if not len(frames):
        return
    try:
        folder = cache_folder("frames")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with whole_file(folder / f"{parent_sha256}.npz") as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, frames=frames)
        kept = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in kept[MOST_KEPT:]:
            path.unlink(missing_ok=True)
    except (OSError, InputError):
        return


def frames_remembered(card: Card) -> NDArray[np.uint8] | None:
    """Find the frames of what a graph or an engine was made from: [n, H, W, 3] uint8 BGR; None where there are none."""
    spec = card.input
    for sha256 in (card.origin.parent_sha256, *card.origin.ancestors_sha256):
        try:
            with np.load(cache_folder("frames") / f"{sha256}.npz") as content:
                frames: NDArray[np.uint8] = content["frames"]
        except (OSError, ValueError, KeyError):
            continue
        if frames.ndim == 4 and frames.shape[1:] == (spec.height, spec.width, 3) and len(frames):
            return frames
    return None


def frames_to_prove_on(card: Card, given: StrPath | None) -> tuple[list[Frame], str]:
    """Choose what a conversion is proved on: what was given, else what the detector was validated on, else the clip.

    Args:
        card: of the artefact.
        given: a video, an image, a folder or a glob of images; None leaves the choice here.

    Returns:
        The frames, and what they are, for cards and messages.

    Raises:
        InputError: what was given cannot be used.
    """
    if given is not None:
        frames, _ = sampled_frames(given, PROOF_FRAMES)
        return frames, f"{len(frames)} frames of {Path(given).name}"
    images = frames_remembered(card)
    if images is not None:
        images, said = images[:PROOF_FRAMES], "frames that it was validated on"
    elif CLIP.is_file():
        frames, _ = sampled_frames(CLIP, PROOF_FRAMES)
        return frames, f"{len(frames)} frames of {CLIP.name}"
    else:
        images, said = generated_frames(card.input), "generated patterns"
    said = f"{len(images)} {said}"
    return [Frame(image=image, index=index, time_s=0.0, source=said) for index, image in enumerate(images)], said

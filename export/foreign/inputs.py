"""What a third-party detector's input is, frames brought to it, and what it answers to them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...runtime.card import InputSpec, Resize
from ...runtime.detection.letterbox import fit_frame
from ...runtime.errors import InputError
from ...runtime.files import StrPath
from ...runtime.generated_frames import generated_frames
from ...runtime.shipped import CLIP
from ...runtime.sources.open_source import open_source
from ..parity.proof_frames import frames_of_folder
from .graph import ForeignGraph, Outputs
from .rows import Rows, nothing_found, rows_of

Colour = Literal["rgb", "bgr"]
Three = tuple[float, float, float]

_CLIP_FRAMES = (0, 40, 10)
"""Of the clip: from, to, every."""


@dataclass(frozen=True, kw_only=True)
class ForeignInput:
    """What the user says of a foreign detector's input, or what is usual of one; None where nothing is said.

    Args:
        colour: channel order that it expects.
        mean: per channel in that order, on the 0..255 scale; with no number above 1, on the 0..1 scale.
        std: in the same order and scale; the graph computes (x - mean) / std.
        resize: how frames are fitted to it.
        size: height and width in pixels, where the graph leaves them open and its metadata do not say.
    """

    colour: Colour | None = None
    mean: Three | None = None
    std: Three | None = None
    resize: Resize | None = None
    size: tuple[int, int] | None = None


def input_spec(
    foreign: ForeignGraph, given: ForeignInput, guesses: list[str], *, usual: ForeignInput | None = None, of: str = ""
) -> InputSpec:
    """Complete what the user says of the input.

    Args:
        foreign: the detector.
        given: what is law.
        guesses: a line is added for what is not the default.
        usual: of detectors of this kind.
        of: which kind that is, and what shows it.

    Raises:
        InputError: the network scales inside, and is told another scale.
    """
    usual = usual or ForeignInput()
    texts = {"colour": "--input {}", "mean": "--mean {}", "std": "--std {}", "resize": "{}"}
    fills = {name: getattr(usual, name) for name in texts if getattr(given, name) is None and getattr(usual, name)}
    if foreign.input_type is np.uint8:
        fills = {name: value for name, value in fills.items() if name not in ("mean", "std")}
    said = [texts[name].format(_option_text(value)) for name, value in fills.items()]
    guesses += [f"{' '.join(said)}: {of}"] if said else []
    mean, std = given.mean or fills.get("mean") or (0, 0, 0), given.std or fills.get("std") or (255, 255, 255)
    if given.mean is not None and any(given.mean) and max(*map(abs, mean), *(given.std or (0,))) <= 1:
        mean, std = _on_255(mean), _on_255(given.std) if given.std else std
        guesses.append(f"--mean, --std: on the 0..1 scale, as none is above 1; {mean} and {std} on 0..255")
    if foreign.input_type is np.uint8:
        if (mean, std) not in (((0, 0, 0), (255, 255, 255)), ((0, 0, 0), (1, 1, 1))):
            raise InputError(
                f"--mean, --std: expected none, as {foreign.path} takes uint8 and scales inside, got {mean} and {std}."
            )
        mean, std = (0, 0, 0), (1, 1, 1)
    return InputSpec(
        height=foreign.height,
        width=foreign.width,
        resize=given.resize or fills.get("resize") or "stretch",
        colour=given.colour or fills.get("colour") or "rgb",
        mean=mean,
        std=std,
    )


def fitted_frames(spec: InputSpec, images: StrPath | None, *, most: int) -> tuple[NDArray[np.uint8], str]:
    """Fit frames to look at: [n, H, W, 3] uint8 BGR, and what they are.

    Args:
        spec: of the input.
        images: folder of real ones; frames of the shipped clip where there is one, and patterns, if not given.
        most: of the folder.

    Raises:
        InputError: the folder or an image in it cannot be read.
    """
    if images is not None:
        frames = frames_of_folder(images, spec, most=most)
        return frames, f"{len(frames)} images of {images}"
    frames = generated_frames(spec)
    if not CLIP.is_file():
        return frames, "generated patterns; --images gives real ones"
    with open_source(CLIP) as source:
        fitted = np.stack([fit_frame(frame.image, spec) for frame in islice(source, *_CLIP_FRAMES)])
    return np.concatenate([fitted, frames]), f"{len(fitted)} frames of {CLIP.name} and {len(frames)} patterns"


def images_from_frames(foreign: ForeignGraph, spec: InputSpec, frames: NDArray[np.uint8]) -> NDArray[Any]:
    """Prepare frames as the foreign network expects them, in numpy.

    Args:
        foreign: the detector.
        spec: of its input.
        frames: [n, H, W, 3] uint8, BGR.

    Returns:
        [n, 3, H, W] or [n, H, W, 3] of the input's type.
    """
    images = frames.astype(np.float32)
    if spec.colour == "rgb":
        images = images[..., ::-1]
    images = np.divide(images - np.array(spec.mean, np.float32), np.array(spec.std, np.float32), dtype=np.float32)
    if not foreign.channels_last:
        images = images.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(images).astype(foreign.input_type)


def run_frames(foreign: ForeignGraph, spec: InputSpec, frames: NDArray[np.uint8]) -> tuple[Outputs, dict[str, Rows]]:
    """Run the foreign graph frame by frame; outputs that are no lists of rows stay as the first frame gave them.

    Args:
        foreign: the detector.
        spec: of its input.
        frames: [n, H, W, 3] uint8, BGR.

    Returns:
        Outputs by name, and of those that are lists of rows how they became [n, rows, columns].

    Raises:
        InputError: ONNX Runtime cannot load or run the graph, or nothing is found in any of the frames.
    """
    run = foreign.open()
    results = [
        # A sum over float16 pixels overflows.
        {name: value.astype(np.float32) if value.dtype == np.float16 else value for name, value in answers.items()}
        for answers in (run(images_from_frames(foreign, spec, frame[None])) for frame in frames)
    ]
    empty = {name for name in results[0] if not any(result[name].size for result in results)}
    if empty == set(results[0]):
        raise nothing_found()
    joined: Outputs = {}
    rows: dict[str, Rows] = {}
    for name, first in results[0].items():
        if name in empty:
            continue
        values = [result[name] for result in results]
        how = rows_of(values)
        if how is None and all(value.shape == first.shape and value.ndim > 3 and len(value) == 1 for value in values):
            joined[name] = np.concatenate(values)
            continue
        if how is not None:
            rows[name] = how
            joined[name] = np.concatenate([how.of(value) for value in values])
        else:
            joined[name] = first
    return joined, rows


def _on_255(values: Three) -> Three:
    first, second, third = (round(255 * value, 6) for value in values)
    return first, second, third


def _option_text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(f"{number:g}" for number in (value if len(set(value)) > 1 else value[:1]))
    return {"letterbox": "--letterbox", "letterbox-top-left": "--top-left", "stretch": "--stretch"}.get(
        str(value), str(value)
    )

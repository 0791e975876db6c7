"""`singleshot adapt`: a third-party detector becomes a graph like our own."""

from __future__ import annotations

import json
import math
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from ...runtime.errors import InputError
from ..terminal.exits import exit_codes

if TYPE_CHECKING:
    from rich.console import Console

    from ...export.foreign.adapt import Adaptation, ForeignInput
    from ...export.foreign.guess import Told
    from ...export.foreign.reading import Activation, Layout

_NONE = "none"


class _Layout(str, Enum):
    xyxy = "xyxy"
    yxyx = "yxyx"
    cxcywh = "cxcywh"


class _YesNo(str, Enum):
    yes = "yes"
    no = "no"


class _Activation(str, Enum):
    none = _NONE
    sigmoid = "sigmoid"
    softmax = "softmax"


class _Colour(str, Enum):
    rgb = "rgb"
    bgr = "bgr"


_Foreign = Annotated[Path, typer.Argument(metavar="FOREIGN.onnx", help="A detector that ends before suppression.")]
_Out = Annotated[Path, typer.Option("--out", "-o", metavar="FILE.onnx", help="The graph.")]
_Boxes = Annotated[str | None, typer.Option(metavar="NAME", help="Output of boxes, or columns: 'output[0:4]'.")]
_Scores = Annotated[
    str | None, typer.Option(metavar="NAME", help="Output of class scores, or columns: 'output[5:85]'.")
]
_Objectness = Annotated[str | None, typer.Option(metavar="NAME", help="Column that multiplies scores: 'output[4:5]'.")]
_Fractions = Annotated[_YesNo | None, typer.Option(help="Boxes are fractions of the input; else pixels of it.")]
_Active = Annotated[_Activation | None, typer.Option(help="What is still to be applied to the scores.")]
_Background = Annotated[str | None, typer.Option(metavar="COLUMN|none", help="Of the scores, counted from 0.")]
_Strides = Annotated[
    str | None, typer.Option(metavar="8,16,32|none", help="Of boxes left undecoded in grid cells, as YOLOX's are.")
]
_Input = Annotated[_Colour, typer.Option("--input", help="Channel order that the network expects.")]
_Mean = Annotated[str, typer.Option(metavar="M[,M,M]", help="Subtracted, on the 0..255 scale, in that order.")]
_Std = Annotated[str, typer.Option(metavar="S[,S,S]", help="Divided by, on the 0..255 scale, in that order.")]
_Letterbox = Annotated[bool, typer.Option("--letterbox", help="Fit frames with bars instead of stretching them.")]
_Height = Annotated[int | None, typer.Option(min=1, help="Of the input in pixels, where the graph leaves it open.")]
_Width = Annotated[int | None, typer.Option(min=1, help="Likewise.")]
_Names = Annotated[Path | None, typer.Option(metavar="FILE", help="Class names without the background, one a line.")]
_Images = Annotated[Path | None, typer.Option(metavar="DIR", help="Real images for the proof; patterns if not given.")]


def adapt(
    foreign: _Foreign,
    out: _Out,
    boxes: _Boxes = None,
    scores: _Scores = None,
    objectness: _Objectness = None,
    layout: Annotated[_Layout | None, typer.Option(help="Of the boxes.")] = None,
    normalised: _Fractions = None,
    activation: _Active = None,
    background: _Background = None,
    strides: _Strides = None,
    colour: _Input = _Colour.rgb,
    mean: _Mean = "0",
    std: _Std = "255",
    letterbox: _Letterbox = False,
    height: _Height = None,
    width: _Width = None,
    names: _Names = None,
    images: _Images = None,
    candidates: Annotated[int, typer.Option(min=1, help="K: pairs of box and class that enter suppression.")] = 1000,
    max_detections: Annotated[int, typer.Option(min=1, help="M: detections that leave it.")] = 100,
    score_floor: Annotated[float, typer.Option(min=0, max=1, help="Nothing below this score leaves the graph.")] = 0.01,
    iou_threshold: Annotated[float, typer.Option(min=0, max=1, help="Overlap that suppresses.")] = 0.45,
    as_json: Annotated[bool, typer.Option("--json", help="Print the reading and the figures as JSON.")] = False,
) -> None:
    """Fold preprocessing, suppression and a card into a detector that others made.

    What is not said of its outputs is guessed where they show it, and each guess is printed. The adapted graph is
    held against the foreign one first: where they differ, nothing is written and the exit code is 1.

    Example: singleshot adapt yolox_nano.onnx --input bgr --std 1 --letterbox --names coco.txt -o yolox.onnx
    """
    from rich.console import Console

    talk = Console(stderr=True)
    with exit_codes(), talk.status("Adapting, then comparing with the foreign graph"):
        from ...runtime.require import require

        require("onnx", extra="export", why="an adaptation")
        from ...export.foreign.adapt import adapt_detector
        from ...runtime.card import Postprocess

        told = _told((boxes, scores, objectness), layout, normalised, activation, background, strides)
        foreign_input = _foreign_input(colour, (mean, std), letterbox, (height, width))
        postprocess = Postprocess(
            candidates=candidates, max_detections=max_detections, score_floor=score_floor, iou_threshold=iou_threshold
        )
        written = adapt_detector(
            foreign,
            out,
            told=told,
            foreign_input=foreign_input,
            names_path=names,
            postprocess=postprocess,
            images=images,
        )
    _print(written, foreign, talk, as_json=as_json)


def _told(
    outputs: tuple[str | None, str | None, str | None],
    layout: _Layout | None,
    normalised: _YesNo | None,
    activation: _Activation | None,
    background: str | None,
    strides: str | None,
) -> Told:
    from ...export.foreign.guess import Told

    boxes, scores, objectness = outputs
    return Told(
        boxes=boxes,
        scores=scores,
        objectness=objectness,
        layout=cast("Layout | None", layout and layout.value),
        normalised=None if normalised is None else normalised is _YesNo.yes,
        activation=cast("Activation | None", activation and activation.value),
        background=_background(background),
        strides=_strides(strides),
    )


def _foreign_input(
    colour: _Colour, mean_std: tuple[str, str], letterbox: bool, input_hw: tuple[int | None, int | None]
) -> ForeignInput:
    from ...export.foreign.adapt import ForeignInput

    return ForeignInput(
        colour=colour.value,
        mean=_three("--mean", mean_std[0]),
        std=_three("--std", mean_std[1]),
        resize="letterbox" if letterbox else "stretch",
        height=input_hw[0],
        width=input_hw[1],
    )


def _background(text: str | None) -> int | Literal["none"] | None:
    if text is None or text == _NONE:
        return cast("Literal['none'] | None", text)
    if not text.isdecimal():
        raise InputError(f"--background: expected a column counted from 0, or none, got {text!r}.")
    return int(text)


def _strides(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    if text == _NONE:
        return ()
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) for part in parts):
        raise InputError(f"--strides: expected pixels per cell such as 8,16,32, or none, got {text!r}.")
    return tuple(map(int, parts))


def _three(flag: str, text: str) -> tuple[float, float, float]:
    """Read one number for all channels, or three."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, 3) or not all(map(math.isfinite, values)) or (flag == "--std" and min(values) <= 0):
        above = " above 0" if flag == "--std" else ""
        raise InputError(f"{flag}: expected one number{above} or three with commas between, got {text!r}.")
    first, second, third = values * (3 // len(values))
    return first, second, third


def _print(written: Adaptation, foreign: Path, talk: Console, *, as_json: bool) -> None:
    for guess in written.guesses:
        talk.print(f"guessed {guess}", highlight=False, markup=False, soft_wrap=True)
    if as_json:
        print(json.dumps(_to_dict(written), indent=1))
        return
    for line in written.lines():
        talk.print(line, highlight=False, markup=False, soft_wrap=True)
    print(f"{written.path}: {written.path.stat().st_size / 1e6:.1f} MB, equal to {foreign}")


def _to_dict(written: Adaptation) -> dict[str, Any]:
    return {
        "graph": str(written.path),
        "class_names": written.card.class_names,
        "input": written.card.input.model_dump(),
        "reading": written.reading.settings(),
        "guesses": written.guesses,
        "parity": written.parity.to_dict(),
    }

"""`singleshot adapt`: a third-party detector becomes a graph like our own."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from ...runtime.errors import InputError
from ..terminal.stage_progress import tell
from ..terminal.verb import verb

if TYPE_CHECKING:
    from ...export.foreign.adapt import Adaptation
    from ...export.foreign.inputs import ForeignInput
    from ...export.foreign.told import Told
    from ...runtime.card import Resize

_NONE = "none"


@dataclass(frozen=True, kw_only=True)
class AdaptOptions:
    """What `adapt` is told."""

    foreign: Annotated[Path, typer.Argument(metavar="FOREIGN.onnx", help="A detector.")]
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE.onnx", help="The graph.")] = None
    suggest: Annotated[bool, typer.Option("--suggest", help="List tensors that may be boxes and scores instead.")] = (
        False
    )
    boxes: Annotated[str | None, typer.Option(metavar="NAME", help="Output of boxes, or columns: 'output[0:4]'.")] = (
        None
    )
    scores: Annotated[
        str | None, typer.Option(metavar="NAME", help="Output of class scores, or columns: 'output[5:85]'.")
    ] = None
    objectness: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column that multiplies scores: 'output[4:5]'.")
    ] = None
    class_ids: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Column of class ids, where each box has one score: 'output[5:6]'."),
    ] = None
    layout: Annotated[Literal["xyxy", "yxyx", "cxcywh"] | None, typer.Option(help="Of the boxes.")] = None
    normalised: Annotated[
        Literal["yes", "no"] | None, typer.Option(help="Boxes are fractions of the input; else pixels of it.")
    ] = None
    activation: Annotated[
        Literal["none", "sigmoid", "softmax"] | None, typer.Option(help="What is still to be applied to the scores.")
    ] = None
    background: Annotated[str | None, typer.Option(metavar="COLUMN|none", help="Of the scores, counted from 0.")] = None
    decode: Annotated[
        str | None,
        typer.Option(metavar="SCHEME|FILE|none", help="Of boxes left undecoded: yolox, retinanet, … or anchors."),
    ] = None
    strides: Annotated[
        str | None, typer.Option(metavar="8,16,32|none", help="Of the levels of such boxes, where they are others.")
    ] = None
    colour: Annotated[
        Literal["rgb", "bgr"] | None,
        typer.Option("--input", help="Channel order that the network expects; rgb, or as is usual of its kind."),
    ] = None
    mean: Annotated[
        str | None, typer.Option(metavar="M[,M,M]", help="Subtracted, in that order, on the 0..255 scale or 0..1; 0.")
    ] = None
    std: Annotated[
        str | None, typer.Option(metavar="S[,S,S]", help="Divided by, in that order, on the scale of the mean; 255.")
    ] = None
    letterbox: Annotated[
        bool | None,
        typer.Option("--letterbox/--stretch", help="Fit frames with bars; as the file's exporter does if not given."),
    ] = None
    top_left: Annotated[bool, typer.Option("--top-left", help="With bars at the right and bottom alone.")] = False
    size: Annotated[
        str | None,
        typer.Option(metavar="HEIGHTxWIDTH", help="Of the input in pixels, where the graph leaves it open."),
    ] = None
    names: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Class names without the background, one a line.")
    ] = None
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Real images for the proof; patterns if not given.")
    ] = None
    candidates: Annotated[
        int | None, typer.Option(min=1, help="K: pairs of box and class that enter suppression; 1000 at most.")
    ] = None
    max_detections: Annotated[
        int | None, typer.Option(min=1, help="M: detections that leave it; 100, or as many as a final detector gives.")
    ] = None
    score_floor: Annotated[float, typer.Option(min=0, max=1, help="Nothing below this score leaves the graph.")] = 0.01
    iou_threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Overlap that suppresses; 0.45, or none of final detections.")
    ] = None
    class_agnostic: Annotated[
        bool, typer.Option("--class-agnostic", help="A detection suppresses those of other classes, too.")
    ] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print the reading and the figures as JSON.")] = False


@verb
def adapt(options: AdaptOptions) -> None:
    """Fold preprocessing, suppression and a card into a detector that others made.

    What is not said of its outputs is guessed where they show it, and each guess is printed. The adapted graph is
    held against the foreign one first: where they differ, nothing is written and the exit code is 1.

    Examples:
      singleshot adapt yolox_nano.onnx --names coco.txt -o yolox.onnx

      singleshot adapt yolov7_end2end.onnx --suggest
    """
    from rich.console import Console

    from ...runtime.require import require

    require("onnx", extra="export", why="an adaptation")
    if options.suggest:
        _suggest(options)
        return
    if options.out is None:
        raise InputError("--out: expected a file for the graph, got nothing. Give -o FILE.onnx, or --suggest.")
    from ...export.foreign.adapt import adapt_detector
    from ...runtime.card import postprocess_settings

    settings = {
        "candidates": options.candidates,
        "max_detections": options.max_detections,
        "score_floor": options.score_floor,
        "iou_threshold": options.iou_threshold,
        "class_agnostic": options.class_agnostic,
    }
    # What is not said is for the detector to decide.
    postprocess = postprocess_settings(**{name: value for name, value in settings.items() if value is not None})
    with Console(stderr=True).status("Adapting, then comparing with the foreign graph"):
        written = adapt_detector(
            options.foreign,
            options.out,
            told=_told(options),
            foreign_input=_foreign_input(options),
            names_path=options.names,
            postprocess=postprocess,
            images=options.images,
        )
    tell(*(f"guessed {guess}" for guess in written.guesses))
    if options.as_json:
        print(json.dumps(_to_dict(written), indent=1))
        return
    tell(*written.lines())
    if options.images is None:
        tell("NOT shown: that it finds its objects. --images DIR, pictures of them, shows it")
    print(f"{written.path}: {written.path.stat().st_size / 1e6:.1f} MB, equal to {options.foreign}")


def _suggest(options: AdaptOptions) -> None:
    from ...export.foreign.suggest import suggest_tensors

    found = suggest_tensors(options.foreign, foreign_input=_foreign_input(options), images=options.images)
    if options.as_json:
        print(json.dumps(found.to_dict(), indent=1))
        return
    tell(*(f"guessed {guess}" for guess in found.guesses))
    print("\n".join(found.lines()))


def _told(options: AdaptOptions) -> Told:
    from ...export.foreign.told import Told

    return Told(
        boxes=options.boxes,
        scores=options.scores,
        objectness=options.objectness,
        layout=options.layout,
        normalised=None if options.normalised is None else options.normalised == "yes",
        activation=options.activation,
        background=_background(options.background),
        strides=_strides(options.strides),
        decode=options.decode,
        class_ids=options.class_ids,
    )


def _foreign_input(options: AdaptOptions) -> ForeignInput:
    from ...export.foreign.inputs import ForeignInput

    return ForeignInput(
        colour=options.colour,
        mean=_three("--mean", options.mean),
        std=_three("--std", options.std),
        resize=_resize(options),
        size=_size(options.size),
    )


def _resize(options: AdaptOptions) -> Resize | None:
    if options.top_left:
        if options.letterbox is False:
            raise InputError("--top-left: expected without --stretch, which leaves no bars, got both.")
        return "letterbox-top-left"
    return None if options.letterbox is None else "letterbox" if options.letterbox else "stretch"


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    sides = text.split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise InputError(f"--size: expected pixels such as 640 or 480x640 (height x width), got {text!r}.")
    return int(sides[0]), int(sides[-1])


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


def _three(flag: str, text: str | None) -> tuple[float, float, float] | None:
    """Read one number for all channels, or three."""
    if text is None:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, 3) or not all(map(math.isfinite, values)) or (flag == "--std" and min(values) <= 0):
        above = " above 0" if flag == "--std" else ""
        raise InputError(f"{flag}: expected one number{above} or three with commas between, got {text!r}.")
    first, second, third = values * (3 // len(values))
    return first, second, third


def _to_dict(written: Adaptation) -> dict[str, Any]:
    return {
        "graph": str(written.path),
        "class_names": written.card.class_names,
        "input": written.card.input.model_dump(),
        "reading": written.reading.settings(),
        "guesses": written.guesses,
        "parity": written.parity.to_dict(),
    }

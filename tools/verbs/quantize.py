"""`singleshot quantize`: from a float32 graph to one of 8 or 16 bits."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ...runtime.errors import InputError
from ...runtime.files import check_can_write
from ...runtime.precision import Precision
from ..terminal.data_options import AnywayFlag, BackgroundFlag
from ..terminal.stage_progress import stage_progress, tell
from ..terminal.verb import verb

if TYPE_CHECKING:
    from ...export.gate.judge import GateSettings
    from ...export.gate.result import GateResult
    from ...export.quantize.calibrated import QuantizationSettings
    from ...export.quantize.quantize import Quantized
    from ...runtime.progress import Progress


@dataclass(frozen=True, kw_only=True)
class QuantizeOptions:
    """What `quantize` is told."""

    graph: Annotated[Path, typer.Argument(metavar="GRAPH.onnx", help="Float32, of `singleshot export` or `adapt`.")]
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR|VIDEO", help="What the network will see: photos, sub-folders included, or a video."),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE.onnx", help="The graph.", show_default="GRAPH.int8.onnx, GRAPH.fp16.onnx"
        ),
    ] = None
    method: Annotated[
        Literal["minmax", "percentile", "entropy", "mse", "auto"],
        typer.Option(help="How a range follows from the values seen; auto tries all and compares answers."),
    ] = "auto"
    count: Annotated[int, typer.Option(min=1, help="Images to calibrate on.")] = 256
    seed: Annotated[int, typer.Option(help="Of the choice of images.")] = 0
    fp16: Annotated[
        bool, typer.Option("--fp16", help="Compute in float16 what is not int8; without --images, all.")
    ] = False
    weight_range: Annotated[
        Literal["full", "half", "auto"],
        typer.Option(help="half: weights of 7 bits, for x86 processors before VNNI; auto: half where this is one."),
    ] = "auto"
    table: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Reuse the ranges of an earlier run.")] = None
    save_table: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Keep the ranges.")] = None
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Labelled images: the accuracy gate decides what is written.")
    ] = None
    max_drop: Annotated[
        float | None,
        typer.Option(
            help="Points of AP50:95 (a classifier: of top-1) that may be lost.", show_default="0.5 with --data"
        ),
    ] = None
    split: Annotated[str | None, typer.Option(help="Of the labelled images.", show_default="val with --data")] = None
    gate_images: Annotated[
        int | None, typer.Option(help="Labelled images at most.", show_default="2000 with --data")
    ] = None
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse, too, where the labelled images cannot tell --max-drop apart.")
    ] = False
    missing_is_background: BackgroundFlag = False
    anyway: AnywayFlag = False
    keep_float: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Blocks with this in their name are not made int8.")
    ] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False


@verb
def quantize(options: QuantizeOptions) -> None:
    """Quantize a graph's convolutions to int8, for TensorRT and OpenVINO alike.

    The images are chosen with a seed so that they differ as the network sees them; OUT.calibration.png shows them. The
    layers that give the scores stay in float, and so does post-processing. Labels are not needed, and without them
    accuracy is not measured.

    With --data every candidate is held against its parent on labelled images. Where int8 loses more than --max-drop,
    the most harmful blocks stay in float; OUT.gate.html shows what was tried, and where nothing will do, no graph is
    written (exit code 1). Where images are few, what they cannot tell is said, and written into the card. --data and
    --images may be one folder: no image both judges and calibrates.

    Examples:
      singleshot quantize animals.onnx --images photos/ -o animals.int8.onnx

      singleshot quantize animals.onnx --images clip.mp4 --method mse --count 128 --save-table ranges.json

      singleshot quantize animals.onnx --images photos/ --data VOC --split val --max-drop 0.5

      singleshot quantize animals.onnx --fp16
    """
    from ...runtime.require import require

    require("onnx", extra="export", why="quantization")
    gate = _gate_settings(options)
    if options.images is None:
        _check_fp16_alone(options)
    out = options.out or _usual_name(options.graph, Precision.FP16 if options.images is None else Precision.INT8)
    with stage_progress(is_logged=True) as on_progress:
        if options.data is None:
            made, result = _made(options, out, on_progress), None
        else:
            made, result = _made_within(options, out, options.data, gate, on_progress)
    if options.as_json:
        print(json.dumps(_to_dict(made, result), indent=1))
    if result is not None:
        tell(*result.lines(), f"what was tried and lost: {_page_of(out)}")
        result.check(out)
    if made is None:
        raise RuntimeError(f"{out}: accepted by the gate and not written")
    tell(*(f"warning: {warning}" for warning in made.warnings))
    if not options.as_json:
        print("\n".join(_lines_of(made, options.graph, is_gated=result is not None)))


def _gate_settings(options: QuantizeOptions) -> GateSettings:
    """Gather what the gate asks for; refuse what needs labelled images where there are none."""
    from ...export.gate.judge import GateSettings

    given = {"max_drop": options.max_drop, "split": options.split, "images": options.gate_images}
    wanted: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    flags = {
        "is_strict": options.strict,
        "missing_is_background": options.missing_is_background,
        "anyway": options.anyway,
    }
    wanted |= {name: True for name, is_set in flags.items() if is_set}
    if wanted and options.data is None:
        names = {"images": "--gate-images", "is_strict": "--strict"}
        first = next(iter(wanted))
        option = names.get(first, f"--{first.replace('_', '-')}")
        raise InputError(f"{option}: expected --data DIR with it, got none. Without labelled images nothing is judged.")
    return GateSettings(seed=options.seed, **wanted)  # type: ignore[arg-type]  # each of its own type


def _settings(options: QuantizeOptions) -> QuantizationSettings:
    from ...export.quantize.calibrated import QuantizationSettings

    return QuantizationSettings(
        method=options.method,
        count=options.count,
        seed=options.seed,
        fp16=options.fp16,
        keep_float=options.keep_float,
        weight_range=options.weight_range,
    )


def _usual_name(graph: Path, precision: Precision) -> Path:
    return graph.with_name(f"{graph.name.removesuffix('.onnx')}.{precision}.onnx")


def _made(options: QuantizeOptions, out: Path, on_progress: Progress) -> Quantized | None:
    """Quantize without labels."""
    from ...export.quantize.quantize import convert_to_fp16
    from ...export.quantize.quantize import quantize as quantize_graph

    if options.images is None:
        return convert_to_fp16(options.graph, out)
    return quantize_graph(
        options.graph,
        out,
        images=options.images,
        settings=_settings(options),
        table=options.table,
        save_table_to=options.save_table,
        on_progress=on_progress,
    )


def _made_within(
    options: QuantizeOptions, out: Path, data: Path, gate: GateSettings, on_progress: Progress
) -> tuple[Quantized | None, GateResult]:
    """Quantize by the gate's leave; its page is written in either case."""
    from ...export.graphs.graph_file import check_graph_name
    from ...export.quantize.gated import gate_fp16, gate_int8
    from ..pages.figure import check_figures
    from ..pages.gate_page import save_gate_page

    check_graph_name(out)
    check_can_write(_page_of(out))
    if options.save_table is not None:
        check_can_write(options.save_table)
    check_figures("the page about a gate")
    made: Quantized | None = None
    if options.images is None:
        result, made = gate_fp16(options.graph, out, data=data, gate_settings=gate, on_progress=on_progress)
    else:
        gated = gate_int8(
            options.graph,
            images=options.images,
            data=data,
            settings=_settings(options),
            gate_settings=gate,
            table=options.table,
            on_progress=on_progress,
        )
        result = gated.result
        if result.accepted is not None:
            made = gated.save(out, save_table_to=options.save_table)
    page = _page_of(out)
    save_gate_page(result, page, title=out.name)
    return None if made is None else replace(made, written=(*made.written, page)), result


def _page_of(out: Path) -> Path:
    return out.with_suffix(".gate.html")


def _to_dict(made: Quantized | None, result: GateResult | None) -> dict[str, Any]:
    written = {} if made is None else made.to_dict()
    return written if result is None else written | {"accuracy_measured": True, "gate": result.to_dict()}


def _lines_of(made: Quantized, parent: Path, *, is_gated: bool = False) -> list[str]:
    """Say what was written, how near it is, and what nobody measured."""
    every, quantized = made.convolutions
    before, after = parent.stat().st_size / 1e6, made.path.stat().st_size / 1e6
    apart = ", ".join(f"{name} {value:.3f}" for name, value in made.disagreement.items())
    lines = [f"{made.path}: {made.precision}, {after:.1f} MB instead of {before:.1f}"]
    if made.method is not None:
        ranges = f"ranges by {made.method}"
        if made.card.origin.settings["quantization_aware"]:
            ranges = f"with the ranges that the network was trained with ({made.method}); nothing was calibrated"
        lines.append(f"convolutions: {quantized} of {every} int8, {ranges}")
        if made.selection is not None:
            chosen = made.selection
            lines.append(f"images: {len(chosen.names)} of {chosen.listed}, {chosen.duplicates} left out as duplicates")
    if not is_gated:
        on = "images without labels" if made.method is not None else "generated pictures"
        lines.append(f"disagreement with {parent.name} on {on} (0 the same, 1 nothing in common): {apart}")
        if made.parity is not None and made.parity.rounding is not None:
            lines.append(f"proof: {made.parity.rounding.line()}; {made.parity.changed_text}")
        lines.append(
            f"NOT measured: accuracy. `singleshot evaluate {made.path} --data DIR` measures it on labelled images, "
            f"and --data DIR here lets it decide."
        )
    return [*lines, *(f"{path}" for path in made.written)]


def _check_fp16_alone(options: QuantizeOptions) -> None:
    """Refuse options that do nothing without images."""
    if not options.fp16:
        raise InputError("--images: expected a folder or video to calibrate int8 on, got none. Or ask for --fp16.")
    for option, value in (("--table", options.table), ("--save-table", options.save_table)):
        if value is not None:
            raise InputError(f"{option}: expected --images with it, got none. A table is held against its images.")
    if options.keep_float is not None:
        raise InputError("--keep-float: expected --images with it, got none. It keeps blocks from becoming int8.")

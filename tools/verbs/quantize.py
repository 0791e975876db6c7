"""`singleshot quantize`: from a float32 graph to one of 8 or 16 bits."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ...runtime.errors import InputError
from ...runtime.precision import Precision
from ..terminal.exits import exit_codes
from ..terminal.stage_progress import stage_progress

if TYPE_CHECKING:
    from rich.console import Console

    from ...export.gate.judge import GateSettings
    from ...export.gate.result import GateResult
    from ...export.quantize.calibrated import QuantizationSettings
    from ...export.quantize.quantize import Quantized
    from ...runtime.progress import Progress

OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FILE.onnx", help="The graph.", show_default="GRAPH.int8.onnx, GRAPH.fp16.onnx"
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR|VIDEO", help="What the network will see: photos, sub-folders included, or a video."),
]
MethodOption = Annotated[
    Literal["minmax", "percentile", "entropy", "mse", "auto"],
    typer.Option(help="How a range follows from the values seen; auto tries all and compares answers."),
]
CountOption = Annotated[int, typer.Option(min=1, help="Images to calibrate on.")]
SeedOption = Annotated[int, typer.Option(help="Of the choice of images.")]
Fp16Option = Annotated[bool, typer.Option("--fp16", help="Compute in float16 what is not int8; without --images, all.")]
TableOption = Annotated[Path | None, typer.Option(metavar="FILE.json", help="Reuse the ranges of an earlier run.")]
DataOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Labelled images: the accuracy gate decides what is written.")
]
MaxDropOption = Annotated[
    float | None,
    typer.Option(help="Points of AP50:95 (a classifier: of top-1) that may be lost.", show_default="0.5 with --data"),
]
SplitOption = Annotated[str | None, typer.Option(help="Of the labelled images.", show_default="val with --data")]
GateImagesOption = Annotated[int | None, typer.Option(help="Labelled images at most.", show_default="2000 with --data")]
SaveTableOption = Annotated[Path | None, typer.Option(metavar="FILE.json", help="Keep the ranges.")]


def quantize(
    graph: Annotated[Path, typer.Argument(metavar="GRAPH.onnx", help="Float32, of `singleshot export` or `adapt`.")],
    images: ImagesOption = None,
    out: OutOption = None,
    method: MethodOption = "auto",
    count: CountOption = 256,
    seed: SeedOption = 0,
    fp16: Fp16Option = False,
    table: TableOption = None,
    save_table: SaveTableOption = None,
    data: DataOption = None,
    max_drop: MaxDropOption = None,
    split: SplitOption = None,
    gate_images: GateImagesOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
) -> None:
    """Quantize a graph's convolutions to int8, for TensorRT and OpenVINO alike.

    The images are chosen with a seed so that they differ as the network sees them; OUT.calibration.png shows them. The
    layers that give the scores stay in float, and so does post-processing. Labels are not needed, and without them
    accuracy is not measured.

    With --data every candidate is held against its parent on labelled images. Where int8 loses more than --max-drop,
    the most harmful blocks stay in float; OUT.gate.html shows what was tried, and where nothing will do, no graph is
    written (exit code 1).

    Examples:
      singleshot quantize animals.onnx --images photos/ -o animals.int8.onnx

      singleshot quantize animals.onnx --images clip.mp4 --method mse --count 128 --save-table ranges.json

      singleshot quantize animals.onnx --images photos/ --data VOC --split val --max-drop 0.5

      singleshot quantize animals.onnx --fp16
    """
    from rich.console import Console

    talk = Console(stderr=True)
    with exit_codes():
        from ...runtime.require import require

        require("onnx", extra="export", why="quantization")
        from ...export.quantize.calibrated import QuantizationSettings

        asked = _Asked(
            graph=graph,
            out=out or _usual_name(graph, Precision.FP16 if images is None else Precision.INT8),
            images=images,
            settings=QuantizationSettings(method=method, count=count, seed=seed, fp16=fp16),
            table=table,
            save_table=save_table,
            data=data,
            gate=gate_settings_from_options(data, max_drop=max_drop, split=split, images=gate_images, seed=seed),
        )
        if images is None:
            _check_fp16_alone(fp16, table, save_table)
        _quantize(asked, talk, as_json=as_json)


def gate_settings_from_options(
    data: Path | None, *, max_drop: float | None, split: str | None, images: int | None, seed: int
) -> GateSettings:
    """Gather what the gate asks for, if there are labelled images.

    Raises:
        InputError: a value is not allowed, or needs --data and there is none.
    """
    from ...export.gate.judge import GateSettings

    given = {"max_drop": max_drop, "split": split, "images": images}
    wanted = {name: value for name, value in given.items() if value is not None}
    if wanted and data is None:
        option = {"max_drop": "--max-drop", "split": "--split", "images": "--gate-images"}[next(iter(wanted))]
        raise InputError(f"{option}: expected --data DIR with it, got none. Without labelled images nothing is judged.")
    return GateSettings(seed=seed, **wanted)  # type: ignore[arg-type]  # each of its own type


@dataclass(frozen=True, kw_only=True)
class _Asked:
    graph: Path
    out: Path
    images: Path | None
    settings: QuantizationSettings
    table: Path | None
    save_table: Path | None
    data: Path | None
    gate: GateSettings


def _usual_name(graph: Path, precision: Precision) -> Path:
    return graph.with_name(f"{graph.name.removesuffix('.onnx')}.{precision}.onnx")


def _quantize(asked: _Asked, talk: Console, *, as_json: bool) -> None:
    made: Quantized | None
    with stage_progress(talk) as on_progress:
        if asked.data is None:
            made, result = _made(asked, on_progress), None
        else:
            made, result = _made_within(asked, asked.data, on_progress)
    if as_json:
        print(json.dumps(_to_dict(made, result), indent=1))
    if result is not None:
        lines = [*result.lines(), f"what was tried and lost: {_page_of(asked.out)}"]
        talk.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
        result.check(asked.out)
    if made is None:
        raise RuntimeError(f"{asked.out}: accepted by the gate and not written")
    for warning in made.warnings:
        talk.print(f"warning: {warning}", highlight=False, markup=False, soft_wrap=True)
    if not as_json:
        print("\n".join(lines_of(made, asked.graph, is_gated=result is not None)))


def _made(asked: _Asked, on_progress: Progress) -> Quantized:
    """Quantize without labels."""
    from ...export.quantize.quantize import convert_to_fp16, quantize

    if asked.images is None:
        return convert_to_fp16(asked.graph, asked.out)
    return quantize(
        asked.graph,
        asked.out,
        images=asked.images,
        settings=asked.settings,
        table=asked.table,
        save_table_to=asked.save_table,
        on_progress=on_progress,
    )


def _made_within(asked: _Asked, data: Path, on_progress: Progress) -> tuple[Quantized | None, GateResult]:
    """Quantize by the gate's leave; its page is written in either case."""
    from ...export.graphs.graph_file import check_graph_name
    from ...export.quantize.gated import gate_fp16, gate_int8
    from ..pages.figure import check_figures
    from ..pages.gate_page import save_gate_page

    check_graph_name(asked.out)
    check_figures("the page about a gate")
    made: Quantized | None = None
    if asked.images is None:
        result, made = gate_fp16(asked.graph, asked.out, data=data, gate_settings=asked.gate, on_progress=on_progress)
    else:
        gated = gate_int8(
            asked.graph,
            images=asked.images,
            data=data,
            settings=asked.settings,
            gate_settings=asked.gate,
            table=asked.table,
            on_progress=on_progress,
        )
        result = gated.result
        if result.accepted is not None:
            made = gated.save(asked.out, save_table_to=asked.save_table)
    page = _page_of(asked.out)
    save_gate_page(result, page, title=asked.out.name)
    return None if made is None else replace(made, written=(*made.written, page)), result


def _page_of(out: Path) -> Path:
    return out.with_suffix(".gate.html")


def _to_dict(made: Quantized | None, result: GateResult | None) -> dict[str, Any]:
    written = {} if made is None else made.to_dict()
    return written if result is None else written | {"accuracy_measured": True, "gate": result.to_dict()}


def lines_of(made: Quantized, parent: Path, *, is_gated: bool = False) -> list[str]:
    """Say what was written, how near it is, and what nobody measured."""
    every, quantized = made.convolutions
    before, after = parent.stat().st_size / 1e6, made.path.stat().st_size / 1e6
    apart = ", ".join(f"{name} {value:.3f}" for name, value in made.disagreement.items())
    lines = [f"{made.path}: {made.precision}, {after:.1f} MB instead of {before:.1f}"]
    if made.method is not None:
        lines.append(f"convolutions: {quantized} of {every} int8, ranges by {made.method}")
        if made.selection is not None:
            chosen = made.selection
            lines.append(f"images: {len(chosen.names)} of {chosen.listed}, {chosen.duplicates} left out as duplicates")
    if not is_gated:
        on = "images without labels" if made.method is not None else "generated pictures"
        lines.append(f"disagreement with {parent.name} on {on} (0 the same, 1 nothing in common): {apart}")
        lines.append(
            f"NOT measured: accuracy. `singleshot evaluate {made.path} --data DIR` measures it on labelled images, "
            f"and --data DIR here lets it decide."
        )
    return [*lines, *(f"{path}" for path in made.written)]


def _check_fp16_alone(fp16: bool, table: Path | None, save_table: Path | None) -> None:
    """Refuse options that do nothing without images."""
    if not fp16:
        raise InputError("--images: expected a folder or video to calibrate int8 on, got none. Or ask for --fp16.")
    for option, value in (("--table", table), ("--save-table", save_table)):
        if value is not None:
            raise InputError(f"{option}: expected --images with it, got none. A table is held against its images.")

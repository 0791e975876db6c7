"""From a float32 graph to one of 8 or 16 bits, with the record of what it was made by."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ...calib.int8.choose_images import Selection
from ...calib.int8.image_pool import ImagePool
from ...calib.int8.quantized_graph import quantized_convolutions
from ...calib.int8.table import CalibrationTable, Method, save_table
from ...calib.records.answers import answers_to
from ...runtime.card import Card, Measurement, MovedScores, derived_origin
from ...runtime.detection.disagreement import Answer, disagreement
from ...runtime.detection.letterbox import fit_frame
from ...runtime.errors import CheckError
from ...runtime.files import StrPath, check_can_write, sha256_of_file, whole_file
from ...runtime.precision import Precision
from ...runtime.progress import Progress, no_progress
from ...runtime.session import open_session
from ...runtime.sources.frame import Frame
from ...runtime.uncertified import uncertified_sha256
from ..graphs.graph_file import check_graph_name, save_graph, write_graph
from ..parity.artefact import open_artefact
from ..parity.certify import certify_fresh
from ..parity.lineage import lineage_of
from ..parity.own_frames import frames_to_prove_on
from ..parity.parity import Parity, overflow_told
from ..parity.proof_frames import PROOF_FRAMES
from ..parity.verify import compare_artefacts
from .calibrated import Calibrated, Parent, QuantizationSettings, calibrate, fp16_graph, open_parent

_PACKAGES = ("numpy", "onnx", "onnxruntime")


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """A written graph.

    Args:
        path: the graph.
        card: in it.
        precision: of its convolutions.
        method: whose ranges it has; None where nothing was quantized.
        convolutions: how many there are, and how many of them are int8.
        disagreement: with the parent's answers on images without labels, by method tried: 0 the same, 1 nothing in
            common.
        selection: images calibrated on; None where a table was reused or nothing was quantized.
        parity: with the parent, on images without labels; None where labels judged.
        written: files beside the graph.
        warnings: what the user should know.
    """

    path: Path
    card: Card
    precision: Precision
    method: Method | None
    convolutions: tuple[int, int]
    disagreement: Mapping[str, float]
    selection: Selection | None = None
    parity: Parity | None = None
    written: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        every, quantized = self.convolutions
        return {
            "graph": str(self.path),
            "precision": self.precision,
            "method": self.method,
            "convolutions": every,
            "quantized_convolutions": quantized,
            "disagreement": dict(self.disagreement),
            "accuracy_measured": False,
            "parity": None if self.parity is None else self.parity.to_dict(),
            "selection": None if self.selection is None else self.selection.to_dict(),
            "written": [str(path) for path in self.written],
            "warnings": list(self.warnings),
            "card": self.card.model_dump(mode="json"),
        }


def quantize(
    graph_path: StrPath,
    out: StrPath,
    *,
    images: StrPath,
    settings: QuantizationSettings | None = None,
    table: StrPath | None = None,
    save_table_to: StrPath | None = None,
    kept_float: Collection[str] = (),
    on_progress: Progress = no_progress,
) -> Quantized:
    """Quantize a graph to int8 by ranges measured on images. No labels: accuracy is not measured.

    Args:
        graph_path: follows the graph contract, float32.
        out: the graph, `.onnx`; a report and a contact sheet of the chosen images are written beside it.
        images: folder or video to calibrate on, of the kind that the network will see.
        settings: how.
        table: reuse these ranges, if they are of this graph, these images and this method.
        save_table_to: where to keep the ranges, JSON.
        kept_float: names of blocks or convolutions that are not quantized.
        on_progress: called with what is being done, how much of it, and of how much.

    Raises:
        InputError: the graph, the images or the table cannot be used.
        CheckError: rounding to 8 bits does not explain the difference, or it changes too many detections; nothing is
            written.
    """
    graph_path, out, images = Path(graph_path), Path(out), Path(images)
    table = None if table is None else Path(table)
    save_table_to = None if save_table_to is None else Path(save_table_to)
    check_graph_name(out)
    if save_table_to is not None:
        check_can_write(save_table_to)
    calibrated = calibrate(
        open_parent(graph_path),
        ImagePool(images),
        settings or QuantizationSettings(),
        table=table,
        on_progress=on_progress,
    )
    measured = _disagreements(calibrated, kept_float, on_progress)
    frames, data = _proof_images(calibrated)
    method, graph, parity = _proved(
        calibrated, sorted(measured, key=lambda name: measured[name]), kept_float, out, frames
    )
    parity.check_conversion(str(out), frames=data, labels_judge=False)
    if save_table_to is not None:
        save_table(calibrated.tables[method], save_table_to)
    made = save_quantized(
        calibrated,
        graph,
        out,
        method=method,
        kept_float=kept_float,
        disagreement=measured,
        measurements=parity.measurements(data=data),
    )
    return replace(made, parity=parity, card=certify_fresh(out, frames, said=data, parent=graph_path))


def convert_to_fp16(
    graph_path: StrPath, out: StrPath, *, labels_judge: bool = False, islands: Collection[str] = ()
) -> Quantized:
    """Write a graph whose network computes in float16, by the whitelist of `export.fp16`.

    It is held against its parent with every float16 tensor rounded as such, which ONNX Runtime on a CPU leaves out.

    Args:
        graph_path: follows the graph contract, float32.
        out: the graph, `.onnx`.
        labels_judge: whether labelled images say what changed detections cost; then they are no reason to refuse.
        islands: convolutions that stay float32.

    Raises:
        InputError: the graph cannot be used.
        CheckError: rounding does not explain the difference, or it costs too much.
    """
    graph_path = Path(graph_path)
    out = Path(out)
    check_graph_name(out)
    parent = open_parent(graph_path)
    graph = fp16_graph(parent.model, source=graph_path, islands=islands)
    _check_lineage(parent, graph, out, Precision.FP16)
    frames, said = frames_to_prove_on(parent.card, None)
    with TemporaryDirectory() as folder:
        candidate = Path(folder) / out.name
        write_graph(graph, parent.card, candidate)
        with open_artefact(graph_path) as first, open_artefact(candidate) as second:
            with overflow_told(out, said):
                parity, _ = compare_artefacts(first, second, frames)
            fitted = [fit_frame(frame.image, parent.card.input)[np.newaxis] for frame in frames]
            apart = disagreement(answers_to(first.session, fitted), answers_to(second.session, fitted))
    note = parity.check_conversion(str(out), frames=said, labels_judge=labels_judge)
    data = f"{said}, float16 emulated: every tensor rounded, sums in float32"
    settings = {"quantization": Precision.FP16} | ({"kept_float": sorted(islands)} if islands else {})
    card = _card(parent, settings, parity.measurements(data=data))
    write_graph(graph, card, out)
    return Quantized(
        path=out,
        card=card,
        precision=Precision.FP16,
        method=None,
        convolutions=_convolutions(graph),
        disagreement={"fp16": apart},
        warnings=(note,) if note else (),
    )


def save_quantized(
    calibrated: Calibrated,
    graph: onnx.ModelProto,
    out: Path,
    *,
    method: Method,
    kept_float: Collection[str] = (),
    disagreement: Mapping[Method, float] | None = None,
    measurements: tuple[Measurement, ...] = (),
    moved_scores: tuple[MovedScores, ...] = (),
) -> Quantized:
    """Write an int8 graph with its card, and beside it what it was calibrated on.

    Args:
        calibrated: what it was made of.
        graph: by `Calibrated.graph`.
        out: the graph.
        method: whose ranges it has.
        kept_float: blocks that were not quantized.
        disagreement: with the parent's answers, by method tried.
        measurements: further ones for the card.
        moved_scores: for the card.

    Raises:
        CheckError: the graph is not its parent with rounded weights.
    """
    _check_lineage(calibrated.parent, graph, out, Precision.INT8)
    table, parent = calibrated.tables[method], calibrated.parent
    every, quantized = _convolutions(graph)
    constant = tuple(name for name, item in table.ranges.items() if item.is_constant)
    settings = {
        "quantization": Precision.INT8,
        **_ranges(calibrated, table),
        "int8_convolutions": f"{quantized} of {every}",
        "kept_float": sorted({*calibrated.always_float, *kept_float}),
        "constant": list(constant),
        "float_part": Precision.FP16 if calibrated.settings.fp16 else Precision.FP32,
    }
    proof = () if disagreement is None else _measured(disagreement[method], "images without labels")
    card = _card(parent, settings, (*proof, *measurements)).model_copy(update={"moved_scores": moved_scores})
    written = _save_report(calibrated, out)
    write_graph(graph, card, Path(out))
    warnings = () if calibrated.selection is None else calibrated.selection.warnings
    if constant:
        warnings += (f"{len(constant)} tensors never changed, their readers stay in float: {', '.join(constant[:5])}.",)
    return Quantized(
        path=out,
        card=card,
        precision=Precision.INT8,
        method=method,
        convolutions=(every, quantized),
        disagreement={} if disagreement is None else {str(name): value for name, value in disagreement.items()},
        selection=calibrated.selection,
        written=written,
        warnings=warnings,
    )


def _ranges(calibrated: Calibrated, table: CalibrationTable) -> dict[str, Any]:
    """Say for the card where the ranges come from."""
    trained = calibrated.parent.card.int8
    return {
        "method": table.method,
        "images": len(table.images.sha256_of) if trained is None else trained.images,
        "seed": table.images.seed,
        "table_sha256": table.sha256 if trained is None else trained.table_sha256,
        "weight_steps": calibrated.weight_steps,
        "quantization_aware": trained is not None,
    }


def _save_report(calibrated: Calibrated, out: Path) -> tuple[Path, ...]:
    """Write what was chosen; nothing where a table was reused, since nothing was."""
    selection = calibrated.selection
    if selection is None:
        return ()
    base = str(out).removesuffix(".onnx")
    report, picture = Path(f"{base}.calibration.json"), Path(f"{base}.calibration.png")
    with whole_file(report) as temporary:
        temporary.write_text(json.dumps(selection.to_dict(), indent=1) + "\n", encoding="utf-8")
    title = f"{len(selection.names)} of {selection.listed} images, seed {selection.seed}"
    calibrated.sheet.save(picture, title=title)
    return report, picture


def _disagreements(calibrated: Calibrated, kept_float: Collection[str], on_progress: Progress) -> dict[Method, float]:
    """Measure how far each method's answers are from the parent's."""
    frames = calibrated.held_out_frames()
    with open_session(calibrated.parent.path, backend="onnxruntime") as session:
        expected = answers_to(session, frames)
    measured: dict[Method, float] = {}
    for done, method in enumerate(calibrated.methods, start=1):
        found = _answers(calibrated.graph(method, kept_float), calibrated.parent.card, frames)
        measured[method] = disagreement(expected, found)
        on_progress("comparing answers", done, len(calibrated.methods))
    return measured


def _check_lineage(parent: Parent, graph: onnx.ModelProto, out: Path, precision: Precision) -> None:
    """Raise where more than rounding was done to a network: an error of ours.

    Raises:
        CheckError: it is another network.
    """
    changed = lineage_of(parent.model, graph).differences
    if changed:
        raise CheckError(
            f"{out}: expected the network of {parent.path} in {precision}, got another: {'; '.join(changed)}."
        )


def _proof_images(calibrated: Calibrated) -> tuple[list[Frame], str]:
    """Take images that were not calibrated on, where there are any; say which."""
    images = calibrated.held_out_frames()[:PROOF_FRAMES]
    frames = [Frame(image=image[0], index=at, time_s=0.0, source=str(at)) for at, image in enumerate(images)]
    which = "that were not calibrated on" if calibrated.has_others else "calibrated on, as there are no others"
    return frames, f"{len(frames)} images {which}"


def _proved(
    calibrated: Calibrated, methods: Sequence[Method], kept_float: Collection[str], out: Path, frames: list[Frame]
) -> tuple[Method, onnx.ModelProto, Parity]:
    """Make the graph of the first method that is proved; of the very first where none is."""
    tried = []
    for method in methods:
        graph = calibrated.graph(method, kept_float)
        _check_lineage(calibrated.parent, graph, out, Precision.INT8)
        tried.append((method, graph, _parity(calibrated.parent, graph, out, frames)))
        if tried[-1][2].holds:
            return tried[-1]
    return tried[0]


def _parity(parent: Parent, graph: onnx.ModelProto, out: Path, frames: list[Frame]) -> Parity:
    """Hold a graph against its parent."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / out.name
        save_graph(graph, parent.card, path)
        with open_artefact(parent.path) as first, open_artefact(path) as second:
            return compare_artefacts(first, second, frames)[0]


def _answers(graph: onnx.ModelProto, card: Card, frames: list[NDArray[np.uint8]]) -> list[Answer]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "candidate.onnx"
        save_graph(graph, card, path)
        with open_session(path, backend="onnxruntime") as session:
            return answers_to(session, frames)


def _card(parent: Parent, settings: dict[str, Any], measurements: tuple[Measurement, ...]) -> Card:
    """Take over what still holds: not the parity of the parent's backends, and its figures only as the parent's."""
    card = parent.card
    inherited = tuple(
        item if item.note.endswith("of the checkpoint") else item.noted("of the float32 graph")
        for item in card.measurements
    )
    return card.model_copy(
        update={
            "origin": derived_origin(
                card.origin,
                sha256_of_file(parent.path),
                uncertified_sha256=uncertified_sha256(parent.path),
                settings=settings,
                packages={name: version(name) for name in _PACKAGES},
            ),
            "measurements": (*inherited, *measurements),
            "backend_parity": (),
            "int8": None,
        }
    )


def _measured(apart: float, data: str) -> tuple[Measurement, ...]:
    return (
        Measurement(
            metric="disagreement with the float32 graph's answers: 0 the same, 1 nothing in common",
            value=apart,
            data=data,
            note="says little of accuracy",
        ),
    )


def _convolutions(graph: onnx.ModelProto) -> tuple[int, int]:
    return sum(node.op_type == "Conv" for node in graph.graph.node), len(quantized_convolutions(graph))

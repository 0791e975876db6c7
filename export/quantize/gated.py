"""Quantization that an accuracy gate decides on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from ...calib.int8.graph_blocks import blocks_of
from ...calib.int8.image_pool import ImagePool
from ...calib.int8.table import METHODS, load_table, save_table
from ...calib.records.labelled_images import LabelledImages
from ...runtime.card import BackendParity
from ...runtime.errors import CheckError
from ...runtime.files import StrPath
from ...runtime.image_files import read_image_bgr
from ...runtime.precision import Precision
from ...runtime.progress import Progress, no_progress
from ...runtime.sources.frame import Frame
from ..gate.judge import Candidate, GateSettings, open_alike
from ..gate.judge_all import check_objects, gate, gate_images, gate_quantizer
from ..gate.quantizer import Quantizer
from ..gate.result import GateResult
from ..graphs.graph_file import check_graph_name, write_graph
from ..parity.artefact import open_artefact
from ..parity.certify import backend_parity, write_parities
from ..parity.proof_frames import PROOF_FRAMES
from ..parity.runners import open_as_written
from .calibrated import Calibrated, Parent, QuantizationSettings, calibrate, fp16_graph, open_parent
from .quantize import Quantized, convert_to_fp16, save_quantized
from .set_aside import names_by_id, set_aside


@dataclass(frozen=True, kw_only=True, eq=False)
class GatedInt8:
    """A calibrated graph and what the gate found; nothing is written yet.

    Args:
        calibrated: everything that candidates are made of.
        result: of the gate.
    """

    calibrated: Calibrated
    result: GateResult

    def save(self, out: StrPath, *, save_table_to: StrPath | None = None) -> Quantized:
        """Write the accepted graph.

        Args:
            out: the graph, `.onnx`.
            save_table_to: where to keep its ranges, JSON.

        Raises:
            CheckError: nothing is within the allowed drop; nothing is written.
            InputError: a file cannot be written.
        """
        out = Path(out)
        save_table_to = None if save_table_to is None else Path(save_table_to)
        accepted = self.result.check(out).candidate
        method = next(item for item in METHODS if item == accepted.method)
        graph = self.calibrated.graph(method, accepted.kept_float)
        if save_table_to is not None:
            save_table(self.calibrated.tables[method], save_table_to)
        made = save_quantized(
            self.calibrated,
            graph,
            out,
            method=method,
            kept_float=accepted.kept_float,
            measurements=self.result.measurements(),
            moved_scores=self.result.check(out).moved,
        )
        if not self.result.backend.startswith("openvino"):
            return made
        return replace(made, card=write_parities(out, [_openvino_parity(out, self.result)], out))


def gate_int8(
    graph_path: StrPath,
    *,
    images: StrPath,
    data: StrPath,
    settings: QuantizationSettings,
    gate_settings: GateSettings,
    table: StrPath | None = None,
    on_progress: Progress = no_progress,
) -> GatedInt8:
    """Calibrate a graph and find the cheapest int8 one that loses no more than allowed.

    The images that choose and judge are set aside first, and none of them is calibrated on.

    Args:
        graph_path: follows the graph contract, float32.
        images: folder or video to calibrate on.
        data: labelled images.
        settings: of the quantization; with the method `auto` the gate chooses among all.
        gate_settings: what may be lost, and which labelled images.
        table: reuse these ranges, if they are of this graph, these images and this method.
        on_progress: called with what is being done, how much of it, and of how much.

    Raises:
        InputError: the graph, the images, the data or the table cannot be used.
    """
    graph_path = Path(graph_path)
    images = Path(images)
    table = None if table is None else Path(table)
    parent, pool = open_parent(graph_path), ImagePool(images)
    labelled = gate_images(parent.card, data, gate_settings)
    if parent.card.int8 is not None:  # its ranges are trained: nothing is calibrated on
        judging, without = labelled, frozenset[str]()
    elif table is None:
        judging, without = set_aside(labelled, pool, count=settings.count)
    else:
        calibrating = set(load_table(table).images.sha256_of)
        used = {image_id for image_id, names in names_by_id(labelled, pool).items() if calibrating.intersection(names)}
        judging, without = labelled.only(set(labelled.image_ids) - used), frozenset[str]()
    check_objects(judging, gate_settings)
    calibrated = calibrate(parent, pool, settings, table=table, without=without, on_progress=on_progress)
    with TemporaryDirectory() as folder:
        result = gate_quantizer(
            graph_path,
            Quantizer(
                methods=calibrated.methods,
                blocks=tuple(block.name for block in calibrated.blocks),
                build=calibrated.graph,
                card=calibrated.parent.card,
                folder=Path(folder),
            ),
            images=judging,
            settings=gate_settings,
            open_graph=open_as_written if settings.fp16 else open_alike,
            on_progress=on_progress,
        )
    card = parent.card
    is_ours = "train_split" in card.origin.settings  # not someone else's network, which was adapted
    trainable = card.network if is_ours and card.int8 is None else None
    return GatedInt8(calibrated=calibrated, result=replace(result, trainable=trainable))


def gate_fp16(
    graph_path: StrPath,
    out: StrPath,
    *,
    data: StrPath,
    gate_settings: GateSettings,
    on_progress: Progress = no_progress,
) -> tuple[GateResult, Quantized | None]:
    """Write a graph whose network computes in float16, if it loses no more than allowed.

    Where all of it in float16 loses more, the fewest blocks are found that stay float32 so that the rest does not.

    Args:
        graph_path: follows the graph contract, float32.
        out: the graph, `.onnx`.
        data: labelled images.
        gate_settings: what may be lost, and which labelled images.
        on_progress: called after each image.

    Returns:
        What the gate found, and the written graph; None where nothing was written, see `GateResult.check`.

    Raises:
        InputError: the graph or the data cannot be used.
        CheckError: the conversion is not the network that was given.
    """
    graph_path = Path(graph_path)
    out = Path(out)
    check_graph_name(out)
    parent = open_parent(graph_path)
    images = gate_images(parent.card, data, gate_settings)
    with TemporaryDirectory() as folder:
        path = Path(folder) / out.name
        try:
            made: Quantized | None = convert_to_fp16(graph_path, path, labels_judge=True)
        except CheckError:  # it overflows, say: which blocks are at fault is what the search finds
            made = None
        else:
            whole = Candidate(name=Precision.FP16, path=path)
            result = gate(
                graph_path,
                [whole],
                data=data,
                settings=gate_settings,
                open_graph=open_as_written,
                on_progress=on_progress,
            )
        if made is None or result.accepted is None:
            result, made = _with_islands(parent, path, images, gate_settings, on_progress)
        if made is None or result.accepted is None:
            return result, None
        card = made.card.model_copy(
            update={
                "measurements": (*made.card.measurements, *result.measurements()),
                "moved_scores": result.accepted.moved,
            }
        )
        write_graph(onnx.load(str(path)), card, out)
    return result, replace(made, path=out, card=card)


def _with_islands(
    parent: Parent, path: Path, images: LabelledImages, settings: GateSettings, on_progress: Progress
) -> tuple[GateResult, Quantized | None]:
    """Search for the fewest blocks that stay float32, and write the graph with them to a temporary place."""
    islands = Fp16Islands(parent)
    quantizer = Quantizer(
        methods=(Precision.FP16,),
        blocks=tuple(islands.blocks),
        build=islands.graph,
        card=parent.card,
        folder=path.parent,
    )
    result = gate_quantizer(
        parent.path,
        quantizer,
        images=images,
        settings=settings,
        open_graph=open_as_written,
        on_progress=on_progress,
    )
    if result.accepted is None:
        return result, None
    kept = islands.convolutions(result.accepted.candidate.kept_float)
    return result, convert_to_fp16(parent.path, path, labels_judge=True, islands=kept)


class Fp16Islands:
    """What of a network may stay float32 while the rest computes in float16.

    Args:
        parent: the float32 graph.
    """

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self.blocks = {block.name: block.convolutions for block in blocks_of(parent.model)}
        named = {name for names in self.blocks.values() for name in names}
        rest = tuple(node.name for node in parent.model.graph.node if node.op_type == "Conv" and node.name not in named)
        if rest:
            self.blocks["layers that give the scores"] = rest

    def convolutions(self, blocks: Collection[str]) -> tuple[str, ...]:
        """Name the convolutions of some blocks."""
        return tuple(name for block in blocks for name in self.blocks[block])

    def graph(self, _method: str, kept_float: Collection[str]) -> onnx.ModelProto:
        """Make the graph with these blocks in float32.

        Raises:
            InputError: float16 cannot hold a weight of the rest.
        """
        islands = self.convolutions(kept_float)
        return fp16_graph(self._parent.model, source=self._parent.path, islands=islands)


def _openvino_parity(out: Path, result: GateResult) -> BackendParity:
    """Say for the card what OpenVINO makes of the accepted graph: what the gate measured, and answers one to one."""
    frames = [
        Frame(image=read_image_bgr(sample.image_path), index=index, time_s=0.0, source=sample.image_id)
        for index, sample in enumerate(islice(result.images.samples(), PROOF_FRAMES))
    ]
    with open_artefact(f"{result.parent}@onnxruntime") as first, open_artefact(f"{out}@openvino:fp32") as second:
        parity = backend_parity(first, second, frames, data=f"{len(frames)} images of {result.data.name}")
    drop = result.check(out).deltas[0].drop
    allowed = f"at most {result.settings.max_drop:g} points allowed"
    return parity.model_copy(update={"drop_points": drop, "drop_data": f"{result.data.text}, {allowed}", "holds": True})

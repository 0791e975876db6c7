"""What the other backends and precisions make of a graph, measured and written into its card.

`auto` (see `runtime/backends.py`) takes nothing that is not certified here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import onnx

from ...calib.accuracy.average_precision import EvaluationResult
from ...calib.accuracy.evaluate import evaluate, open_dataset_for
from ...calib.accuracy.top_k import AccuracyResult, evaluate_accuracy
from ...runtime.card import BackendParity, Card
from ...runtime.errors import CheckError, InputError
from ...runtime.files import StrPath, sha256_of_file
from ...runtime.machine import processor_kind
from ...runtime.precision import Precision
from ...runtime.progress import Progress, no_progress
from ...runtime.require import require
from ...runtime.runners.onnxruntime_runner import graph_facts
from ...runtime.runners.openvino_runner import computes_bf16
from ...runtime.session import Session
from ...runtime.sources.frame import Frame
from ...runtime.uncertified import is_made_of
from ..graphs.graph_file import check_graph_name, write_graph
from ..inspection.inspect_artefact import inspect_artefact
from .artefact import Artefact, open_artefact
from .lineage import lineage_of
from .proof_frames import PROOF_FRAMES
from .verify import compare_artefacts, contract_differences, sampled_frames


@dataclass(frozen=True, kw_only=True)
class LabelledData:
    """Images that the loss of accuracy is measured on.

    Args:
        root: as `open_dataset` takes it.
        split: one of its splits.
        seed: of a seeded split.
        max_drop: points of AP50:95, of a classifier top-1, that may be lost.
        missing_is_background: as `open_dataset` takes it.
        anyway: as `open_dataset` takes it.
    """

    root: StrPath
    split: str
    seed: int = 0
    max_drop: float = 0.5
    missing_is_background: bool = False
    anyway: bool = False


@dataclass(frozen=True, kw_only=True)
class Certification:
    """What was measured on a graph.

    Args:
        out: the graph with its new card.
        parities: one a precision.
    """

    out: Path
    parities: tuple[BackendParity, ...]

    def lines(self) -> list[str]:
        """Say each in one line."""
        return [f"{'agrees ' if item.holds else 'DIFFERS'} {_said(item)}" for item in self.parities]

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        return {"graph": str(self.out), "backend_parity": [item.model_dump(mode="json") for item in self.parities]}

    def check(self) -> None:
        """Raise if nothing agrees.

        Raises:
            CheckError: no backend and precision does.
        """
        if not any(item.holds for item in self.parities):
            figures = "; ".join(_said(item) for item in self.parities)
            raise CheckError(f"{self.out}: expected a backend and precision that agree with FP32, got {figures}.")


def certify(
    graph: StrPath,
    out: StrPath,
    *,
    frames: StrPath,
    count: int = PROOF_FRAMES,
    parent: StrPath | None = None,
    data: LabelledData | None = None,
    on_progress: Progress = no_progress,
) -> Certification:
    """Run a graph by OpenVINO in every precision, hold the answers against FP32's, and write a card that says so.

    A float graph is held against itself in ONNX Runtime, in fp32 and bf16; a graph with an fp16 or int8 network
    against its FP32 parent. With labelled data the loss of accuracy decides what agrees, without it the tolerances of
    `verify`.

    Args:
        graph: whose card is to know.
        out: the same graph with the new card; may be the same path.
        frames: a video, an image, a folder or a glob of images.
        count: frames to compare, spread evenly.
        parent: the FP32 graph that an fp16 or int8 one was made from.
        data: measures the loss of accuracy too.
        on_progress: called after each frame and each labelled image.

    Raises:
        InputError: a file or the frames cannot be used, or the parent is missing or another.
        MissingDependencyError: openvino is not installed.
    """
    graph = Path(graph)
    out = Path(out)
    parent = None if parent is None else Path(parent)
    require("openvino", extra="openvino", why="a certification")
    reference = _reference_of(graph, parent)
    chosen, _ = sampled_frames(frames, count)
    said = f"{len(chosen)} frames of {frames}"
    parities = tuple(
        _certify_one(graph, reference, precision, frames=chosen, said=said, data=data, on_progress=on_progress)
        for precision in precisions_of(graph)
    )
    write_parities(graph, parities, out)
    return Certification(out=out, parities=parities)


def certify_fresh(graph: Path, frames: list[Frame], *, said: str, parent: Path | None = None) -> Card:
    """Certify a graph that was just made, on the frames that proved it; its file gets the new card.

    Args:
        graph: the file.
        frames: of any size.
        said: what the frames are.
        parent: the FP32 graph that an int8 one was made of; none of a graph in FP32.

    Returns:
        The new card; the old one where OpenVINO is not installed.
    """
    if find_spec("openvino") is None:
        return graph_facts(graph).card
    parities = [_certify_one(graph, parent or graph, item, frames=frames, said=said) for item in precisions_of(graph)]
    return write_parities(graph, parities, graph)


def precisions_of(graph: Path) -> tuple[Precision, ...]:
    """List what OpenVINO can run a graph in on this machine."""
    if inspect_artefact(graph).precision == Precision.INT8:
        return (Precision.INT8,)
    return (Precision.FP32, Precision.BF16) if computes_bf16() else (Precision.FP32,)


def backend_parity(
    first: Artefact, second: Artefact, frames: list[Frame], *, data: str, on_progress: Progress = no_progress
) -> BackendParity:
    """Compare a reference with the same detector run by OpenVINO, for the card.

    Args:
        first: the reference.
        second: run by OpenVINO.
        frames: of any size.
        data: where they came from.
        on_progress: called after each frame.
    """
    parity, _ = compare_artefacts(first, second, frames, on_progress)
    is_same = sha256_of_file(first.path) == sha256_of_file(second.path)
    return BackendParity(
        backend="openvino",
        precision=_precision_of(second),
        version=version("openvino"),
        processor=processor_kind(),
        reference=f"{'the same graph' if is_same else first.path.name}, {first.session.backend} {first.precision}",
        data=data,
        frames=parity.frames,
        matched=parity.matched,
        unmatched=len(parity.unmatched),
        score_difference=parity.score_difference,
        least_iou=parity.least_iou,
        holds=parity.holds,
    )


def write_parities(graph: Path, parities: Sequence[BackendParity], out: Path) -> Card:
    """Write a graph with a card that holds these parities in place of older ones.

    Raises:
        InputError: the graph has no card, or `out` cannot be written.
    """
    card = graph_facts(graph).card
    check_graph_name(out)
    measured = {item.precision for item in parities}
    kept = tuple(item for item in card.backend_parity if item.precision not in measured)
    card = card.model_copy(update={"backend_parity": (*kept, *parities)})
    write_graph(onnx.load(str(graph)), card, out)
    return card


def _reference_of(graph: Path, parent: Path | None) -> Path:
    """Find what is FP32: the graph itself, or the parent that it was made from."""
    inspection = inspect_artefact(graph)
    if inspection.precision == Precision.FP32:
        if parent is not None:
            raise InputError(f"--parent: expected none for a graph in fp32, got {parent}. Leave it out.")
        return graph
    if parent is None:
        raise InputError(
            f"{graph}: expected its FP32 parent, as its own network is in {inspection.precision}. Name it by --parent."
        )
    got = _another(parent, graph, inspection.card)
    if got:
        raise InputError(
            f"{parent}: expected the FP32 graph that {graph.name} was made from, got {got}. Name that one."
        )
    return parent


def _another(parent: Path, graph: Path, card: Card | None) -> str:
    """Say why a graph was not made from a parent; nothing where it was, by its card or else weight by weight."""
    precision = inspect_artefact(parent).precision
    if precision != Precision.FP32:
        return f"one in {precision}"
    if card is not None and is_made_of(card.origin, parent):
        return ""
    changed = lineage_of(onnx.load(str(parent)), onnx.load(str(graph))).differences
    return f"another network ({changed[0]})" if changed else ""


def _certify_one(
    graph: Path,
    reference: Path,
    precision: Precision,
    *,
    frames: list[Frame],
    said: str,
    data: LabelledData | None = None,
    on_progress: Progress = no_progress,
) -> BackendParity:
    runner = "openvino:bf16" if precision == Precision.BF16 else "openvino:fp32"
    with open_artefact(str(reference)) as first, open_artefact(f"{graph}@{runner}") as second:
        differences = contract_differences(first, second)
        if differences:
            raise CheckError(f"{graph}: expected the contract of {reference}, got {'; '.join(differences)}.")
        parity = backend_parity(first, second, frames, data=said, on_progress=on_progress)
        if data is None:
            return parity
        drop = 100 * (_accuracy(first.session, data, on_progress) - _accuracy(second.session, data, on_progress))
        return parity.model_copy(
            update={
                "drop_points": drop,
                "drop_data": f"{Path(data.root).name} {data.split}, at most {data.max_drop} points allowed",
                "holds": drop <= data.max_drop,
            }
        )


def _accuracy(session: Session, data: LabelledData, on_progress: Progress) -> float:
    dataset = open_dataset_for(
        session.card, data.root, missing_is_background=data.missing_is_background, anyway=data.anyway
    )
    measure = evaluate_accuracy if session.card.task == "classifier" else evaluate
    result: AccuracyResult | EvaluationResult = measure(
        session, dataset, dataset.split_meant_by(data.split), seed=data.seed, on_progress=on_progress
    )
    value = result.top1 if isinstance(result, AccuracyResult) else result.mean_ap50_95
    if value is None:
        raise InputError(f"{data.root}: expected a class with enough objects to measure AP, got none in {data.split}.")
    return value


def _precision_of(artefact: Artefact) -> Precision:
    return artefact.precision if artefact.precision in (Precision.BF16, Precision.INT8) else Precision.FP32


def _said(item: BackendParity) -> str:
    overlap = "" if item.least_iou is None else f", least IoU {item.least_iou:.3f}"
    drop = "" if item.drop_points is None else f", {item.drop_points:+.2f} points lost on {item.drop_data}"
    return (
        f"{item.backend} {item.precision}: {item.unmatched} of {item.matched + item.unmatched} unmatched, "
        f"scores {item.score_difference:.1e} apart{overlap}{drop} ({item.data}; {item.reference})"
    )

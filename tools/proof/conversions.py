"""What float16 and int8 cost detectors of others, by who computes them.

`python -m singleshot.tools.proof.conversions a.onnx,photos b.onnx,photos,VOC` prints the table of
docs/quantization.md: each graph is one of `singleshot adapt`, with pictures to calibrate and compare on, and labelled
images where it knows their classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from ...calib.accuracy.evaluate import evaluate, open_dataset_for
from ...calib.int8.image_pool import ImagePool
from ...calib.int8.table import Method
from ...export.engine.build import build_engine
from ...export.graphs.fp16 import with_fp16_network
from ...export.graphs.graph_file import save_graph
from ...export.parity.artefact import Artefact, open_artefact
from ...export.parity.parity import Parity
from ...export.parity.verify import compare_artefacts
from ...export.quantize.calibrated import QuantizationSettings, calibrate, open_parent
from ...runtime.card import derived_origin
from ...runtime.errors import CheckError, InputError
from ...runtime.files import sha256_of_file
from ...runtime.runners.onnxruntime_runner import graph_facts
from ...runtime.sources.frame import Frame
from ...runtime.uncertified import uncertified_sha256
from ..terminal.exits import exit_codes

METHOD: Method = "entropy"
CALIBRATED_ON = 64
FRAMES = 16
"""Pictures that were not calibrated on."""
RUNNERS = ("onnxruntime", "openvino:fp32")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A detector.

    Args:
        graph: float32, follows the graph contract.
        images: of what it looks for.
        data: labelled images of its classes; None: there are none.
    """

    graph: Path
    images: Path
    data: Path | None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A conversion, computed by somebody.

    Args:
        network: name of the graph.
        precision: of the conversion.
        runner: who computed it.
        parity: with the float32 graph in ONNX Runtime.
        ap: AP50 and AP50:95, in points; None without labelled images.
        plan: what TensorRT-RTX made of the graph.
    """

    network: str
    precision: str
    runner: str
    parity: Parity | None
    ap: tuple[float, float] | None
    plan: str = ""


def outcomes_of(subject: Subject, folder: Path) -> Iterator[Outcome]:
    """Convert a detector and measure each conversion by every runner that is installed.

    Args:
        subject: the detector.
        folder: to write graphs to.
    """
    parent = open_parent(subject.graph)
    settings = QuantizationSettings(method=METHOD, count=CALIBRATED_ON)
    calibrated = calibrate(parent, ImagePool(subject.images), settings)
    images = calibrated.held_out_frames()[:FRAMES]
    frames = [Frame(image=image[0], index=at, time_s=0.0, source=str(at)) for at, image in enumerate(images)]
    sha256, uncertified = sha256_of_file(parent.path), uncertified_sha256(parent.path)
    origin = derived_origin(parent.card.origin, sha256, uncertified_sha256=uncertified, settings={}, packages={})
    made = {"fp16": with_fp16_network(parent.model), "int8": calibrated.graph(METHOD)}
    runners = [name for name in RUNNERS if find_spec(name.partition(":")[0])]
    with open_artefact(subject.graph) as first:
        name = subject.graph.stem
        ap = _ap(first, subject.data)
        yield Outcome(network=name, precision="fp32", runner=RUNNERS[0], parity=None, ap=ap)
        for precision, graph in made.items():
            path = folder / f"{name}.{precision}.onnx"
            save_graph(graph, parent.card.model_copy(update={"origin": origin}), path)
            plan = _plan_of(path)
            for runner in runners:
                with open_artefact(f"{path}@{runner}") as second:
                    parity, _ = compare_artefacts(first, second, frames)
                    ap = _ap(second, subject.data)
                yield Outcome(network=name, precision=precision, runner=runner, parity=parity, ap=ap, plan=plan)


def _ap(artefact: Artefact, data: Path | None) -> tuple[float, float] | None:
    if data is None:
        return None
    dataset = open_dataset_for(artefact.card, data)
    result = evaluate(artefact.session, dataset, dataset.split_meant_by("val"))
    if result.mean_ap50 is None or result.mean_ap50_95 is None:
        raise InputError(f"{data}: expected a class with enough objects to measure AP, got none.")
    return 100 * result.mean_ap50, 100 * result.mean_ap50_95


def _plan_of(graph: Path) -> str:
    """Say what TensorRT-RTX makes of a graph, or why it does not."""
    if not find_spec("tensorrt_rtx"):
        return "not installed"
    try:
        record = build_engine(graph, backend="rtx").card.engine
    except (CheckError, InputError) as error:
        return f"refused: {error}"
    if record is None:
        raise RuntimeError(f"{graph}: built an engine without a record")
    kinds = ", ".join(f"{count} {kind}" for kind, count in (record.plan_convolutions or {}).items())
    return f"{kinds}; {record.kernel_launches} launches"


def table(outcomes: list[Outcome]) -> list[str]:
    """Write the outcomes as Markdown."""
    lines = [
        "| network | precision | in | bits | detections changed | AP50 | AP50:95 | convolutions of RTX's plan |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for item in outcomes:
        bits = changed = ""
        if item.parity is not None:
            bits = f"{item.parity.rounding.bits:+.1f}" if item.parity.rounding is not None else ""
            changed = f"{len(item.parity.unmatched)} of {item.parity.judged}"
            changed += "" if item.parity.holds else ", refused"
        ap50, ap = ("", "") if item.ap is None else (f"{value:.2f}" for value in item.ap)
        runner = item.runner.partition(":")[0]
        lines.append(
            f"| {item.network} | {item.precision} | {runner} | {bits} | {changed} | {ap50} | {ap} | {item.plan} |"
        )
    return lines


def _subject(text: str) -> Subject:
    """Read a subject and open what it names, before the first is calibrated.

    Raises:
        InputError: something of it cannot be used.
    """
    parts = text.split(",")
    if len(parts) not in (2, 3):
        raise InputError(f"{text}: expected GRAPH.onnx,IMAGES or GRAPH.onnx,IMAGES,DATA.")
    subject = Subject(graph=Path(parts[0]), images=Path(parts[1]), data=Path(parts[2]) if parts[2:] else None)
    card = graph_facts(subject.graph).card
    ImagePool(subject.images)
    if subject.data is not None:
        dataset = open_dataset_for(card, subject.data)
        dataset.sample_ids(dataset.split_meant_by("val"))
    return subject


def conversions(
    subjects: Annotated[list[str], typer.Argument(metavar="GRAPH.onnx,IMAGES[,DATA]", help="Adapted detectors.")],
) -> None:
    """Convert detectors to float16 and int8 and say what that costs, by every runner."""
    found: list[Outcome] = []
    with exit_codes():
        for subject in [_subject(text) for text in subjects]:
            with TemporaryDirectory() as folder:
                found += outcomes_of(subject, Path(folder))
                print("\n".join(table(found)[-5:]), flush=True)
        print("\n".join(["", *table(found)]))


if __name__ == "__main__":
    typer.run(conversions)

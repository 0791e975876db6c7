"""What an inspection found, in the words and the order in which people read it."""

from __future__ import annotations

from dataclasses import dataclass

from ...export.inspection.facts import Inspection
from ...runtime.card import Card, Engine, Measurement


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading and its rows of name and value."""

    title: str
    rows: tuple[tuple[str, str], ...]


def facts_of(inspection: Inspection) -> tuple[Section, ...]:
    """Put an inspection into sections; those that only a card can fill are left out where there is none."""
    sections = [_file(inspection), _tensors(inspection), _network(inspection)]
    card = inspection.card
    if card is not None and card.engine is not None:
        sections.append(_engine(card.engine))
    if card is not None:
        sections += [_task(card), _ancestry(inspection, card), _measurements(card)]
    sections.append(_operators(inspection))
    return tuple(section for section in sections if section.rows)


def _file(inspection: Inspection) -> Section:
    rows = [
        ("file", str(inspection.path)),
        ("kind", inspection.kind),
        ("format", inspection.format),
        ("size", f"{inspection.size_bytes / 1e6:.2f} MB ({inspection.size_bytes} bytes)"),
        ("sha256", inspection.sha256),
        ("card", inspection.card_problem or "valid"),
    ]
    if inspection.other_files:
        rows.append(("weights in", ", ".join(inspection.other_files)))
    return Section(title="File", rows=tuple(rows))


def _tensors(inspection: Inspection) -> Section:
    rows = [(f"in   {item.name}", _type_of(str(item), item.name)) for item in inspection.inputs]
    rows += [(f"out  {item.name}", _type_of(str(item), item.name)) for item in inspection.outputs]
    return Section(title="Inputs and outputs", rows=tuple(rows))


def _type_of(text: str, name: str) -> str:
    return text.removeprefix(name).strip()


def _network(inspection: Inspection) -> Section:
    operations = inspection.operations
    gflops = "not known" if operations.gflops is None else f"{operations.gflops:.3f}"
    return Section(
        title="Network",
        rows=(
            ("precision", inspection.precision),
            ("parameters", "not known" if inspection.parameters is None else f"{inspection.parameters:,}"),
            ("GFLOPs", gflops),
            ("", operations.note),
        ),
    )


def _operators(inspection: Inspection) -> Section:
    title = {"checkpoint": "Layers", "engine": "Convolutions and launches"}.get(inspection.kind, "Operators")
    return Section(title=title, rows=tuple((name, str(count)) for name, count in inspection.operators))


def _task(card: Card) -> Section:
    spec, postprocess = card.input, card.postprocess
    rows = [
        ("task", card.task),
        ("network", card.network),
        ("classes", f"{len(card.class_names)}: {', '.join(card.class_names)}"),
        ("frames", f"{spec.height} x {spec.width} (height x width), {spec.resize}"),
        ("colours inside", f"{spec.colour}, (x - {list(spec.mean)}) / {list(spec.std)}"),
    ]
    if card.task == "detector":
        of_any = " of any class" if postprocess.class_agnostic else ""
        rows += [
            ("tail", f"{postprocess.tail}, K {postprocess.candidates}, M {postprocess.max_detections}"),
            ("thresholds", f"score {postprocess.score_floor}, IoU {postprocess.iou_threshold}{of_any}"),
        ]
    return Section(title=card.task.capitalize(), rows=tuple(rows))


def _engine(engine: Engine) -> Section:
    least, best, most = engine.batch
    rows = [
        ("compiler", f"{engine.compiler} {engine.version}"),
        ("compiled for", ", ".join(engine.compute_capabilities) or "all GPUs that the compiler targets by itself"),
        ("built with", f"{engine.gpu}, driver {engine.driver}" if engine.gpu else "no GPU at hand"),
        ("frames a run", f"{least}" if least == most else f"{least} to {most}, best {best}"),
        ("graph", engine.graph),
        ("runs on", "other GPUs from 8.0 on too" if engine.hardware_compatible else "these GPUs alone"),
        ("runs under", "later versions too" if engine.version_compatible else "this version alone"),
        ("deserialised", "yes" if engine.deserialised else "never"),
        ("executed", "yes, and compared with its graph" if engine.executed else "never"),
    ]
    return Section(title="Engine", rows=tuple(rows))


def _ancestry(inspection: Inspection, card: Card) -> Section:
    origin = card.origin
    rows = [("this file", inspection.sha256)]
    if origin.parent_sha256:
        rows.append(("made from", origin.parent_sha256))
    rows += [("which was made from", item) for item in origin.ancestors_sha256]
    if origin.data:
        rows.append(("trained on", origin.data))
    if origin.data_sha256:
        rows.append(("data list", origin.data_sha256))
    if origin.split_seed is not None:
        rows.append(("split seed", str(origin.split_seed)))
    if origin.settings:
        rows.append(("settings", ", ".join(f"{name} {value}" for name, value in origin.settings.items())))
    if card.int8 is not None:
        rows.append(("trained for int8", card.int8.summary))
    if origin.packages:
        rows.append(("made with", ", ".join(f"{name} {version}" for name, version in origin.packages.items())))
    return Section(title="Ancestry", rows=tuple(rows))


def _measurements(card: Card) -> Section:
    return Section(title="Measurements", rows=tuple(_measured(item) for item in card.measurements))


def _measured(item: Measurement) -> tuple[str, str]:
    note = f" ({item.note})" if item.note else ""
    return f"{item.value:.4g}", f"{item.metric}; {item.data}{note}"

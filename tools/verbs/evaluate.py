"""`singleshot evaluate`: average precision, or a classifier's accuracy, on labelled images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...runtime.errors import InputError
from ..terminal.backend_option import BackendFlag, TrustFlag, open_with
from ..terminal.data_options import AnywayFlag, BackgroundFlag, DataFlags, StrictFlag
from ..terminal.stage_progress import stage_progress, tell
from ..terminal.tiles_option import TilesFlag
from ..terminal.verb import verb

if TYPE_CHECKING:
    from rich.table import Table

    from ...calib.accuracy.average_precision import ClassResult, EvaluationResult
    from ...calib.accuracy.coco_figures import CocoFigures
    from ...calib.accuracy.evaluate import OnDetections
    from ...calib.accuracy.top_k import AccuracyResult
    from ...data.dataset import Dataset
    from ...runtime.session import Session

_CHECKPOINT_SUFFIX = ".ckpt"


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What `evaluate` is told."""

    artefact: Annotated[
        Path, typer.Argument(metavar="ARTEFACT", help="A checkpoint (.ckpt), a graph (.onnx) or an engine (.engine).")
    ]
    data: DataFlags
    split: Annotated[
        str, typer.Option(help="One of the data's own lists (train, val, …), or seeded-train, seeded-val.")
    ] = "val"
    seed: Annotated[int | None, typer.Option(help="Of a seeded split; 0 if not given.")] = None
    backend: BackendFlag = "auto"
    trust: TrustFlag = False
    tiles: TilesFlag = None
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False
    save_detections: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write what was found as COCO's results (.json), by the ids of COCO's data, else by those that "
            "convert-data gives.",
        ),
    ] = None
    strict: StrictFlag = False
    missing_is_background: BackgroundFlag = False
    anyway: AnywayFlag = False


@verb
def evaluate(options: EvaluateOptions) -> None:
    """Measure average precision per class on labelled images; of a classifier, top-1 and top-5 accuracy.

    AP50 (VOC) follows PASCAL VOC: area under the whole curve at IoU 0.5. AP50 and AP50:95 follow COCO: 101 points.
    Difficult objects and crowds are ignored. Classes with too few objects are shown, but not averaged in. The
    twelve figures of COCO's own evaluation, small and large objects apart, are over all classes that have objects; with
    --tiles those without them are shown beside them.

    Of several data sets, each given by --data, a class is measured on the images of those that label it.

    Where every image shows one class, as ILSVRC's do, its localization error is measured too: class and box (IoU 0.5)
    of the best guess and of the best five, each class's best box being a guess.

    Examples:
      singleshot evaluate runs/animals/best.ckpt --data VOC --split val

      singleshot evaluate animals.onnx --data VOC --backend openvino:bf16
    """
    from ...calib.accuracy import evaluate as evaluation
    from ...calib.accuracy.top_k import AccuracyResult, evaluate_accuracy
    from ...data.mixed_data import check_parts
    from ...runtime.detection.tiles import Tiles

    with _open_artefact(options) as session:
        tiles = None if options.tiles is None else Tiles.from_option(options.tiles)
        if tiles is not None:
            tiles.check_suits(session.card)
        dataset = evaluation.open_dataset_for(
            session.card,
            *options.data,
            strict=options.strict,
            missing_is_background=options.missing_is_background,
            anyway=options.anyway,
        )
        split = dataset.split_meant_by(options.split)
        check_parts(dataset, split)
        seed = _seed_of(dataset, split, options.seed)
        of_seed = "" if seed is None else f" (seed {seed})"
        tell(f"{dataset.found}, split {split}{of_seed}", *dataset.notes)
        result: EvaluationResult | AccuracyResult
        with _detections_writer(options, session, dataset, split) as write, stage_progress() as told:
            if session.card.task == "classifier":
                result = evaluate_accuracy(session, dataset, split, seed=seed or 0, on_progress=told)
            else:
                result = evaluation.evaluate(
                    session, dataset, split, seed=seed or 0, tiles=tiles, on_progress=told, on_detections=write
                )
        tell(*dataset.report.lines())
        if options.as_json:
            print(json.dumps(_to_dict(options, session, dataset, seed, result), indent=1))
        else:
            title = f"{options.artefact.name} on {dataset.name} {split}{of_seed}"
            if isinstance(result, AccuracyResult):
                _print_accuracy(result, title=title)
            else:
                _print_table(result, title=title)


def _open_artefact(options: EvaluateOptions) -> Session:
    path, backend = options.artefact, options.backend
    if path.suffix == _CHECKPOINT_SUFFIX:
        from ...runtime.require import require

        if backend != "auto":
            raise InputError(
                f"--backend: expected auto with a checkpoint, which runs in PyTorch, got {backend}. Export it first."
            )
        require("torch", extra="train", why="a checkpoint")
        from ...train.checkpoints.checkpoint import open_checkpoint_session

        return open_checkpoint_session(path)
    return open_with(path, backend, trust=options.trust)


def _seed_of(dataset: Dataset, split: str, seed: int | None) -> int | None:
    """Return the seed that the split depends on, None for an official list."""
    from ...data.splits import SEEDED_SPLITS

    if split in SEEDED_SPLITS:
        return seed or 0
    if seed is not None:
        raise InputError(
            f"--seed: expected none with the official list {split} of {dataset.name}, got {seed}. "
            f"Leave it out, or choose {' or '.join(SEEDED_SPLITS)}."
        )
    return None


@contextmanager
def _detections_writer(
    options: EvaluateOptions, session: Session, dataset: Dataset, split: str
) -> Iterator[OnDetections | None]:
    path = options.save_detections
    if path is None:
        yield None
        return
    from ...data.writers.coco_results import coco_results

    if session.card.task == "classifier":
        raise InputError("--save-detections: expected a detector, got a classifier. Leave it out.")
    with coco_results(path, dataset.coco_ids(split, seed=options.seed or 0), dataset.class_names) as write:
        yield write


def _to_dict(
    options: EvaluateOptions,
    session: Session,
    dataset: Dataset,
    seed: int | None,
    result: EvaluationResult | AccuracyResult,
) -> dict[str, Any]:
    return {
        "artefact": str(options.artefact),
        "network": session.card.network,
        "backend": session.backend,
        "tiles": options.tiles,
        "data": {
            "layout": dataset.layout,
            "name": dataset.name,
            "split": dataset.split_meant_by(options.split),
            "seed": seed,
        },
        "result": result.to_dict(),
        "report": dataset.report.to_dict(),
    }


def _print_table(result: EvaluationResult, *, title: str) -> None:
    from rich.console import Console

    from ...calib.accuracy.average_precision import MIN_OBJECTS

    table = _table(result, title=title)
    out = Console()
    out.print(table)
    names = ", ".join(item.name for item in result.supported) or "no class: none has enough objects"
    out.print(f"{result.images} images. Means over {names}.", highlight=False, markup=False)
    if len(result.supported) < len(result.classes):
        note = f"(…) fewer than {MIN_OBJECTS} objects, - none: not averaged in."
        out.print(note, highlight=False, markup=False)
    shown = {"COCO's own figures": result} if result.coco else {}
    if result.without_tiles is not None:
        shown["The same without --tiles"] = result.without_tiles
    for title, one in shown.items():
        for line in _coco_lines(one.coco, title) if one.coco else ():
            out.print(line, highlight=False, markup=False, soft_wrap=True)
    if result.localization is not None:
        errors = f"top-1 {result.localization.top1:.3f}, top-5 {result.localization.top5:.3f}"
        out.print(f"ILSVRC localization error: {errors}.", highlight=False, markup=False)


def _table(result: EvaluationResult, *, title: str) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left")
    table.add_column("class")
    for heading in ("AP50 (VOC)", "AP50", "AP50:95", "objects", "ignored"):
        table.add_column(heading, justify="right")
    for item in result.classes:
        figures = (_figure(value, item) for value in (item.ap50_voc, item.ap50, item.ap50_95))
        table.add_row(escape(item.name), *figures, str(item.objects), str(item.difficult_objects))
    table.add_section()
    means = (result.mean_ap50_voc, result.mean_ap50, result.mean_ap50_95)
    table.add_row("mean", *("-" if value is None else f"{value:.3f}" for value in means), "", "")
    return table


def _coco_lines(figures: CocoFigures, title: str) -> Iterator[str]:
    """Name the twelve as COCO does."""
    named = {
        "precision": {
            "AP50:95": figures.ap,
            "AP50": figures.ap50,
            "AP75": figures.ap75,
            "small": figures.ap_small,
            "medium": figures.ap_medium,
            "large": figures.ap_large,
        },
        "recall": {
            "AR@1": figures.ar_1,
            "AR@10": figures.ar_10,
            "AR@100": figures.ar_100,
            "small": figures.ar_small,
            "medium": figures.ar_medium,
            "large": figures.ar_large,
        },
    }
    yield f"{title}, over all {figures.classes} classes that have objects:"
    for kind, values in named.items():
        shown = (f"{name} {'-' if value is None else f'{value:.3f}'}" for name, value in values.items())
        yield f"  {kind}: {', '.join(shown)}"


def _figure(value: float | None, item: ClassResult) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if item.supported else f"({value:.3f})"


def _print_accuracy(result: AccuracyResult, *, title: str) -> None:
    """Print top-1 and top-5 per class and over all images."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left")
    table.add_column("class")
    for heading in ("top-1", "top-5", "images"):
        table.add_column(heading, justify="right")
    for item in result.classes:
        shares = ("-" if share is None else f"{share:.3f}" for share in (item.top1, item.top5))
        table.add_row(escape(item.name), *shares, str(item.images))
    table.add_section()
    table.add_row("all images", f"{result.top1:.3f}", f"{result.top5:.3f}", str(result.images))
    out = Console()
    out.print(table)
    if result.ambiguous:
        out.print(
            f"{result.ambiguous} images with objects of several classes, or of none, were left out.", highlight=False
        )

"""The paper's table and figures, beside the paper's own numbers: Markdown, CSV and PNG from finished runs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...runtime.files import StrPath, whole_file
from ...train.paper.ablation import ablations, changes_against_none, verdict
from ...train.paper.plan import AUGMENTATIONS, NO_AUGMENTATION, OURS, PaperRun, Round
from ...train.paper.results import (
    LATE,
    FinishedRun,
    all_finished,
    by_experiment,
    gap,
    late_values,
    load_boxes,
    named_groups,
    over_seeds,
)
from ...train.paper.seed_interval import SeedMean, seed_mean
from .commands import commands_of
from .figures import ablation_figure, accuracy_figure, boxes_figure, classes_figure, save_figure, ssd_loss_figure

REPORT = "results.md"

PAPER_ACCURACY = {"resnet50": (0.63, 0.93), "ssd7_classifier": (0.61, 0.90), "resnet_dropout": (0.66, 0.91)}
"""Top-1 and top-5 of the paper's section 4.2, after 100 epochs."""
_PAPER_CLASSES = 25

_ACCURACY = {"val_top1": "top-1", "val_top5": "top-5", "top1": "training top-1"}
_LOSSES = {"val_loss": "SSD loss", "val_class_loss": "of it, classes", "val_box_loss": "of it, boxes"}
_FOUND = {
    "val_ap50_voc": "AP50 (VOC)",
    "val_localization_error_top1": "localization error, top-1",
    "val_localization_error_top5": "localization error, top-5",
}
_COLUMNS = ("top1", "val_top1", "val_top5", "loss", *_LOSSES, *_FOUND)


def write_paper_report(out: StrPath) -> Path | None:
    """Write everything that can be said of the finished runs below a folder.

    Args:
        out: folder of the results; what is already there of the report is replaced.

    Returns:
        The Markdown file; None where no run is finished.

    Raises:
        InputError: a finished run cannot be read, or the folder cannot be written to.
    """
    out = Path(out)
    finished = all_finished(out)
    if not finished:
        return None
    _write_csv(out / "runs.csv", [_run_row(item) for item in finished])
    _write_csv(out / "table.csv", _table_rows(finished))
    parts = [
        *_heading(finished),
        *_classification(finished, out),
        *_localization(finished, out),
        *_joint(finished, out),
        *_class_counts(finished, out),
        *_ablation(finished, out),
        *_durations(finished),
    ]
    with whole_file(out / REPORT) as temporary:
        temporary.write_text("\n".join(parts) + "\n", encoding="utf-8")
    return out / REPORT


def _heading(finished: Sequence[FinishedRun]) -> list[str]:
    lines = ["# Object Classification and Localization on ImageNet, run again", ""]
    lines += [*(f"    {command}" for command in commands_of(finished)), ""]
    lines += dict.fromkeys(
        f"- Data of {item.run.classes} classes: {item.data} (`seeded-train`, `seeded-val`, 80/20 by class, seed 0). "
        f"The images are {item.original_px[0]} x {item.original_px[1]} pixels (median) and were fitted to "
        f"{item.run.size} x {item.run.size}; the paper's 12,960 images of 25 classes were fitted to 224 x 224 from "
        f"ImageNet's originals. Numbers side by side below are of different pictures."
        for item in finished
    )
    lines += [
        "- Figures are those after the last epoch, as the paper's; means over the seeds, in brackets Student's 95 % "
        "interval of the mean. One seed has no interval.",
        "- Every network of a round was trained with the same recipe; none was tuned by itself.",
        "",
    ]
    return lines


def _classification(finished: Sequence[FinishedRun], out: Path) -> list[str]:
    groups = named_groups(finished, "classification")
    if not groups:
        return []
    save_figure(accuracy_figure(groups), out / "accuracy.png")
    rows = []
    for group in groups.values():
        paper = [f"{share:.0%}" for share in _paper_accuracy(group[0].run)] or ["", ""]
        rows.append([group[0].run.network, *_how(group), *_shares(group, _ACCURACY), *paper])
    header = ["network", *_HOW, *_ACCURACY.values(), "paper, top-1", "paper, top-5"]
    lines = ["## Classification", "", *_markdown_table(header, rows), ""]
    for ours, base in _pairs(finished, "classification", OURS, "resnet50"):
        if (difference := gap(ours, base, "val_top1")) is not None:
            text = f"`{OURS}` less `resnet50`, top-1, {_way(ours)}: {_points(difference)} ({_seeds(difference)})"
            lines += [f"{text}; the paper's of 25 classes is +3 points.", ""]
    return [*lines, "![Accuracy of training and validation over the epochs](accuracy.png)", ""]


def _paper_accuracy(run: PaperRun) -> tuple[float, ...]:
    """Give the paper's top-1 and top-5 of the same experiment, or nothing where it has none."""
    if run.round != "classification" or run.classes != _PAPER_CLASSES:
        return ()
    return PAPER_ACCURACY.get(run.network, ())


def _localization(finished: Sequence[FinishedRun], out: Path) -> list[str]:
    groups = named_groups(finished, "localization")
    if not groups:
        return []
    save_figure(ssd_loss_figure(groups), out / "ssd_loss.png")
    rows = []
    for group in groups.values():
        losses = (_number(over_seeds(group, column)) for column in _LOSSES)
        rows.append([group[0].run.network, *_how(group), *losses, *_shares(group, _FOUND)])
    lines = [
        "## Localization",
        "",
        *_markdown_table(["network", *_HOW, *_LOSSES.values(), *_FOUND.values()], rows),
        "",
        "The loss is that of the validation split, divided by the default boxes that learn an object. The networks "
        "have default boxes of their own, so their losses are not of quite the same thing; AP50 and ILSVRC's "
        "localization error (IoU 0.5, each class's best box) are. The paper gives one number: a loss about 1 % below "
        "SSD7's.",
        "",
    ]
    for ours, theirs in _pairs(finished, "localization", "ssd_resnet", "ssd7"):
        if (text := _detectors_apart(ours, theirs)) is not None:
            lines += [text, ""]
    return [*lines, "![SSD loss of training and validation over the epochs](ssd_loss.png)", ""]


def _detectors_apart(ours: Sequence[FinishedRun], theirs: Sequence[FinishedRun]) -> str | None:
    """Say how far the paper's detector is from SSD7's in loss and AP50, seed by seed."""
    change, base = gap(ours, theirs, "val_loss"), over_seeds(theirs, "val_loss")
    if change is None or base is None:
        return None
    loss = f"{_number(change, sign='+')}, {change.mean / base.mean:+.1%} of the loss"
    found = gap(ours, theirs, "val_ap50_voc")
    ap50 = "" if found is None else f"; AP50 {_points(found)}"
    return f"`ssd_resnet` less `ssd7`, {_way(ours)}: {loss}{ap50} ({_seeds(change)})."


def _joint(finished: Sequence[FinishedRun], out: Path) -> list[str]:
    groups = named_groups(finished, "classification")
    centres = {name: points for name, group in groups.items() if (points := load_boxes(out, group[0].run)) is not None}
    if not centres:
        return []
    save_figure(boxes_figure(centres), out / "boxes.png")
    columns = {key: label for key, label in _FOUND.items() if key.startswith("val_loc")}
    rows = [
        [name, *_shares(groups[name], {"val_top1": "", **columns}), *(f"{value:.2f}" for value in _spread(points))]
        for name, points in centres.items()
    ]
    header = ["network", "top-1", *columns.values(), "spread of the middle, predicted / true", "correlation"]
    return [
        "## A class and one box",
        "",
        *_markdown_table(header, rows),
        "",
        "A spread near 0 means that every box is put in the middle of the image, which is what the paper saw of "
        "`vgg_joint`. `vgg_joint_normalised` has the same layers: its box is normalised, its loss generalised IoU.",
        "",
        "![Where boxes have their middle, true against predicted](boxes.png)",
        "",
    ]


def _spread(points: NDArray[np.float32]) -> tuple[float, float]:
    """Spread of predicted middles relative to the true ones, and how the two go together; means over x and y."""
    true, found = points[:, :2], points[:, 2:]
    spread = float((found.std(axis=0) / np.maximum(true.std(axis=0), 1e-6)).mean())
    moved = (found - found.mean(axis=0)) * (true - true.mean(axis=0))
    scale = np.maximum(found.std(axis=0) * true.std(axis=0), 1e-9)
    return spread, float((moved.mean(axis=0) / scale).mean())


def _class_counts(finished: Sequence[FinishedRun], out: Path) -> list[str]:
    network = "vgg_lite"
    lines: list[str] = []
    ways = _by_way(
        item for item in finished if item.run.network == network and item.run.round in ("classes", "classification")
    )
    for way, group in ways.items():
        of_seeds: dict[int, dict[int, FinishedRun]] = {}
        for item in group:  # the same training may have been run in either round
            of_seeds.setdefault(item.run.classes, {}).setdefault(item.run.seed, item)
        points = {count: list(of_seed.values()) for count, of_seed in of_seeds.items()}
        if len(points) < _LEAST_POINTS:
            continue
        picture = f"classes-{way}.png"
        save_figure(classes_figure(points), out / picture)
        rows = [
            [*_how(points[count]), f"{1 / count:.1%}", *_shares(points[count], {"val_top1": "", "top1": ""})]
            for count in sorted(points)
        ]
        header = [*_HOW, "guessing", "top-1", "training top-1"]
        lines += [*_markdown_table(header, rows), "", f"![Accuracy against the number of classes]({picture})", ""]
    return [f"## {network} and the number of classes", "", *lines] if lines else []


_LEAST_POINTS = 2
"""Numbers of classes that make a comparison."""


def _ablation(finished: Sequence[FinishedRun], out: Path) -> list[str]:
    lines: list[str] = []
    for variant, groups in ablations(finished).items():
        run = groups[NO_AUGMENTATION][0].run
        changes, losses = (changes_against_none(groups, column) for column in ("val_top1", "val_class_loss"))
        picture = f"ablation-{variant}.png"
        save_figure(ablation_figure(changes, losses), out / picture)
        rows = []
        for name in [name for name in AUGMENTATIONS if name in groups]:
            change, loss = changes.get(name), losses.get(name)
            texts = ["", ""] if change is None else [_points(change), verdict(change)]
            texts += ["", ""] if loss is None else [_number(loss, sign="+"), verdict(loss, less_is_better=True)]
            shares = _shares(groups[name], {"val_top1": "", "top1": ""})
            late = late_values(groups[name], "val_top1")
            shares.insert(1, _percent(seed_mean(late)) if late else "")
            rows.append([name, *_how(groups[name]), *shares, *texts])
        measured = [
            "top-1",
            f"of the last {LATE}",
            "training top-1",
            "change of top-1",
            "verdict",
            "change of the cross-entropy",
            "verdict",
        ]
        header = ["augmentation", *_HOW, *measured]
        lines += [f"Of `{run.network}`:", "", *_markdown_table(header, rows), ""]
        lines += [f"![What each augmentation changes]({picture})", ""]
    about = (
        "A change is a mean over the seeds less that without augmentation, of top-1 accuracy or of the validation "
        f"split's cross-entropy. Of a run its mean over the last {LATE} validations counts: at a constant learning "
        "rate a single epoch's figure goes up and down by points. The interval is Dunnett's: with 95 % confidence all "
        "of a table's intervals of a figure hold at once. An augmentation helps or hurts a figure where its interval "
        "leaves out 0."
    )
    return ["## Augmentation, one at a time", "", about, "", *lines] if lines else []


def _durations(finished: Sequence[FinishedRun]) -> list[str]:
    rows = [
        [
            item.run.round,
            item.run.variant,
            str(item.run.seed),
            f"{item.seconds / 60:.1f}" + (" (resumed)" if item.resumed else ""),
        ]
        for item in finished
    ]
    return ["## Runs", "", *_markdown_table(["round", "run", "seed", "minutes"], rows)]


_HOW = ("classes", "recipe", "input", "epochs", "seeds")


def _how(group: Sequence[FinishedRun]) -> list[str]:
    run = group[0].run
    seeds = ", ".join(str(item.run.seed) for item in group)
    return [str(run.classes), run.recipe, f"{run.size} px", f"{run.epochs}{_before(run)}", seeds]


def _before(run: PaperRun) -> str:
    return f", {run.base_epochs} before as a classifier" if run.base_epochs else ""


def _way(group: Sequence[FinishedRun]) -> str:
    """Tell in a sentence what two networks have in common that were trained alike."""
    run = group[0].run
    return f"{run.classes} classes, {run.recipe} recipe, {run.epochs} epochs{_before(run)}"


def _shares(group: Sequence[FinishedRun], columns: Mapping[str, str]) -> list[str]:
    means = [over_seeds(group, column) for column in columns]
    return ["" if mean is None else _percent(mean) for mean in means]


def _percent(mean: SeedMean) -> str:
    text = f"{mean.mean:.1%}"
    return text if mean.interval is None else f"{text} [{mean.interval.low:.1%}, {mean.interval.high:.1%}]"


def _points(change: SeedMean) -> str:
    """Write a difference of two shares, in percentage points."""
    text = f"{100 * change.mean:+.1f}"
    if change.interval is not None:
        text += f" [{100 * change.interval.low:+.1f}, {100 * change.interval.high:+.1f}]"
    return f"{text} points"


def _number(mean: SeedMean | None, *, sign: str = "") -> str:
    if mean is None:
        return ""
    return f"{mean.mean:{sign}.3f}" + ("" if mean.interval is None else f" {mean.interval.text(3)}")


def _seeds(mean: SeedMean) -> str:
    return f"{mean.count} seeds" if mean.count > 1 else "one seed, so without an interval"


def _run_row(item: FinishedRun) -> dict[str, object]:
    return {**vars(item.run), "seconds": round(item.seconds), **{name: item.last(name) for name in _COLUMNS}}


def _table_rows(finished: Sequence[FinishedRun]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for group in by_experiment(finished).values():
        run = group[0].run
        paper = dict(zip(("val_top1", "val_top5"), _paper_accuracy(run), strict=False))
        for column in _COLUMNS:
            if (mean := over_seeds(group, column)) is not None:
                bounds = (None, None) if mean.interval is None else (mean.interval.low, mean.interval.high)
                shared = {key: value for key, value in vars(run).items() if key != "seed"}
                figures = {"figure": column, "mean": mean.mean, "low": bounds[0], "high": bounds[1]}
                rows.append({**shared, **figures, "seeds": mean.count, "paper": paper.get(column)})
    return rows


def _write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    with whole_file(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def _pairs(
    finished: Sequence[FinishedRun], round_: Round, ours: str, theirs: str
) -> list[tuple[list[FinishedRun], list[FinishedRun]]]:
    """Give the runs of two networks that were trained alike, over their seeds."""
    of_ours, of_theirs = (
        {
            group[0].run.variant.removeprefix(network): group
            for group in by_experiment(item for item in finished if item.run.round == round_).values()
            if group[0].run.network == network
        }
        for network in (ours, theirs)
    )
    return [(group, of_theirs[way]) for way, group in of_ours.items() if way in of_theirs]


def _by_way(finished: Iterable[FinishedRun]) -> dict[str, list[FinishedRun]]:
    """Group runs by how they were trained, whatever the network, classes and seed."""
    groups: dict[str, list[FinishedRun]] = {}
    for item in finished:
        groups.setdefault(f"{item.run.recipe}-{item.run.size}px-{item.run.epochs}epochs", []).append(item)
    return groups

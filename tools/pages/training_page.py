"""How a training run went, as one page that needs no other file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ...runtime.require import require
from .page import picture, save_page, shrunk

if TYPE_CHECKING:
    from ...calib.records.mistakes import Review, WorstImage
    from ...data.dataset import Dataset
    from ...runtime.card import Card

_STYLE = """table{border-collapse:collapse}td,th{padding:.15em .6em;text-align:right}
td:first-child,th:first-child{text-align:left}thead th{border-bottom:1px solid #999}
.confusion td{min-width:2.5em;text-align:center}.confusion thead th{writing-mode:vertical-rl;text-align:left}"""
_SIDE_PX = 320
_MOST_CLASSES = 40
"""Of more the matrix would be too large to read; the commonest mistakes are named alone."""
_PAIRS = 20
_LABELLED, _RIM = (255, 255, 255), (0, 0, 0)

Series = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""Name -> epochs and values."""


def save_training_page(card: Card, metrics: Path, review: Review, dataset: Dataset, path: Path) -> None:
    """Write the page.

    Args:
        card: of the run's best checkpoint.
        metrics: the run's table of figures.
        review: of the best checkpoint on the validation split.
        dataset: the images, for pictures.
        path: of the page.

    Raises:
        InputError: the file cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    parts = [
        f"<h1>{escape(card.network)} on {escape(dataset.name)}</h1>",
        f"<p>Trained on {escape(card.origin.data or 'unknown data')}. The figures below are of best.ckpt on "
        f"{escape(review.split)}, {review.images} images: the split that it was chosen by, so they are upper ones by a "
        f"little.</p>",
        *(f"<p><b>{item.value:.4f}</b> {escape(item.metric)} ({escape(item.note)})</p>" for item in card.measurements),
        "<h2>Curves</h2><div class='plots'>",
        *_curves(_columns(metrics)),
        "</div>",
        *_classes(review),
        *_confusion(review),
        "<h2>Worst images</h2>",
        *_worst(review, dataset),
        *_made_from(card),
    ]
    save_page(path, title=f"{card.network} on {dataset.name}", parts=parts, style=_STYLE)


def _columns(metrics: Path) -> dict[str, tuple[list[float], list[float]]]:
    """Read the table by column, without the epochs that a column has no value of."""
    columns: dict[str, tuple[list[float], list[float]]] = {}
    with metrics.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value and name != "epoch":
                    epochs, values = columns.setdefault(name, ([], []))
                    epochs.append(float(row["epoch"]))
                    values.append(float(value))
    return columns


def _curves(columns: Series) -> Iterator[str]:
    losses = {name: series for name, series in columns.items() if name.endswith("loss")}
    validated = {name: series for name, series in columns.items() if name.startswith("val_") and name not in losses}
    rate = {name: series for name, series in columns.items() if name == "learning_rate"}
    yield _chart("loss", losses)
    if validated:
        yield _chart("validation", validated)
    yield _chart("learning rate", rate)


def _chart(title: str, series: Series) -> str:
    """Draw lines over epochs as SVG."""
    require("matplotlib", extra="train", why="The page about a training")
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "font.family": "sans-serif"}):
        figure = Figure(figsize=(5.4, 3.4), layout="constrained")
        axes = figure.add_subplot()
        pairs = list(dict.fromkeys(name.removeprefix("val_") for name in series))
        for name, (epochs, values) in series.items():  # what is validated has its counterpart's colour
            line = "o--" if name.startswith("val_") else "-"
            axes.plot(
                epochs, values, line, label=name, color=f"C{pairs.index(name.removeprefix('val_'))}", markersize=3
            )
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        if len(series) > 1:
            figure.legend(loc="outside lower center", ncols=3, fontsize="small")
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    text = drawn.getvalue()
    return text[text.index("<svg") :]


def _classes(review: Review) -> Iterator[str]:
    from ...calib.accuracy.average_precision import EvaluationResult

    result = review.result
    yield "<h2>Classes</h2>"
    if isinstance(result, EvaluationResult):
        named = ("AP50 (VOC)", "AP50", "AP50:95", "objects", "images")
        rows = [
            (item.name, item.ap50_voc, item.ap50, item.ap50_95, item.objects, item.images) for item in result.classes
        ]
        means = ("mean", result.mean_ap50_voc, result.mean_ap50, result.mean_ap50_95, "", result.images)
        yield _table(("class", *named), [*rows, means])
        yield "<p>Means are over the classes with enough objects: "
        yield escape(", ".join(item.name for item in result.supported) or "none") + ".</p>"
    else:
        accuracies = [(item.name, item.top1, item.top5, item.images) for item in result.classes]
        yield _table(
            ("class", "top-1", "top-5", "images"), [*accuracies, ("all", result.top1, result.top5, result.images)]
        )


def _table(heading: Sequence[str], rows: Sequence[Sequence[str | float | None]]) -> str:
    def shown(value: str | float | None) -> str:
        if value is None:
            return "-"
        return f"{value:.3f}" if isinstance(value, float) else escape(str(value))

    head = "".join(f"<th>{escape(name)}</th>" for name in heading)
    body = "".join(f"<tr>{''.join(f'<td>{shown(value)}</td>' for value in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _confusion(review: Review) -> Iterator[str]:
    yield "<h2>Confusion</h2><p>Row: labelled. Column: answered."
    if review.score is not None:
        yield (
            f" Detections from a score of {review.score:.2f} on, that of the best F1 here, paired with objects at IoU "
            f"0.5. The last row are detections where nothing is, the last column objects that were missed."
        )
    yield "</p>"
    names, counts = review.classes, review.confusion
    if len(names) <= _MOST_CLASSES:
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        yield f'<table class="confusion"><thead><tr><th></th>{head}</tr></thead>'
        for at, name in enumerate(names):
            total = max(int(counts[at].sum()), 1)
            cells = "".join(
                _cell(int(count), int(count) / total, right=at == to) for to, count in enumerate(counts[at])
            )
            yield f"<tr><th>{escape(name)}</th>{cells}</tr>"
        yield "</table>"
    pairs = [(int(counts[row, to]), row, to) for row, to in zip(*counts.nonzero(), strict=True) if row != to]
    rows = [(names[row], names[to], count) for count, row, to in sorted(pairs, reverse=True)[:_PAIRS]]
    yield "<h3>The commonest mistakes</h3>"
    yield _table(("labelled", "answered", "times"), rows) if rows else "<p>None.</p>"


def _cell(count: int, share: float, *, right: bool) -> str:
    colour = "76,120,168" if right else "245,133,24"
    style = f' style="background:rgba({colour},{share:.2f})"' if count else ""
    return f"<td{style}>{count or ''}</td>"


def _worst(review: Review, dataset: Dataset) -> Iterator[str]:
    if not review.worst:
        yield "<p>Nothing was wrong in any image.</p>"
    elif review.score is not None:
        yield "<p>White: labelled. Colours: what was found, with its score.</p>"
    for item in review.worst:
        yield _figure(item, dataset)


def _figure(item: WorstImage, dataset: Dataset) -> str:
    import cv2

    from ...runtime.image_files import read_image_bgr
    from ...runtime.sinks.overlay import draw_detections

    sample = dataset.sample(item.image_id)
    image, scale = shrunk(read_image_bgr(sample.image_path, upright=False), _SIDE_PX)
    if item.found is not None:
        image = draw_detections(image, item.found, dataset.class_names)
        for box in sample.boxes_xyxy_px:
            left, top, right, bottom = (round(float(corner) * scale) for corner in box)
            for colour, line_px in ((_RIM, 3), (_LABELLED, 1)):
                cv2.rectangle(image, (left, top), (right - 1, bottom - 1), colour, line_px)
    return picture(image, f"{item.image_id}: {item.wrong}")


def _made_from(card: Card) -> Iterator[str]:
    from ...train.configuration import settings_text
    from ...train.settings import train_settings

    origin = card.origin
    text = settings_text(card.network, train_settings(**origin.settings))
    packages = ", ".join(f"{name} {version}" for name, version in origin.packages.items())
    seed = "" if origin.split_seed is None else f", split seed {origin.split_seed}"
    yield f"<h2>Data</h2><p>{escape(origin.data or '')}{seed}; sha256 {escape(origin.data_sha256 or 'unknown')}</p>"
    yield f"<p>Classes: {escape(', '.join(card.class_names))}</p>"
    yield f"<h2>Settings</h2><p>{escape(packages)}</p><details><summary>all, as TOML</summary>"
    yield f"<pre>{escape(text)}</pre></details>"

"""An accuracy gate as one page of HTML that needs no other file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ...calib.records.compare import Changed
from ...calib.records.labelled_images import LabelledImages
from ...calib.records.operating_point import OperatingPoint, Rederived
from ...data.usable_samples import image_or_problem
from ...export.gate.judge import Judged
from ...export.gate.result import GateResult
from ...export.gate.search import Search
from .gate_plots import deltas_svg, front_svg, shift_svg
from .page import picture, save_page, shrunk

_STYLE = """
.verdict{font-size:1.1em;font-weight:600}.dim{color:#777}
table{border-collapse:collapse}
th,td{border-top:1px solid #ddd;padding:.3em 1em .3em 0;text-align:right;vertical-align:top}
th{border:0}th:first-child,td:first-child{text-align:left;overflow-wrap:anywhere}
svg{max-width:100%;height:auto;display:block}svg text{font-size:12px;fill:#222}svg text.dim{fill:#777}
svg rect,.dot{fill:#4c78a8}.accepted{fill:#2b9d4a}.loss{fill:#e06a00}.axis{stroke:#777}
.front{stroke:#4c78a8;stroke-width:2;fill:none}.allowed{stroke:#e06a00;stroke-dasharray:5 4}"""


def save_gate_page(result: GateResult, path: Path, *, title: str) -> None:
    """Write the page.

    Args:
        result: of the gate.
        path: of the page.
        title: what the page is about: the graph that was made.

    Raises:
        InputError: the file cannot be written.
    """
    save_page(path, title=title, parts=(f"<h1>{escape(title)}</h1>", *_body(result)), style=_STYLE)


def _body(result: GateResult) -> Iterator[str]:
    first, *lines = result.lines()
    yield f"<p class='dim'>{escape(first)}; parent {escape(result.parent.name)}</p>"
    for line in lines[len(result.judged) :]:
        yield f"<p class='verdict'>{escape(line)}</p>"
    yield "<h2>Candidates</h2>"
    yield _candidates(result)
    yield "<h2>Accuracy against latency, measured here</h2>"
    yield front_svg(result)
    judged = result.shown
    if judged is not None:
        yield from _details(judged, result)
    if result.search is not None:
        yield from _search(result.search)


def _candidates(result: GateResult) -> str:
    rows = [["parent", f"{result.parent_figure:.2f}", "", "", f"{result.parent_latency_ms:.2f}", "1.00", ""]]
    for item in result.judged:
        if item.failure is not None:
            rows.append([item.candidate.name, "", "", "", "", "", f"cannot be run: {item.failure}"])
            continue
        delta = item.deltas[0]
        rows.append(
            [
                item.candidate.name,
                f"{delta.candidate:.2f}",
                f"{delta.drop:+.2f}",
                delta.interval_text,
                f"{item.latency_ms or 0:.2f}",
                f"{result.speed_up(item):.2f}",
                _outcome(item, result),
            ]
        )
    heads = ["", result.metric, "drop", "95 % interval", "ms a frame", "times as fast", ""]
    return _table(heads, rows)


def _outcome(item: Judged, result: GateResult) -> str:
    if result.accepted is not None and item.candidate == result.accepted.candidate:
        return "accepted"
    if not item.candidate.is_eligible:
        return "fell short on the choosing images"
    return "within the allowed drop" if item.passes else "loses too much"


def _details(judged: Judged, result: GateResult) -> Iterator[str]:
    name = escape(judged.candidate.name)
    yield f"<h2>{name}: change by class and size of object, points of {escape(result.metric)}</h2>"
    yield (
        "<p>Bars hold 95 % of resamples of the images, the same for parent and candidate. Where a bar reaches over the "
        "line, these images show no measurable loss; a long bar says that they cannot tell.</p>"
    )
    yield deltas_svg(judged.deltas)
    yield _table(
        ["", "objects", "parent", "candidate", "drop", "95 % interval"],
        [
            [
                item.group.name,
                str(item.group.objects),
                f"{item.parent:.2f}",
                f"{item.candidate:.2f}",
                f"{item.drop:+.2f}",
                item.interval_text,
            ]
            for item in judged.deltas
        ],
    )
    yield from _scores(judged)
    if judged.candidate.kept_float:
        yield f"<h2>Kept in float</h2><p>{escape(', '.join(judged.candidate.kept_float))}</p>"
    yield f"<h2>Objects lost: {len(judged.lost)}, gained: {len(judged.gained)}</h2>"
    yield "<p>At the parent's best threshold. Orange: lost; green: gained; scores parent → candidate.</p>"
    yield from worst_figures(judged, result.images)


def _scores(judged: Judged) -> Iterator[str]:
    if judged.shift is not None:
        shift = judged.shift
        yield "<h2>Scores of what both find, candidate less parent</h2>"
        yield (
            f"<p>{shift.objects} found by both; median {shift.median:+.4f}, 90 % between {shift.low:+.4f} and "
            f"{shift.high:+.4f}.</p>"
        )
        yield shift_svg(shift)
    yield "<h2>Score thresholds</h2>"
    yield "<p>The candidate's threshold that has the parent's precision, and what it gives.</p>"
    rows = [row for item in judged.thresholds for row in _threshold_rows(item)]
    yield _table(["", "threshold", "precision", "recall", "F1"], rows)


def _threshold_rows(item: Rederived) -> list[list[str]]:
    rows = [_point("parent", item.parent), _point("candidate, same threshold", item.unchanged)]
    if item.rederived is None:
        return [*rows, ["candidate, re-derived", "none has that precision", "", "", ""]]
    return [*rows, _point("candidate, re-derived", item.rederived)]


def _point(name: str, point: OperatingPoint) -> list[str]:
    return [name, f"{point.threshold:.3f}", f"{point.precision:.3f}", f"{point.recall:.3f}", f"{point.f1:.3f}"]


def _search(search: Search) -> Iterator[str]:
    yield "<h2>How candidates were chosen</h2>"
    yield "<p>On images that no figure above comes from.</p>"
    yield _table(["", "drop"], [[item.name, f"{item.drop:+.2f}"] for item in search.trials])
    if search.harms:
        yield "<h2>What quantizing one block alone does</h2>"
        yield _table(
            ["block", "disagreement with the parent", "drop", "95 % interval"],
            [
                [
                    item.block,
                    f"{item.disagreement:.4f}",
                    "" if item.drop is None else f"{item.drop:+.2f}",
                    "" if item.interval is None else item.interval.text(),
                ]
                for item in search.harms
            ],
        )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


PICTURES = 12


_SIDE_PX = 320


_LOST = (0, 110, 255)
"""Orange, BGR."""


_GAINED = (60, 180, 40)
"""Green."""


def worst_figures(judged: Judged, images: LabelledImages) -> Iterator[str]:
    """Show the images where most was lost or gained, as HTML figures; lost objects orange, gained ones green.

    Args:
        judged: the candidate.
        images: that it was judged by.
    """
    changes: dict[str, list[tuple[Changed, bool]]] = defaultdict(list)
    for is_lost, group in ((True, judged.lost), (False, judged.gained)):
        for item in group:
            changes[item.image_id].append((item, is_lost))
    worst = sorted(changes.items(), key=lambda pair: -sum(_moved(item) for item, _ in pair[1]))
    for image_id, items in worst[:PICTURES]:
        image = image_or_problem(images.dataset.sample(image_id))
        if isinstance(image, np.ndarray):
            yield _figure(image_id, image, items)


def _moved(item: Changed) -> float:
    return abs(item.parent_score - item.candidate_score)


def _figure(image_id: str, image: NDArray[np.uint8], items: Sequence[tuple[Changed, bool]]) -> str:
    small, scale = shrunk(image, _SIDE_PX)
    for item, is_lost in items:
        left, top, right, bottom = (round(corner * scale) for corner in item.box_xyxy_px)
        if right > left:
            cv2.rectangle(small, (left, top), (right - 1, bottom - 1), _LOST if is_lost else _GAINED, 2)
    said = "; ".join(_said(item, is_lost) for item, is_lost in items)
    return picture(small, f"{image_id}: {said}")


def _said(item: Changed, is_lost: bool) -> str:
    scores = f"{_score(item.parent_score)} → {_score(item.candidate_score)}"
    return f"{'lost' if is_lost else 'gained'} {item.class_name} {scores}"


def _score(score: float) -> str:
    return f"{score:.2f}" if score else "none"

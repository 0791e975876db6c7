"""What was found in labelled images, as one page that needs no other file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ...data.check.data_statistics import ASPECT_EDGES, MOST_COUNTED, SIZE_EDGES
from .data_tables import duplicate_lines, fitted_lines, interval_names
from .page import picture, save_page, shrunk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...data.check.data_check import DataCheck
    from ...data.dataset import Dataset
    from ...data.sample import Sample
    from ...train.networks.box_coverage import BoxCoverage
    from ...train.networks.box_fitting import FittedBoxes

_PICTURES = 12
_GROUPS = 12
_SIDE_PX = 200
_BAR_PX = 260
_ROW_PX = 20
_STYLE = "svg text{font-size:12px;fill:#222}rect{fill:#4c78a8}rect.part{fill:#f58518}"


def save_data_page(
    dataset: Dataset,
    check: DataCheck,
    coverages: dict[str, BoxCoverage],
    path: Path,
    *,
    fitted: FittedBoxes | None = None,
    augmented: NDArray[np.uint8] | None = None,
) -> None:
    """Write the page.

    Args:
        dataset: the images, for pictures.
        check: what was found in them.
        coverages: split -> what default boxes can match; may be empty.
        path: of the page.
        fitted: default boxes fitted to the objects, if that was asked for.
        augmented: likewise a picture of augmented images, [h, w, 3] BGR.

    Raises:
        InputError: the file cannot be written.
    """
    parts = [
        f"<h1>{escape(check.name)}</h1><p>{escape(check.layout)} layout</p>",
        f"<h2>Files and labels</h2><pre>{escape(chr(10).join(check.report.lines()))}</pre>",
    ]
    for name in check.splits:
        parts += _split(dataset, check, name, coverages.get(name))
    if fitted is not None:
        text = escape("\n".join(fitted_lines(fitted, coverages)))
        parts.append(f"<h2>Fitted default boxes</h2><pre>{text}</pre>")
    if augmented is not None:
        caption = "Each row: an image only resized, then as six epochs see it. Difficult objects are grey."
        parts += ["<h2>As trained on</h2>", picture(augmented, caption)]
    parts += _duplicates(dataset, check)
    save_page(path, title=check.name, parts=parts, style=_STYLE)


def _split(dataset: Dataset, check: DataCheck, name: str, coverage: BoxCoverage | None) -> Iterator[str]:
    statistics = check.splits[name]
    present = {class_name: count for class_name, count in statistics.objects.items() if count}
    yield f"<h2>{escape(name)}: {statistics.images} images, {sum(present.values())} objects</h2><div class='plots'>"
    matched = None if coverage is None else [int(coverage.matched[class_name].sum()) for class_name in present]
    yield _bars("objects", list(present), list(present.values()), matched)
    by_size = None if coverage is None else coverage.matched_by_size.tolist()
    yield _bars(
        "box sizes: square root of share of image",
        interval_names(SIZE_EDGES, percent=True),
        statistics.sizes().tolist(),
        by_size,
    )
    yield _bars("width / height", interval_names(ASPECT_EDGES, percent=False), statistics.aspects().tolist(), None)
    counts = sorted(statistics.objects_per_image)
    names = [f"{count} or more" if count == MOST_COUNTED else str(count) for count in counts]
    yield _bars("objects per image", names, [statistics.objects_per_image[count] for count in counts], None)
    yield "</div>"
    if coverage is not None:
        yield (
            f"<p>Orange: objects that one of the {coverage.default_boxes} default boxes of {escape(coverage.network)} "
            f"can match at IoU 0.5, {coverage.share:.1%} of all.</p>"
        )
    for item in statistics.suspicions:
        yield f"<p>Suspicious: {item.count} {escape(item.what)}: {escape(', '.join(item.examples))}</p>"
    ids = [image_id for suspicion in statistics.suspicions for image_id in suspicion.examples]
    yield "<h3>First images, then suspicious ones</h3>"
    samples = [
        *islice(dataset.samples(name, seed=check.seed), _PICTURES),
        *(dataset.sample(image_id) for image_id in dict.fromkeys(ids)),
    ]
    yield from (_figure(sample, dataset.class_names) for sample in samples)


def _duplicates(dataset: Dataset, check: DataCheck) -> Iterator[str]:
    yield f"<h2>Duplicates</h2><pre>{escape(chr(10).join(duplicate_lines(check)))}</pre>"
    groups = sorted((*check.exact, *check.near), key=lambda group: not group.spans_splits)
    for group in groups[:_GROUPS]:
        yield "<div>"
        for image_id, splits in list(zip(group.image_ids, group.splits, strict=True))[:_PICTURES]:
            yield _figure(dataset.sample(image_id), dataset.class_names, note=f" ({', '.join(splits)})")
        yield "</div>"


def _bars(title: str, names: Sequence[str], counts: Sequence[int], parts: Sequence[int] | None) -> str:
    """Draw horizontal bars; `parts` are drawn over them."""
    label_px = 8 * max((len(name) for name in names), default=0) + 10
    most = max(counts, default=0) or 1
    width, height = label_px + _BAR_PX + 120, _ROW_PX * len(names)
    rows = []
    for at, (name, count) in enumerate(zip(names, counts, strict=True)):
        top, text_y = at * _ROW_PX, at * _ROW_PX + 14
        rows.append(f'<text x="{label_px - 6}" y="{text_y}" text-anchor="end">{escape(name)}</text>')
        rows.append(_bar(label_px, top + 3, _BAR_PX * count / most, kind="all"))
        shown = str(count)
        if parts is not None:
            rows.append(_bar(label_px, top + 8, _BAR_PX * parts[at] / most, kind="part"))
            shown += f" ({parts[at] / count:.0%})" if count else ""
        rows.append(f'<text x="{label_px + _BAR_PX * count / most + 6:.1f}" y="{text_y}">{shown}</text>')
    return f'<div><h3>{escape(title)}</h3><svg width="{width}" height="{height}">{"".join(rows)}</svg></div>'


def _bar(left: int, top: int, width: float, *, kind: str) -> str:
    return f'<rect class="{kind}" x="{left}" y="{top}" width="{width:.1f}" height="{14 if kind == "all" else 4}"/>'


def _figure(sample: Sample, class_names: Sequence[str], *, note: str = "") -> str:
    """Show an image with its boxes, as part of the page."""
    import cv2

    from ...runtime.image_files import read_image_bgr

    small, scale = shrunk(read_image_bgr(sample.image_path, upright=False), _SIDE_PX)
    for box, difficult in zip(sample.boxes_xyxy_px, sample.difficult, strict=True):
        left, top, right, bottom = (round(float(corner) * scale) for corner in box)
        colour = (160, 160, 160) if difficult else (0, 140, 255)
        cv2.rectangle(small, (left, top), (right - 1, bottom - 1), colour, 2)
    named = ", ".join(sorted({class_names[class_id] for class_id in sample.class_ids})) or "no objects"
    return picture(small, f"{sample.image_id}{note}: {named}")

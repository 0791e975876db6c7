"""The page about a scan: what is where in an archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .page import save_page

if TYPE_CHECKING:
    from ...runtime.archive.scan import ScanSummary

_CLIPS = 500
"""Recordings that are shown, those with the most boxes; all are in `clips.parquet`."""

_STRIPE = 200
"""Parts of a clip's stripe; fewer where it has fewer frames, so that no gaps are seen between these."""


def save_scan_page(summary: ScanSummary) -> Path:
    """Write `index.html` into the scan's folder; its thumbnails are the files beside it.

    Raises:
        InputError: it cannot be written.
    """
    boxes: Counter[str] = Counter()
    clips: Counter[str] = Counter()
    for one in summary.clips:
        boxes.update(one.found)
        clips.update(one.found.keys())
    by_boxes = sorted(summary.clips, key=lambda one: (-sum(one.found.values()), one.clip.name))
    path = summary.folder / "index.html"
    save_page(
        path,
        "scan",
        title=f"{len(summary.clips)} recordings",
        seconds=sum(one.seconds for one in summary.clips),
        frames=sum(one.frames for one in summary.clips),
        classes=[(label, clips[label], count) for label, count in boxes.most_common()],
        shown=[
            (one, parts, [(label, _runs(one.when[label], parts)) for label, _ in Counter(one.found).most_common()])
            for one in by_boxes[:_CLIPS]
            if one.found
            for parts in (max(1, min(_STRIPE, one.frames // 2)),)
        ],
        left_out=max(0, sum(bool(one.found) for one in summary.clips) - _CLIPS),
        empty=[one for one in summary.clips if not one.found and not one.error],
        bad=summary.bad,
        warned=[one for one in summary.clips if one.warnings],
    )
    return path


def _runs(moments: Sequence[int], parts: int) -> list[tuple[int, int]]:
    """Join moments, thousandths of a clip, into runs: begin and length, in parts of the stripe."""
    runs: list[tuple[int, int]] = []
    for part in sorted({moment * parts // 1000 for moment in moments}):
        if runs and runs[-1][0] + runs[-1][1] == part:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((part, 1))
    return runs

"""A classifier's accuracy as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..calib.accuracy.top_k import AccuracyResult


def print_accuracy(result: AccuracyResult, *, title: str) -> None:
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

"""`singleshot inspect`: what is in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..terminal.backend_option import TrustFlag
from ..terminal.exits import exit_codes

if TYPE_CHECKING:
    from ...export.inspection.facts import Inspection

_SHOWN_OPERATORS = 12
_LONG = ("Operators", "Convolutions and launches")


def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A graph, any; a checkpoint; or an engine.")],
    html: Annotated[
        Path | None, typer.Option(metavar="OUT.html", help="Write one page that needs no network as well.")
    ] = None,
    trust: TrustFlag = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Look into a file: card, inputs and outputs, operators, parameters, GFLOPs, ancestry, measurements.

    A graph or an engine from elsewhere is welcome; what only a card knows is left out then. What an engine computes in
    is read in any plan of TensorRT-RTX, and by TensorRT's inspector where a GPU is.

    Example: singleshot inspect animals.onnx --html animals.html
    """
    with exit_codes():
        from ...runtime.require import require

        require("onnx", extra="export", why="looking into artefacts")
        if html is not None:
            from ..pages.page import check_page_name

            check_page_name(html)
        from ...export.inspection.inspect_artefact import inspect_artefact

        inspection = inspect_artefact(file, trust=trust)
        if as_json:
            print(json.dumps(inspection.to_dict(), indent=1))
        else:
            _print(inspection)
        if html is not None:
            from ..pages.inspection_page import save_inspection_page

            save_inspection_page(inspection, html)


def _print(inspection: Inspection) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from ..pages.inspection_facts import facts_of

    out = Console()
    for section in facts_of(inspection):
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        rows = section.rows
        if section.title in _LONG and len(rows) > _SHOWN_OPERATORS:
            rest = sum(int(count) for _, count in rows[_SHOWN_OPERATORS:])
            rows = (*rows[:_SHOWN_OPERATORS], (f"{len(rows) - _SHOWN_OPERATORS} others", str(rest)))
        for name, value in rows:
            table.add_row(escape(name), escape(value))
        out.print(f"[bold]{escape(section.title)}[/bold]")
        out.print(table)
        out.print()

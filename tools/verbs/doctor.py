"""`singleshot doctor`: what works on this machine, what does not, and what mends it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ..terminal.exits import exit_codes

if TYPE_CHECKING:
    from ..terminal.examination import Finding

_COLOURS = {"ok": "green", "none": "dim", "warning": "yellow", "broken": "bold red"}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False) -> None:
    """Examine this machine: processor, packages, video, GPU, cameras, display, extras, the shipped detector.

    Exit code 0 when detection works here, 1 when something that it needs is broken. What is merely absent is said,
    with the line that brings it.

    Examples:
      singleshot doctor

      singleshot doctor --json > machine.json
    """
    with exit_codes():
        from ...runtime.errors import CheckError
        from ..terminal.examination import examine

        findings = examine()
        if as_json:
            print(json.dumps([finding.to_dict() for finding in findings], indent=1))
        else:
            _print(findings)
        broken = [finding.name for finding in findings if finding.state == "broken"]
        if broken:
            raise CheckError(f"doctor: expected everything that detection needs, got trouble with {', '.join(broken)}.")


def _print(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for style in (None, "bold", None):
        table.add_column(style=style, overflow="fold")
    for finding in findings:
        colour = _COLOURS[finding.state]
        text = escape(finding.found) + (f"\n[{colour}]{escape(finding.advice)}[/{colour}]" if finding.advice else "")
        table.add_row(f"[{colour}]{finding.state}[/{colour}]", escape(finding.name), text)
    Console().print(table)

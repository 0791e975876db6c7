"""`python -m singleshot.tools.paper FOLDER`: the report and its figures, written anew from the finished runs below."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...runtime.errors import InputError
from ..terminal.exits import exit_codes
from .report import write_paper_report


def main(folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of `reproduce-paper`.")]) -> None:
    """Train nothing; write the report of what is finished."""
    with exit_codes():
        report = write_paper_report(folder)
        if report is None:
            raise InputError(
                f"{folder}: expected finished runs of reproduce-paper, got none. Name its folder of results."
            )
        print(report)


if __name__ == "__main__":
    typer.run(main)

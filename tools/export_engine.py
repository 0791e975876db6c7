"""`export-engine`: the verb `export` as a command of its own."""

from __future__ import annotations

import typer

from .export_verb import export


def main() -> None:
    """Run the command `export-engine`."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command("export-engine")(export)
    app()


if __name__ == "__main__":
    main()

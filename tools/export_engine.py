"""`export-engine`: the verb `build` as a command of its own."""

from __future__ import annotations

import typer

from .verbs.build import build


def main() -> None:
    """Run the command `export-engine`."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command("export-engine")(build)
    app()


if __name__ == "__main__":
    main()

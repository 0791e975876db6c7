"""`export-engine`: the verb `build` as a command of its own."""

from __future__ import annotations

from .terminal.verb import run_alone
from .verbs.build import build


def main() -> None:
    """Run the command `export-engine`."""
    run_alone("export-engine", build)


if __name__ == "__main__":
    main()

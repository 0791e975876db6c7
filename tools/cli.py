"""The command `singleshot`: one verb per file, imported when it is asked for."""

from __future__ import annotations

import importlib
from typing import Annotated

import typer
import typer.core
import typer.main

from .. import __version__
from .terminal.verb import Command

# Where each verb's function is, in the order of `--help`. Importing one must load nothing heavy, as `--help` imports
# all of them and answers without torch, OpenCV or ONNX Runtime.
VERBS = {
    "check-data": "verbs.check_data:check_data",
    "convert-data": "verbs.convert_data:convert_data",
    "harvest": "verbs.harvest:harvest",
    "models": "verbs.models:models",
    "train": "verbs.train:train",
    "reproduce-paper": "verbs.reproduce_paper:reproduce_paper",
    "tune": "verbs.tune:tune",
    "evaluate": "verbs.evaluate:evaluate",
    "export": "verbs.export:export",
    "quantize": "verbs.quantize:quantize",
    "build": "verbs.build:build",
    "rt-detect": "rt_detect:rt_detect",
    "scan": "verbs.scan:scan",
    "demo": "verbs.demo:demo",
    "bench": "verbs.bench:bench",
    "bench-training": "verbs.bench_training:bench_training",
    "verify": "verbs.verify:verify",
    "certify": "verbs.certify:certify",
    "inspect": "verbs.inspect_artefact:inspect",
    "adapt": "verbs.adapt:adapt",
    "doctor": "verbs.doctor:doctor",
    "handover": "verbs.handover:handover",
}


# The overrides' types are those of click or of typer's own copy of it, by typer's version.
# ruff: noqa: ARG002 - their names are click's


class _Verbs(typer.core.TyperGroup):
    """Finds a verb by its name, so that a verb needs no other verb's file to work."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Return the verbs in the order of `--help`."""
        return list(VERBS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> typer.core.TyperCommand | None:  # type: ignore[override]
        """Import a verb; none if there is no such verb."""
        if cmd_name not in VERBS:
            return None
        module, function = VERBS[cmd_name].split(":")
        verb = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        verb.command(cmd_name, cls=Command)(getattr(importlib.import_module(f".{module}", __package__), function))
        command = typer.main.get_command(verb)
        assert isinstance(command, typer.core.TyperCommand)  # noqa: S101 - one function alone makes no group
        return command


app = typer.Typer(
    name="singleshot", cls=_Verbs, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"singleshot {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Takes a single-shot object detector from labelled photos to a live camera."""


def main() -> None:
    """Run the command `singleshot`."""
    app()

"""`singleshot models`: the networks that can be trained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ..terminal.exits import exit_codes

if TYPE_CHECKING:
    from ...train.networks.facts import NetworkFacts


def models(
    classes: Annotated[int, typer.Option(min=1, help="Number of classes that the figures are for.")] = 25,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """List the networks that `singleshot train` takes: task, input, parameters, GFLOPs.

    GFLOPs are multiply-adds x 2 of convolutions and dense layers for one image. `section` is that of the paper *Object
    Classification and Localization on ImageNet*.

    Example: singleshot models --classes 6
    """
    with exit_codes():
        from ...runtime.require import require

        require("torch", extra="train", why="counting what a network computes")
        from ...train.networks.facts import network_facts
        from ...train.networks.registry import NETWORKS

        facts = [network_facts(name, class_count=classes) for name in NETWORKS]
        if as_json:
            print(json.dumps([item.to_dict() for item in facts], indent=1))
        else:
            _print(facts)


def _print(facts: list[NetworkFacts]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("network", no_wrap=True)
    for name in ("task", "section"):
        table.add_column(name, no_wrap=True)
    for name in ("input", "parameters", "GFLOPs"):
        table.add_column(name, justify="right", no_wrap=True)
    for item in facts:
        height, width = item.input_hw
        table.add_row(
            item.name,
            item.task,
            item.section or "",
            f"{height}x{width}",
            f"{item.parameters:,}",
            f"{item.gflops:.2f}",
        )
    out = Console()
    out.print(table)
    for item in facts:
        out.print(f"[bold]{item.name}[/bold]: {item.summary}", highlight=False)

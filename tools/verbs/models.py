"""`singleshot models`: the networks that can be trained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..terminal.exits import exit_codes

if TYPE_CHECKING:
    from rich.console import Console

    from ...runtime.card import Task
    from ...train.networks.facts import NetworkFacts
    from ..benchmarks.network_speeds import NetworkSpeeds


def models(
    networks: Annotated[
        list[str] | None, typer.Argument(metavar="[NETWORK...]", help="These alone.", show_default="all")
    ] = None,
    classes: Annotated[int, typer.Option(min=1, help="Number of classes that the figures are for.")] = 25,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure", help="Time each on this machine, by who computes it: about a minute for each network."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """List the networks that `singleshot train` takes: what they cost, and what they have reached.

    GFLOPs are multiply-adds x 2 of convolutions and dense layers for one image. Launches are the kernels that one run
    of its TensorRT-RTX engine starts. What was reached was measured on the data that is named, not all on the same.
    `section` is that of the paper *Object Classification and Localization on ImageNet*. --measure times untrained
    networks from frame to detections.

    Examples:
      singleshot models --classes 6

      singleshot models ssd_lite0 ssd_lite1 ssd_lite2 --measure
    """
    with exit_codes():
        from ...runtime.require import require

        require("torch", extra="train", why="counting what a network computes")
        from ...train.networks.facts import network_facts
        from ...train.networks.registry import NETWORKS, network_named

        names = list(dict.fromkeys(networks or NETWORKS))
        for name in names:
            network_named(name)
        facts = [network_facts(name, class_count=classes) for name in names]
        speeds = _measured(names, classes) if measure else None
        if as_json:
            print(json.dumps([_as_json(item, speeds) for item in facts], indent=1))
        else:
            _print(facts, speeds)


def _measured(names: list[str], classes: int) -> NetworkSpeeds:
    from ..benchmarks.bench_tables import conditions_warned, facts_of
    from ..benchmarks.network_speeds import measure_networks
    from ..terminal.check_opencv import check_opencv
    from ..terminal.stage_progress import lasting_progress, tell

    check_opencv()
    with lasting_progress() as on_progress:
        speeds = measure_networks(names, class_count=classes, on_progress=on_progress, tell=tell)
    tell(*facts_of(speeds.run), *(f"warning: {line}" for line in conditions_warned(speeds.run)))
    return speeds


def _as_json(item: NetworkFacts, speeds: NetworkSpeeds | None) -> dict[str, Any]:
    return item.to_dict() | ({} if speeds is None else {"ms": speeds.ms[item.name]})


def _print(facts: list[NetworkFacts], speeds: NetworkSpeeds | None) -> None:
    from rich.console import Console

    out = Console()
    tasks: tuple[Task, ...] = ("detector", "classifier")
    for task in tasks:
        if of_task := [item for item in facts if item.task == task]:
            _print_costs(out, task, of_task)
            if speeds is not None:
                _print_speeds(out, [item.name for item in of_task], speeds)
    for item in facts:
        section = f" (section {item.section})" if item.section else ""
        out.print(f"[bold]{item.name}[/bold]: {item.summary}{section}", highlight=False)
        for reached in item.reached:
            out.print(f"  {reached.line}", highlight=False, markup=False)


def _print_costs(out: Console, task: Task, facts: list[NetworkFacts]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(task, no_wrap=True)
    for name in ("input", "parameters", "GFLOPs", "launches"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("reached", no_wrap=True)
    for item in facts:
        height, width = item.input_hw
        best = next((f"{reached.value:.3f} {reached.short}" for reached in item.reached), "")
        table.add_row(
            item.name, f"{height}x{width}", f"{item.parameters:,}", f"{item.gflops:.2f}", str(item.launches), best
        )
    out.print(table)


def _print_speeds(out: Console, names: list[str], speeds: NetworkSpeeds) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("ms here", no_wrap=True)
    columns = list(dict.fromkeys(who for name in names for who in speeds.ms[name]))
    for who in columns:
        table.add_column(who.removesuffix(" (CPU)").replace(" ", "\n", 1), justify="right", no_wrap=True)
    for name in names:
        table.add_row(name, *(f"{speeds.ms[name][who]:.1f}" if who in speeds.ms[name] else "" for who in columns))
    out.print(table)

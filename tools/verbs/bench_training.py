"""`singleshot bench-training`: what training keeps of the network's rate when images come from disk."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..terminal.data_options import AnywayFlag, BackgroundFlag
from ..terminal.verb import verb

if TYPE_CHECKING:
    from ...data.dataset import Dataset
    from ...train.settings import TrainSettings
    from ..benchmarks.throughput import ThroughputReport

_NETWORKS = "ssd_lite0,resnet_dropout"
_REPETITIONS = 40
"""25 classes of the usual number of images become 1,000."""


@dataclass(frozen=True, kw_only=True)
class BenchTrainingOptions:
    """What `bench-training` is told."""

    data: Annotated[Path, typer.Option(metavar="DIR", help="Labelled images: a folder or file of any tool.")]
    split: Annotated[str, typer.Option(help="A split of the data.")] = "train"
    classes: Annotated[
        str | None, typer.Option(metavar="A,B,…|N|FILE", help="Classes to learn; all of the data's if not given.")
    ] = None
    networks: Annotated[str, typer.Option(metavar="A,B,…", help="Networks to train.")] = _NETWORKS
    steps: Annotated[int, typer.Option(min=1, help="Steps that a turn takes.")] = 10
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which the ways to get images take turns.")] = 5
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step.")] = 16
    workers: Annotated[int, typer.Option(min=0, help="Processes that read and augment images.")] = 2
    side: Annotated[int | None, typer.Option(min=32, help="Of the input; the network's own if not given.")] = None
    missing_is_background: BackgroundFlag = False
    anyway: AnywayFlag = False
    cache_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="As `train` has it.")] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False


@verb
def bench_training(options: BenchTrainingOptions) -> None:
    """Train from the image cache, by decoding each epoch, by torchvision's pipeline, and on one batch in memory.

    They take turns, so shares hold on a busy machine. Then 2,000 images are read from the cache, and from one with
    40 times the images: the memory that each takes.

    Example: singleshot bench-training --data VOCdevkit --classes cat,dog --networks ssd_lite0
    """
    from ...runtime.require import require_training

    require_training("training")
    from ...data.class_choice import chosen_classes
    from ...data.dataset import open_dataset
    from ...train.settings import train_settings

    side = options.side
    names = None if options.classes is None else chosen_classes(options.classes, options.data)
    dataset = open_dataset(
        options.data,
        class_names=names,
        missing_is_background=options.missing_is_background,
        anyway=options.anyway,
    )
    settings = train_settings(
        batch_size=options.batch_size, workers=options.workers, height=side, width=side, train_split=options.split
    )
    reports = []
    for network in options.networks.split(","):
        report, memory = _measured(network, dataset, settings, options)
        reports.append({**report.to_dict(), "resident_mib": memory})
        if not options.as_json:
            _print_report(report, memory)
    if options.as_json:
        print(json.dumps(reports, indent=1))


def _measured(
    network: str, dataset: Dataset, settings: TrainSettings, options: BenchTrainingOptions
) -> tuple[ThroughputReport, dict[int, float]]:
    """Return the report, and images -> MiB."""
    from rich.console import Console

    from ...data.cache.building import open_image_cache
    from ...train.networks.registry import input_of
    from ..benchmarks.cache_memory import repeated_cache, resident_mib
    from ..benchmarks.throughput import measure_throughput

    spec = input_of(network, settings.height, settings.width)
    input_hw = spec.height, spec.width
    told = Console(stderr=True).status(f"{network}: decoding images")
    with told as status, tempfile.TemporaryDirectory() as scratch:
        cache = open_image_cache(dataset, settings.train_split, input_hw=input_hw, folder=options.cache_dir)
        report = measure_throughput(
            network,
            dataset,
            cache,
            settings,
            steps=options.steps,
            rounds=options.rounds,
            on_turn=lambda name, number: status.update(f"{network}: {name}, round {number} of {options.rounds}"),
        )
        status.update(f"{network}: memory")
        many = repeated_cache(cache, Path(scratch) / "many", _REPETITIONS)
        memory = {len(each): resident_mib(*each.location, input_hw=input_hw) for each in (cache, many)}
    return report, memory


def _print_report(report: ThroughputReport, memory: dict[int, float]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    out = Console()
    height, width = report.input_hw
    line = (
        f"{report.network}, {height} x {width}, {report.precision} on {report.device}; {report.images} images, "
        f"{report.rounds} x {report.steps} steps of {report.batch_size}, {report.workers} workers"
    )
    out.print(line, markup=False, highlight=False, soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("images from")
    for heading in ("images/s", "share", "least", "most"):
        table.add_column(heading, justify="right")
    for path in report.paths:
        table.add_row(path.name, f"{path.images_per_s:.1f}", *(f"{share:.3f}" for share in path.share))
    out.print(table)
    told = "; ".join(f"{images} images {mib:.0f} MiB" for images, mib in memory.items())
    out.print(f"memory of a process that reads the cache: {told}", markup=False, highlight=False, soft_wrap=True)

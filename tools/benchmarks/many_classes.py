"""What a training costs with more classes: `python -m singleshot.tools.benchmarks.many_classes` (docs/training.md).

The images are the same for every number of classes; each measurement is a process of its own, in turns.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import cv2
import typer

from ...runtime.sources.synthetic import Scene

_SIDE = 128
"""Of an image, in pixels."""

_FIGURES = ("reading_s", "cache_s", "step_s", "peak_mib")


def write_images(folder: Path, *, images: int, classes: int) -> None:
    """Write images with a moving, patterned object each, in YOLO's layout; the classes take turns.

    Args:
        folder: is made.
        images: how many; the same for any number of classes.
        classes: how many.
    """
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    names = "".join(f"  {number}: class{number:03}\n" for number in range(classes))
    (folder / "data.yaml").write_text(f"path: .\ntrain: images\nval: images\nnames:\n{names}", encoding="utf-8")
    for number in range(images):
        scene = Scene(width=_SIDE, height=_SIDE, objects=1, seed=number)
        index = next(index for index in range(300) if len(scene.truth(index).ids))
        x1, y1, x2, y2 = (scene.truth(index).boxes_px[0] / _SIDE).tolist()
        cv2.imwrite(str(folder / "images" / f"{number:05}.jpg"), scene.picture(index))
        line = f"{number % classes} {(x1 + x2) / 2:.6f} {(y1 + y2) / 2:.6f} {x2 - x1:.6f} {y2 - y1:.6f}\n"
        (folder / "labels" / f"{number:05}.txt").write_text(line, encoding="utf-8")


def measure(network: str, folder: Path, *, steps: int, batch_size: int) -> dict[str, float]:
    """Read the labels, fill a cache and train, in this process.

    Returns:
        Seconds of reading, of filling the cache and of a step, and the greatest memory in MiB.
    """
    from ...data.cache.building import open_image_cache
    from ...data.dataset import open_dataset
    from ...train.networks.registry import input_of
    from ...train.settings import train_settings
    from .throughput import seconds_per_step

    settings = train_settings(batch_size=batch_size, workers=0, train_split="train")
    spec = input_of(network, settings.height, settings.width)
    started_s = time.perf_counter()
    dataset = open_dataset(folder)
    read_s = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        cache = open_image_cache(dataset, "train", input_hw=(spec.height, spec.width), folder=Path(scratch))
        cached_s = time.perf_counter()
        step_s = seconds_per_step(network, dataset, cache, settings, steps=steps)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    values = (read_s - started_s, cached_s - read_s, step_s, peak_mib)
    return dict(zip(_FIGURES, values, strict=True))


def compare(
    networks: Sequence[str], classes: Sequence[int], *, images: int, steps: int, batch_size: int, rounds: int
) -> list[dict[str, object]]:
    """Measure all numbers of classes in turns, and return medians and their ratios to the first number's."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as place:
        for count in classes:
            write_images(Path(place, str(count)), images=images, classes=count)
        for network in networks:
            seen: dict[int, list[dict[str, float]]] = {count: [] for count in classes}
            for number in range(rounds):
                for count in classes:
                    print(f"{network}: {count} classes, round {number + 1} of {rounds}", file=sys.stderr)
                    command = [sys.executable, "-m", __spec__.name if __spec__ else __name__, "--networks", network]
                    command += ["--folder", str(Path(place, str(count))), "--steps", str(steps)]
                    command += ["--batch-size", str(batch_size)]
                    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                    seen[count].append(json.loads(done.stdout.splitlines()[-1]))
            for count in classes:
                row: dict[str, object] = {"network": network, "classes": count}
                for figure in _FIGURES:
                    row[figure] = statistics.median(one[figure] for one in seen[count])
                    row[f"{figure}_ratio"] = statistics.median(
                        one[figure] / first[figure] for one, first in zip(seen[count], seen[classes[0]], strict=True)
                    )
                rows.append(row)
    return rows


def main(
    networks: Annotated[str, typer.Option(help="a,b: of `singleshot models`.")] = "resnet_dropout,ssd_resnet",
    classes: Annotated[str, typer.Option(help="Numbers of them; what others are held to first.")] = "25,100",
    images: Annotated[int, typer.Option(min=1, help="As many for each number of classes.")] = 400,
    steps: Annotated[int, typer.Option(min=1, help="Timed in each process.")] = 6,
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step.")] = 16,
    rounds: Annotated[int, typer.Option(min=1, help="Of all numbers of classes, in turns.")] = 3,
    folder: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Print the comparison as JSON."""
    if folder is not None:
        print(json.dumps(measure(networks, folder, steps=steps, batch_size=batch_size)))
        return
    counts = [int(count) for count in classes.split(",")]
    rows = compare(networks.split(","), counts, images=images, steps=steps, batch_size=batch_size, rounds=rounds)
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    typer.run(main)

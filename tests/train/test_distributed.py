"""Two processes learn what one learns from the same images."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from singleshot.runtime.errors import InputError
from singleshot.train.distributed import (
    ALONE,
    World,
    announced_world,
    current_world,
    images_per_process,
    machines_and_devices,
)
from singleshot.train.learn.losses import multibox_loss
from singleshot.train.learn.matching import match_targets
from singleshot.train.networks.options import NetworkOptions
from singleshot.train.networks.registry import build_detector
from singleshot.train.networks.ssd import SSD

SIDE = 64
IMAGES = 4
TOLERANCE = 1e-5


def detector() -> SSD:
    """A detector whose batch norms are frozen, so that an image's gradient does not depend on its companions."""
    torch.manual_seed(0)
    return build_detector("ssd_lite0", NetworkOptions(input_hw=(SIDE, SIDE), class_count=3)).eval()


def batch() -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Images with 3, 1, 0 and 2 objects: the parts of two processes have unequal positives, one image has none."""
    random = torch.Generator().manual_seed(1)
    images = torch.randn(IMAGES, 3, SIDE, SIDE, generator=random)
    objects = []
    for count in (3, 1, 0, 2):
        centre = 0.3 + 0.4 * torch.rand(count, 2, generator=random)
        half = 0.1 + 0.2 * torch.rand(count, 2, generator=random)
        objects.append((torch.cat([centre - half, centre + half], 1), torch.arange(count) % 3 + 1))
    return images, objects


def gradients(network: SSD | DistributedDataParallel, rows: slice, world: World) -> dict[str, Tensor]:
    images, objects = batch()
    plain = network.module if isinstance(network, DistributedDataParallel) else network
    assert isinstance(plain, SSD)
    targets = match_targets(objects[rows], plain.default_cxcywh, variances=(0.1, 0.2))
    multibox_loss(network(images[rows]), targets, world=world).total.backward()  # type: ignore[no-untyped-call]
    return {name: value.grad.clone() for name, value in plain.named_parameters() if value.grad is not None}


def one_of_two(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    network = DistributedDataParallel(detector())
    found = gradients(network, slice(rank * IMAGES // 2, (rank + 1) * IMAGES // 2), current_world())
    torch.save(found, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_gradients_of_one(tmp_path: Path) -> None:
    spawn(one_of_two, args=(str(tmp_path),), nprocs=2)  # type: ignore[no-untyped-call]
    alone = gradients(detector(), slice(0, IMAGES), ALONE)
    largest = max(float(value.abs().max()) for value in alone.values())
    assert largest > 1e-3
    for rank in range(2):
        together = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert together.keys() == alone.keys()
        for name, value in alone.items():
            assert float((together[name] - value).abs().max()) <= TOLERANCE, name


def test_without_the_common_count_they_would_differ() -> None:
    """What the all-reduced count is there for: the mean of two parts' own losses is another loss."""
    parts = [gradients(detector(), rows, ALONE) for rows in (slice(0, 2), slice(2, 4))]
    alone = gradients(detector(), slice(0, IMAGES), ALONE)
    apart = max(float(((parts[0][name] + parts[1][name]) / 2 - alone[name]).abs().max()) for name in alone)
    assert apart > 100 * TOLERANCE


@pytest.mark.parametrize(
    ("environment", "devices", "world", "machines"),
    [
        pytest.param({}, 1, World(rank=0, size=1), (1, 1), id="alone"),
        pytest.param({}, 4, World(rank=0, size=4), (1, 4), id="first of one machine's four"),
        pytest.param(
            {"LOCAL_RANK": "3", "NODE_RANK": "0", "WORLD_SIZE": "4"},
            4,
            World(rank=3, size=4),
            (1, 4),
            id="last of them, started by Lightning",
        ),
        pytest.param(
            {"LOCAL_RANK": "0", "NODE_RANK": "0", "WORLD_SIZE": "4"},
            1,
            World(rank=0, size=1),
            (1, 1),
            id="alone, after a run with four in the same process",
        ),
        pytest.param(
            {"WORLD_SIZE": "6", "RANK": "4", "LOCAL_WORLD_SIZE": "3", "LOCAL_RANK": "1", "TORCHELASTIC_RUN_ID": "x"},
            1,
            World(rank=4, size=6),
            (2, 3),
            id="torchrun on two machines",
        ),
    ],
)
def test_who_takes_part(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    devices: int,
    world: World,
    machines: tuple[int, int],
) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert announced_world(devices) == world
    assert machines_and_devices(devices) == machines


def test_images_of_a_step_divide() -> None:
    assert images_per_process(32, World(size=4)) == 8
    with pytest.raises(InputError, match=r"batch_size: expected a multiple of the 3 processes, .* got 32"):
        images_per_process(32, World(size=3))


@pytest.mark.parametrize("environment", [{"RANK": "0", "WORLD_SIZE": "two"}, {"RANK": "0"}, {"LOCAL_RANK": "x"}])
def test_environment_without_numbers_is_one_line(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="WORLD_SIZE, RANK: expected numbers"):
        announced_world(1)


TWO_DEVICES = """
import os, sys
from pathlib import Path
from singleshot.data.dataset import open_dataset
from singleshot.train.learn.classifier_training import ClassifierTraining
from singleshot.train.settings import TrainSettings
from singleshot.train.run.train import TrainingRun, train

untouched = ClassifierTraining.losses

def look(self, images, batch):
    with Path(sys.argv[2], os.environ["LOCAL_RANK"]).open("a") as file:
        file.writelines(f"{name}\\n" for name in batch.image_ids)
    return untouched(self, images, batch)

if __name__ == "__main__":
    ClassifierTraining.losses = look
    settings = TrainSettings(
        epochs=1, batch_size=4, height=64, width=64, workers=0, devices=2, precision="fp32", pretrained=False
    )
    data = open_dataset(Path(sys.argv[1]))
    out = Path(sys.argv[2])
    cache = out / "cache"
    run = TrainingRun(network="ssd7_classifier", data=data, out=out / "run", settings=settings, cache_folder=cache)
    train(run, progress=False)
"""


@pytest.mark.slow
def test_two_devices_share_the_images_of_an_epoch(kaggle: Path, tmp_path: Path) -> None:
    """As a person runs it: Lightning starts the second process itself."""
    script = tmp_path / "two_devices.py"
    script.write_text(TWO_DEVICES)
    launchers = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
    environment = {name: value for name, value in os.environ.items() if name not in launchers}
    environment["CUDA_VISIBLE_DEVICES"] = ""  # processes on the CPU, on any machine
    command = [sys.executable, str(script), str(kaggle), str(tmp_path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    seen = [(tmp_path / rank).read_text().splitlines() for rank in ("0", "1")]
    assert len(seen[0]) == len(seen[1]) > 0
    names = [*seen[0], *seen[1]]
    assert len(set(names)) == len(names)
    assert (tmp_path / "run" / "last.ckpt").is_file()

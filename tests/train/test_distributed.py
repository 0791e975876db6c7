"""Two processes learn what one learns from the same images."""

from __future__ import annotations

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
from singleshot.train.losses import multibox_loss
from singleshot.train.matching import match_targets
from singleshot.train.network_options import NetworkOptions
from singleshot.train.networks import build_detector
from singleshot.train.ssd import SSD

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
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    network = DistributedDataParallel(detector())
    found = gradients(network, slice(rank * IMAGES // 2, (rank + 1) * IMAGES // 2), current_world())
    torch.save(found, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


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
        pytest.param({"LOCAL_RANK": "3"}, 4, World(rank=3, size=4), (1, 4), id="last of them, started by Lightning"),
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
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert announced_world(devices) == world
    assert machines_and_devices(devices) == machines


def test_images_of_a_step_divide() -> None:
    assert images_per_process(32, World(size=4)) == 8
    with pytest.raises(InputError, match=r"batch_size: expected a multiple of the 3 processes, .* got 32"):
        images_per_process(32, World(size=3))


def test_environment_without_numbers_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(InputError, match="WORLD_SIZE, RANK: expected numbers"):
        announced_world(1)

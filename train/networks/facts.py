"""What a network costs, known before it is trained, and what it has reached."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ...runtime.card import Task
from .measured import LAUNCHES, REACHED, Reached
from .options import NetworkOptions
from .registry import NETWORKS, build_network


@dataclass(frozen=True, kw_only=True)
class NetworkFacts:
    """One network at its own size.

    Args:
        name: as `singleshot train` takes it.
        task: what it learns.
        summary: one line for people.
        section: of the paper that describes it; none for a network of this project alone.
        input_hw: height and width of the input.
        class_count: the number of classes that the figures are for; background is not counted.
        parameters: learned numbers.
        gflops: multiply-adds x 2 / 10^9 of convolutions and dense layers for one image.
        launches: kernels that one run of its TensorRT-RTX engine starts, as counted (`LAUNCHES`).
        default_boxes: of a detector, how many.
        pretrained: whether its trunk can start from pretrained weights.
        reached: accuracies that it has, the best first.
    """

    name: str
    task: Task
    summary: str
    section: str | None
    input_hw: tuple[int, int]
    class_count: int
    parameters: int
    gflops: float
    launches: int
    default_boxes: int | None
    pretrained: bool
    reached: tuple[Reached, ...]

    def to_dict(self) -> dict[str, Any]:
        """Write for a machine, ready for JSON."""
        return asdict(self)


def network_facts(name: str, *, class_count: int) -> NetworkFacts:
    """Build a network without memory for its weights and count.

    Args:
        name: of a network.
        class_count: background is not counted.

    Raises:
        InputError: there is no such network.
    """
    network = NETWORKS[name]
    height, width = network.input.height, network.input.width
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        built = build_network(name, NetworkOptions(input_hw=(height, width), class_count=class_count)).eval()
        before = counter.get_total_flops()  # an SSD has asked itself for the sizes of its maps
        built(torch.zeros(1, 3, height, width))
        flops = counter.get_total_flops() - before
    return NetworkFacts(
        name=name,
        task=network.task,
        summary=network.summary,
        section=network.section,
        input_hw=(height, width),
        class_count=class_count,
        parameters=sum(parameter.numel() for parameter in built.parameters()),
        gflops=flops / 1e9,
        launches=LAUNCHES[name],
        default_boxes=len(built.get_buffer("default_cxcywh")) if network.task == "detector" else None,
        pretrained=network.has_pretrained_weights,
        reached=REACHED.get(name, ()),
    )

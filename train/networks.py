"""The networks that can be trained, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..runtime.card import InputSpec
from ..runtime.errors import InputError
from .default_boxes import DefaultBoxSettings
from .lite0 import Lite0Trunk, load_imagenet_weights
from .ssd import SSD


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network that can be trained.

    Args:
        summary: one line for people.
        input: what it takes when nothing else is asked for.
        build: makes it, given the input height and width, C (background counted), and whether the trunk starts
            from pretrained weights.
    """

    summary: str
    input: InputSpec
    build: Callable[[tuple[int, int], int, bool], SSD]


# SSD300's scales for VOC (Liu et al. 2016, section 3.1: 0.2 to 0.9, and 0.1 on the finest map), evenly spaced from
# the second map on; the ratio 3 is left out on the finest map and the two coarsest, as there.
_SSD_BOXES = DefaultBoxSettings(
    scales=(0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05),
    aspect_ratios=((2.0,), (2.0, 3.0), (2.0, 3.0), (2.0, 3.0), (2.0,), (2.0,)),
)


def _ssd_lite0(input_hw: tuple[int, int], classes: int, pretrained: bool) -> SSD:
    trunk = Lite0Trunk()
    if pretrained:
        load_imagenet_weights(trunk)
    return SSD(trunk, input_hw=input_hw, classes=classes, boxes=_SSD_BOXES)


NETWORKS = {
    "ssd_lite0": Network(
        summary="SSD on an ImageNet-pretrained EfficientNet-Lite0, with a top-down path and separable heads",
        input=InputSpec(height=320, width=320, colour="rgb", mean=Lite0Trunk.mean, std=Lite0Trunk.std),
        build=_ssd_lite0,
    ),
}


def network_named(name: str) -> Network:
    """Find a network.

    Raises:
        InputError: there is none of that name.
    """
    if name not in NETWORKS:
        raise InputError(f"{name}: expected a network, one of {', '.join(sorted(NETWORKS))}.")
    return NETWORKS[name]

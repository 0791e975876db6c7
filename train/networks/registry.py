"""The networks that can be trained, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from torch import nn

from ...runtime.card import Card, InputSpec, Task
from ...runtime.errors import InputError
from .default_boxes import DefaultBoxSettings
from .lite import LITE0, LITE1, LITE2, LiteSize, LiteTrunk
from .mobilenet2 import MobileNet2Trunk
from .options import NetworkOptions
from .resnet50 import resnet50
from .resnet_dropout import resnet_dropout
from .ssd import SSD
from .ssd7 import SSD7_BOXES, SSD7_LEAST_SIDE, SSD7_VARIANCES, ssd7, ssd7_classifier
from .ssd300 import SSD300_BOXES, SSD300_LEAST_SIDE, ssd300_vgg16
from .ssd_lite import SSD_BOXES, ssd_lite
from .ssd_mobilenet2 import SSD_MOBILENET2_BOXES, ssd_mobilenet2
from .ssd_resnet import SSD_RESNET_BOXES, ssd_resnet
from .vgg_lite import VGG_LEAST_SIDE, VggJoint, VggJointNormalised, vgg_lite

_Triple: TypeAlias = tuple[float, float, float]


def _input(side: int, *, mean: _Triple = (0.0, 0.0, 0.0), std: _Triple = (255.0, 255.0, 255.0)) -> InputSpec:
    """Scale from 0..255 to 0..1 where nothing else is said, as the paper's section 2.2 does."""
    return InputSpec(height=side, width=side, colour="rgb", mean=mean, std=std)


_PAPER_INPUT = _input(224)


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network that can be trained.

    Args:
        summary: one line for people.
        section: of the paper *Object Classification and Localization on ImageNet*, where it describes the network.
        input: what it takes when nothing else is asked for; the paper's where not given.
        builder: makes it; called through `build_network`.
        options: names of the options beyond size and classes that it follows, and of what its training can be told:
            `label_smoothing`, `mixing` and `resizing` of images.
        default_boxes: a detector's, where nothing else is asked for; a classifier has none.
        variances: divisors of a detector's box codec, of centre and size.
        starts_shipped: whether its training starts from the shipped detector where nothing else is said.
        least_side: height and width below which nothing is left for the last layer to see; every network halves its
            input at least once.
    """

    summary: str
    section: str | None = None
    input: InputSpec = _PAPER_INPUT
    builder: Callable[[NetworkOptions], nn.Module]
    options: frozenset[str] = frozenset()
    default_boxes: DefaultBoxSettings | None = None
    variances: tuple[float, float] = (0.1, 0.2)
    starts_shipped: bool = False
    least_side: int = 2

    @property
    def task(self) -> Task:
        """What it learns."""
        return "classifier" if self.default_boxes is None else "detector"

    @property
    def has_pretrained_weights(self) -> bool:
        """Whether its trunk can start from weights that a package or this one ships."""
        return self.starts_shipped or "pretrained" in self.options


_DETECTOR = frozenset({"default_boxes"})
_BRANCHES = frozenset({"default_boxes", "branch_width", "branch_depth"})
_DROPOUT = frozenset({"dropout"})
_CLASSIFIER = frozenset({"label_smoothing", "mixing"})
_AVERAGING = _CLASSIFIER | {"resizing"}
"""Of a classifier that averages its maps, whatever their size."""
_JOINT = frozenset({"label_smoothing", "dropout"})


def _lite(size: LiteSize, *, top1: float) -> Network:
    """Describe the SSD on a size of EfficientNet-Lite, of which its publisher says this share of ImageNet's images."""
    return Network(
        summary=f"SSD on EfficientNet-Lite{size.number}, pretrained on ImageNet ({top1} % top-1), with a top-down path "
        "and separable heads",
        input=_input(320, mean=LiteTrunk.mean, std=LiteTrunk.std),
        builder=partial(ssd_lite, size=size),
        options=_BRANCHES | {"pretrained"},
        default_boxes=SSD_BOXES,
    )


NETWORKS = {
    "ssd_lite0": _lite(LITE0, top1=75.1),
    "ssd_lite1": _lite(LITE1, top1=76.7),
    "ssd_lite2": _lite(LITE2, top1=77.6),
    "ssd_mobilenet2": Network(
        summary="SSDLite on MobileNetV2, with a map of stride 8 more; the shipped detector",
        input=_input(320, mean=MobileNet2Trunk.mean, std=MobileNet2Trunk.std),
        builder=ssd_mobilenet2,
        options=_DETECTOR,
        default_boxes=SSD_MOBILENET2_BOXES,
        starts_shipped=True,
    ),
    "ssd300_vgg16": Network(
        summary="the original SSD300 on VGG16, with L2 normalisation, from scratch",
        section="1.2",
        input=_input(300, mean=(123.68, 116.78, 103.94), std=(58.4, 57.1, 57.4)),
        builder=ssd300_vgg16,
        options=_DETECTOR,
        default_boxes=SSD300_BOXES,
        least_side=SSD300_LEAST_SIDE,
    ),
    "ssd7": Network(
        summary="seven convolutions, four of them predicted on; the paper's baseline",
        section="4.3",
        input=_input(224, mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5)),
        builder=ssd7,
        options=_DETECTOR,
        default_boxes=SSD7_BOXES,
        variances=SSD7_VARIANCES,
        least_side=SSD7_LEAST_SIDE,
    ),
    "ssd_resnet": Network(
        summary="stages 1 and 2 of resnet_dropout under SSD's branches; the paper's detector",
        section="3.3",
        builder=ssd_resnet,
        options=_BRANCHES | _DROPOUT,
        default_boxes=SSD_RESNET_BOXES,
        variances=SSD7_VARIANCES,
    ),
    "resnet_dropout": Network(
        summary="a short ResNet with dropout and three small dense layers; the paper's classifier",
        section="3.2",
        builder=resnet_dropout,
        options=_AVERAGING | _DROPOUT,
    ),
    "resnet_dropout_1x1": Network(
        summary="resnet_dropout with 1x1 convolutions alone in its blocks, the other reading of the paper",
        section="3.2.2",
        builder=partial(resnet_dropout, kernel=1),
        options=_AVERAGING | _DROPOUT,
    ),
    "resnet_dropout_flat": Network(
        summary="resnet_dropout with its maps flattened before the dense layers, not averaged",
        section="3.2.3",
        builder=partial(resnet_dropout, before_dense="flatten"),
        options=_CLASSIFIER | _DROPOUT,
    ),
    "resnet_dropout_linear": Network(
        summary="resnet_dropout with one dense layer instead of three: what the two small ones cost",
        section="3.2.3",
        builder=partial(resnet_dropout, dense_layers=1),
        options=_AVERAGING,
    ),
    "resnet50": Network(
        summary="torchvision's ResNet50 from scratch; the paper's baseline",
        section="4.2",
        builder=resnet50,
        options=_AVERAGING,
    ),
    "ssd7_classifier": Network(
        summary="the convolutions of ssd7 with a classification head; the paper's baseline",
        section="4.2",
        builder=ssd7_classifier,
        options=_AVERAGING,
        least_side=SSD7_LEAST_SIDE,
    ),
    "vgg_lite": Network(
        summary="four convolutions and dense layers; the paper's first prototype",
        section="3.1",
        builder=vgg_lite,
        options=_CLASSIFIER | _DROPOUT,
        least_side=VGG_LEAST_SIDE,
    ),
    "vgg_joint": Network(
        summary="vgg_lite with a box beside the class, as the paper had it: its boxes go to the middle",
        section="3.1.1",
        builder=VggJoint,
        options=_JOINT,
        least_side=VGG_LEAST_SIDE,
    ),
    "vgg_joint_normalised": Network(
        summary="vgg_joint with normalised boxes and generalised IoU: what was wrong put right",
        section="3.1.1",
        builder=VggJointNormalised,
        options=_JOINT,
        least_side=VGG_LEAST_SIDE,
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


def build_network(name: str, options: NetworkOptions) -> nn.Module:
    """Make a network of either task.

    Raises:
        InputError: there is none of that name, or it does not have what an option would change, or the input is too
            small for it.
    """
    network = network_named(name)
    options.check_understood(name, network.options)
    input_of(name, *options.input_hw)
    return network.builder(options)


def input_of(name: str, height: int | None, width: int | None) -> InputSpec:
    """Return what a network takes where these sizes are asked for; None is its own.

    Raises:
        InputError: that is too small for it, or there is no network of that name.
    """
    network = network_named(name)
    asked = {"height": height or network.input.height, "width": width or network.input.width}
    if min(asked.values()) < network.least_side:
        raise InputError(
            f"input: expected at least {network.least_side} pixels a side for {name}, got {asked['height']} x "
            f"{asked['width']}. Ask for a larger input, or take another network."
        )
    return network.input.model_copy(update=asked)


def build_detector(name: str, options: NetworkOptions) -> SSD:
    """Make a detector.

    Raises:
        InputError: as `build_network`, or the network is a classifier.
    """
    built = build_network(name, options)
    if not isinstance(built, SSD):
        raise InputError(f"{name}: expected a detector, got a classifier. `singleshot models` lists the detectors.")
    return built


def options_of(card: Card, *, pretrained: bool = False) -> NetworkOptions:
    """Read from a card how its network is built; what the run's settings do not say is the network's own choice.

    Args:
        card: of a checkpoint; the run's resolved settings are in its origin.
        pretrained: start the trunk from a package's weights, where there are any; false to restore trained ones.

    Raises:
        InputError: there is no such network, or the settings ask for default boxes of a classifier or for impossible
            ones.
    """
    settings = card.origin.settings
    network = network_named(card.network)
    own = network.default_boxes
    scales, ratios = settings.get("default_box_scales"), settings.get("default_box_aspect_ratios")
    boxes = None
    if scales is not None or ratios is not None:
        if own is None:
            raise InputError(f"default_box_scales: expected none for {card.network}, a classifier. Leave it out.")
        boxes = DefaultBoxSettings(
            scales=own.scales if scales is None else tuple(scales),
            aspect_ratios=own.aspect_ratios if ratios is None else tuple(tuple(each) for each in ratios),
        )
    return NetworkOptions(
        input_hw=(card.input.height, card.input.width),
        class_count=len(card.class_names),
        pretrained=pretrained and "pretrained" in network.options,
        default_boxes=boxes,
        branch_width=settings.get("branch_width"),
        branch_depth=settings.get("branch_depth"),
        dropout=settings.get("dropout"),
    )

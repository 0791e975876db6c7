"""Every network: shapes, parameters, gradients, and the options that it does not know."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from singleshot.runtime.card import Card, Origin
from singleshot.runtime.errors import InputError
from singleshot.train.networks import (
    resnet50,
    resnet_dropout,
    ssd7,
    ssd300,
    ssd_lite,
    ssd_mobilenet2,
    ssd_resnet,
    vgg_lite,
)
from singleshot.train.networks.branches import Branch
from singleshot.train.networks.default_boxes import DefaultBoxSettings
from singleshot.train.networks.options import NetworkOptions
from singleshot.train.networks.registry import NETWORKS, build_detector, build_network, network_named, options_of
from singleshot.train.networks.resnet_dropout import stages_1_and_2
from singleshot.train.networks.ssd import Heads
from singleshot.train.networks.ssd7 import Ssd7Trunk
from singleshot.train.networks.vgg_lite import VggJoint, VggJointNormalised

CLASSES = 25

PARAMETERS = {
    "ssd_lite0": (3_477_892, ssd_lite.ssd_lite),
    "ssd_lite1": (4_242_564, ssd_lite.ssd_lite),
    "ssd_lite2": (4_883_140, ssd_lite.ssd_lite),
    "ssd_mobilenet2": (3_482_292, ssd_mobilenet2.ssd_mobilenet2),
    "ssd300_vgg16": (26_953_796, ssd300.ssd300_vgg16),
    "ssd7": (351_456, ssd7.ssd7),
    "ssd_resnet": (4_242_828, ssd_resnet.ssd_resnet),
    "resnet_dropout": (1_537_645, resnet_dropout.resnet_dropout),
    "resnet_dropout_1x1": (882_285, resnet_dropout.resnet_dropout),
    "resnet_dropout_flat": (4_033_645, resnet_dropout.resnet_dropout),
    "resnet_dropout_linear": (1_536_345, resnet_dropout.resnet_dropout),
    "resnet50": (23_559_257, resnet50.resnet50),
    "ssd7_classifier": (144_441, ssd7.ssd7_classifier),
    "vgg_lite": (13_269_849, vgg_lite.vgg_lite),
    "vgg_joint": (26_148_573, vgg_lite.VggJoint),
    "vgg_joint_normalised": (26_148_573, vgg_lite.VggJointNormalised),
}
"""With 25 classes at the network's own size, and whose docstring says it."""

LITE_MAPS = [(40, 40), (20, 20), (10, 10), (5, 5), (3, 3), (2, 2)]
MAPS = {
    "ssd_lite0": LITE_MAPS,
    "ssd_lite1": LITE_MAPS,
    "ssd_lite2": LITE_MAPS,
    "ssd_mobilenet2": [(40, 40), (20, 20), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1)],
    "ssd300_vgg16": [(38, 38), (19, 19), (10, 10), (5, 5), (3, 3), (1, 1)],
    "ssd7": [(28, 28), (14, 14), (7, 7), (3, 3)],
    "ssd_resnet": [(14, 14), (7, 7), (4, 4), (2, 2), (1, 1)],
}
CLASSIFIERS = [name for name, network in NETWORKS.items() if network.task == "classifier"]
OWN_SIZE = {name: (network.input.height, network.input.width) for name, network in NETWORKS.items()}


def built(name: str, *, input_hw: tuple[int, int] | None = None, classes: int = CLASSES) -> nn.Module:
    torch.manual_seed(0)
    return build_network(name, NetworkOptions(input_hw=input_hw or OWN_SIZE[name], class_count=classes))


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_and_output_at_the_networks_own_size(name: str) -> None:
    with torch.device("meta") if name not in MAPS else torch.device("cpu"):
        network = built(name).eval()
    count, function = PARAMETERS[name]
    assert parameters(network) == count
    assert f"{count:,} parameters" in re.sub(r"\s+", " ", function.__doc__ or "")
    if name in MAPS:
        per_cell = NETWORKS[name].default_boxes.boxes_per_cell  # type: ignore[union-attr]
        expected = sum(h * w * boxes for (h, w), boxes in zip(MAPS[name], per_cell, strict=True))
        assert tuple(network.get_buffer("default_cxcywh").shape) == (expected, 4)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "ssd300_vgg16"])
@pytest.mark.parametrize("input_hw", [(64, 64), (96, 64)], ids=["64 x 64", "96 x 64"])
def test_every_parameter_learns_from_two_images_of_any_size(name: str, input_hw: tuple[int, int]) -> None:
    network = built(name, input_hw=input_hw, classes=7).train()
    images = torch.randn(2, 3, *input_hw)
    out = network.class_and_box(images) if isinstance(network, VggJoint) else network(images)
    if isinstance(out, Tensor):
        assert out.shape == (2, 7)
        tensors = [out]
    elif isinstance(out, Heads):
        defaults = len(network.get_buffer("default_cxcywh"))
        assert (out.class_logits.shape, out.box_offsets.shape) == ((2, defaults, 8), (2, defaults, 4))
        tensors = [out.class_logits, out.box_offsets]
    else:
        assert (out.class_logits.shape, out.boxes_xyxy.shape) == ((2, 7), (2, 4))
        tensors = [out.class_logits, out.boxes_xyxy]
    total = torch.stack([tensor.square().sum() for tensor in tensors]).sum()
    gradients = torch.autograd.grad(total, list(network.parameters()), allow_unused=True)
    names = [name for name, _ in network.named_parameters()]
    assert [name for name, gradient in zip(names, gradients, strict=True) if gradient is None] == []


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_answer_one_logit_a_class(name: str) -> None:
    network = built(name, input_hw=(64, 64), classes=3).eval()
    with torch.no_grad():
        logits = network(torch.randn(2, 3, 64, 64))
    assert logits.shape == (2, 3)
    assert logits.isfinite().all()


def test_parts_have_the_parameters_that_their_docstrings_say() -> None:
    for part, documented in ((stages_1_and_2(), stages_1_and_2.__doc__), (Ssd7Trunk(), Ssd7Trunk.__doc__)):
        assert f"{parameters(part):,} parameters" in (documented or "")


def test_stage_2_has_the_papers_blocks() -> None:
    blocks = list(stages_1_and_2())[4:]
    shapes = [
        tuple(getattr(block, part).conv.out_channels for part in ("reduce", "middle", "expand")) for block in blocks
    ]
    assert shapes == [(64, 64, 128), *[(64, 64, 256)] * 3, *[(128, 128, 512)] * 4]
    assert [not isinstance(block.shortcut, nn.Identity) for block in blocks] == [
        True, True, False, False, True, False, False, False,
    ]  # fmt: skip
    assert stages_1_and_2()(torch.zeros(1, 3, 64, 64)).shape == (1, 512, 4, 4)


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        pytest.param("resnet_dropout", [0.1, 0.25, 0.25], id="the paper's classifier"),
        pytest.param("ssd_resnet", [0.1], id="the paper's detector has stage 1's"),
        pytest.param("vgg_lite", [0.5, 0.5], id="the prototype"),
    ],
)
def test_dropout(name: str, shares: list[float]) -> None:
    network = built(name, input_hw=(64, 64))
    assert [part.p for part in network.modules() if isinstance(part, nn.Dropout)] == shares
    other = build_network(name, NetworkOptions(input_hw=(64, 64), class_count=2, dropout=0.4))
    assert 0.4 in [part.p for part in other.modules() if isinstance(part, nn.Dropout)]


def test_what_was_wrong_with_the_joint_model_is_seen_in_its_loss() -> None:
    """A tenth of the image off: in square pixels that drowns the class loss, normalised it is of its order."""
    options = NetworkOptions(input_hw=(224, 224), class_count=CLASSES)
    box, off = torch.tensor([[0.2, 0.3, 0.6, 0.7]]), torch.tensor([[0.3, 0.4, 0.7, 0.8]])
    papers, normalised = VggJoint(options), VggJointNormalised(options)
    assert float(papers.box_loss(off, box)) == pytest.approx((0.1 * 224) ** 2, rel=1e-4)
    iou = 0.09 / 0.23
    hull = 0.25
    by_hand = 1 - (iou - (hull - 0.23) / hull) + 4 * (0.1 - 0.05)
    assert float(normalised.box_loss(off, box)) == pytest.approx(by_hand, rel=1e-4)
    assert float(papers.box_loss(box, box)) == 0
    assert float(normalised.box_loss(box, box)) == pytest.approx(0, abs=1e-5)  # torchvision divides by area + 1e-7


def test_the_working_joint_model_always_predicts_boxes() -> None:
    network = built("vgg_joint_normalised", input_hw=(32, 32))
    assert isinstance(network, VggJointNormalised)
    boxes = network.class_and_box(100 * torch.randn(50, 3, 32, 32)).boxes_xyxy
    assert (boxes[:, 2:] >= boxes[:, :2]).all()
    assert (boxes.detach().abs() <= 1.5).all()


def test_options_change_the_network() -> None:
    boxes = DefaultBoxSettings(scales=(0.3, 0.6, 0.9), aspect_ratios=((), (2.0,)))
    network = build_detector(
        "ssd_resnet",
        NetworkOptions(input_hw=(64, 64), class_count=2, default_boxes=boxes, branch_width=8, branch_depth=0),
    )
    assert len(network.default_cxcywh) == 4 * 4 * 2 + 2 * 2 * 4
    branch = network.class_branches[0]
    assert isinstance(branch, Branch)
    assert branch.predictor.in_channels == 8
    assert list(branch.tower.children()) == []


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        pytest.param("resnet50", {"dropout": 0.1}, "dropout: expected none for resnet50, .*got 0.1. Leave it", id="d"),
        pytest.param("ssd7", {"branch_width": 8}, "branch_width: expected none for ssd7", id="branch width"),
        pytest.param("ssd7", {"pretrained": True}, "pretrained: expected none for ssd7", id="pretrained"),
        pytest.param("ssd300_vgg16", {}, r"input: expected at least 268 pixels a side.*got 64 x 64\.", id="too small"),
        pytest.param(
            "vgg_lite", {"input_hw": (64, 15)}, r"input: .* 16 .* for vgg_lite, got 64 x 15\.", id="small VGG"
        ),
        pytest.param("resnet50", {}, "resnet50: expected a detector, got a classifier", id="no detector"),
        pytest.param("ssd8", {}, "ssd8: expected a network, one of resnet50, ", id="no such network"),
    ],
)
def test_what_cannot_be_built_is_refused(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_detector(name, NetworkOptions(**{"input_hw": (64, 64), "class_count": 2, **options}))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_takes_the_smallest_size_that_it_says(name: str) -> None:
    side = NETWORKS[name].least_side
    with torch.no_grad():
        network = built(name, input_hw=(side, side), classes=2).eval()
        network(torch.zeros(1, 3, side, side))
    with pytest.raises(InputError, match=f"input: expected at least {side} pixels a side for {name}, got"):
        built(name, input_hw=(side, side - 1))


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("name", ["ssd300_vgg16", "ssd7", "ssd7_classifier", "vgg_lite", "vgg_joint"])
def test_nothing_smaller_would_do(name: str) -> None:
    found = NETWORKS[name]
    options = NetworkOptions(input_hw=(found.least_side, found.least_side - 1), class_count=2)
    with torch.no_grad(), pytest.raises((RuntimeError, ZeroDivisionError, ValueError)):
        found.builder(options)(torch.zeros(1, 3, *options.input_hw))


@pytest.mark.parametrize("side", [63, 64, 65, 66])
def test_flattened_maps_of_any_size(side: int) -> None:
    with torch.no_grad():
        network = built("resnet_dropout_flat", input_hw=(side, 64), classes=3).eval()
        assert network(torch.zeros(1, 3, side, 64)).shape == (1, 3)


def card(network: str, **settings: object) -> Card:
    found = network_named(network)
    return Card(
        kind="checkpoint",
        task=found.task,
        network=network,
        class_names=("cat", "dog"),
        input=found.input,
        origin=Origin(settings=settings),
    )


def test_options_come_from_the_card() -> None:
    options = options_of(
        card(
            "ssd_resnet",
            default_box_scales=[0.1, 0.3, 0.5],
            default_box_aspect_ratios=[[2.0], [2.0, 3.0]],
            branch_width=32,
            branch_depth=None,
            epochs=3,
        )
    )
    boxes = DefaultBoxSettings(scales=(0.1, 0.3, 0.5), aspect_ratios=((2.0,), (2.0, 3.0)))
    assert options == NetworkOptions(input_hw=(224, 224), class_count=2, default_boxes=boxes, branch_width=32)


def test_scales_alone_keep_the_networks_ratios() -> None:
    options = options_of(card("ssd7", default_box_scales=[0.1, 0.2, 0.4, 0.8, 1.0]))
    own = NETWORKS["ssd7"].default_boxes
    assert own is not None
    assert options.default_boxes == DefaultBoxSettings(
        scales=(0.1, 0.2, 0.4, 0.8, 1.0), aspect_ratios=own.aspect_ratios
    )


def test_default_boxes_of_a_classifier_are_refused() -> None:
    with pytest.raises(InputError, match=r"default_box_scales: expected none for resnet50, a classifier\."):
        options_of(card("resnet50", default_box_scales=[0.1, 0.2]))

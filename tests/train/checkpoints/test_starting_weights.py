"""What a training starts from: an earlier checkpoint, a graph, or a classifier's convolutions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from singleshot.export.graphs.graph_file import graph_card, save_graph
from singleshot.export.graphs.network_graph import network_graph
from singleshot.runtime.card import CARD_KEY, Card, Origin
from singleshot.runtime.errors import InputError
from singleshot.runtime.files import sha256_of_file
from singleshot.train.checkpoints.checkpoint import FRAMES_KEY, NETWORK_PREFIX, load_checkpoint
from singleshot.train.checkpoints.starting_weights import StartingWeights, load_starting_weights
from singleshot.train.networks.default_boxes import DefaultBoxSettings
from singleshot.train.networks.options import NetworkOptions
from singleshot.train.networks.registry import build_network, network_named
from singleshot.train.settings import train_settings

ANIMALS = ("cat", "dog", "horse")
SIDE = 64


def card_of(name: str, class_names: tuple[str, ...] = ANIMALS, *, side: int = SIDE) -> Card:
    network = network_named(name)
    return Card(
        kind="checkpoint",
        task=network.task,
        network=name,
        class_names=class_names,
        input=network.input.model_copy(update={"height": side, "width": side}),
        origin=Origin(settings={"pretrained": False, "val_split": "val"}, data_sha256="d" * 64),
    )


def network_of(card: Card, *, seed: int) -> nn.Module:
    """Make a network whose norms and weights are those of no fresh one: equal tensors become one in a graph."""
    torch.manual_seed(seed)
    options = NetworkOptions(
        input_hw=(card.input.height, card.input.width), class_count=len(card.class_names), pretrained=False
    )
    network = build_network(card.network, options)
    for parameter in network.parameters():
        parameter.data += 0.01 * torch.randn_like(parameter)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.1)
            part.running_mean = torch.randn_like(part.bias) * 0.1
            part.running_var = torch.rand_like(part.bias) + 0.5
    return network


def save_checkpoint(path: Path, card: Card, *, seed: int = 1) -> Path:
    tensors = {NETWORK_PREFIX + name: tensor for name, tensor in network_of(card, seed=seed).state_dict().items()}
    frames = torch.randint(0, 256, (2, card.input.height, card.input.width, 3), dtype=torch.uint8)
    torch.save({"state_dict": tensors, CARD_KEY: card.to_json(), FRAMES_KEY: frames, "epoch": 3}, path)
    return path


def save_network_graph(checkpoint: Path, out: Path) -> Path:
    """Write a checkpoint's network alone; an untrained one finds nothing, so that its export could not be proved."""
    loaded = load_checkpoint(checkpoint)
    heads = ("class_logits",) if loaded.card.task == "classifier" else ("class_logits", "box_offsets")
    save_graph(network_graph(loaded.network, loaded.card.input, heads=heads), graph_card(loaded.card, checkpoint), out)
    return out


def answers(network: nn.Module) -> torch.Tensor:
    torch.manual_seed(0)
    emitted = network.eval()(torch.randn(2, 3, SIDE, SIDE))
    return emitted if isinstance(emitted, torch.Tensor) else torch.cat([emitted.class_logits, emitted.box_offsets], -1)


@pytest.mark.parametrize("name", ["ssd_lite0", "resnet_dropout"])
def test_a_checkpoints_weights_are_all_taken(name: str, tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "a.ckpt", card_of(name))
    network = network_of(card_of(name), seed=2)
    kept = load_starting_weights(path).put_into(network, card_of(name))
    assert torch.equal(answers(network), answers(load_checkpoint(path).network))
    assert kept == [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]


@pytest.mark.slow
def test_a_graph_gives_the_function_back_that_it_was_made_of(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "a.ckpt", card_of("ssd_lite0"))
    graph = save_network_graph(path, tmp_path / "a.onnx")
    network = network_of(card_of("ssd_lite0"), seed=2)
    load_starting_weights(graph).put_into(network, card_of("ssd_lite0"))
    torch.testing.assert_close(answers(network), answers(load_checkpoint(path).network), atol=1e-4, rtol=1e-4)


def test_the_input_may_be_of_another_size(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "a.ckpt", card_of("ssd_lite0", side=128))
    network = network_of(card_of("ssd_lite0"), seed=2)
    load_starting_weights(path).put_into(network, card_of("ssd_lite0"))
    theirs = load_checkpoint(path).network.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize(
    ("given", "scales", "ratios"),
    [
        pytest.param({}, (0.4, 0.8), ((2.0,),), id="boxes keep their size in pixels"),
        pytest.param({"default_box_scales": (0.3, 0.5)}, (0.3, 0.5), ((2.0,),), id="what is given stays"),
        pytest.param({"default_boxes": "fitted"}, None, None, id="what is to be fitted stays open"),
        pytest.param({"height": 128, "width": 128}, (0.2, 0.4), ((2.0,),), id="the same size"),
    ],
)
def test_default_boxes_are_those_that_the_weights_know(
    given: dict[str, object], scales: object, ratios: object, tmp_path: Path
) -> None:
    known = {"default_box_scales": [0.2, 0.4], "default_box_aspect_ratios": [[2.0]]}
    card = card_of("ssd_lite0", side=128).model_copy(update={"origin": Origin(settings=known)})
    start = StartingWeights(path=tmp_path / "a.ckpt", sha256="", card=card, tensors={})
    settings = start.with_boxes(train_settings(**{"height": 64, "width": 64, **given}), "ssd_lite0")
    assert (settings.default_box_scales, settings.default_box_aspect_ratios) == (scales, ratios)
    assert start.with_boxes(settings, "ssd7") == settings  # another network has boxes of its own


def test_of_other_classes_those_of_the_same_name_are_taken_over(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "a.ckpt", card_of("ssd7"))
    ours = card_of("ssd7", ("sheep", "dog", "cat", "cow"))
    network = network_of(ours, seed=2)
    fresh = network.state_dict()["class_branches.0.predictor.weight"].clone().unflatten(0, (-1, 5))
    load_starting_weights(path).put_into(network, ours)
    mixed = network.state_dict()["class_branches.0.predictor.weight"].unflatten(0, (-1, 5))
    theirs = load_checkpoint(path).network.state_dict()["class_branches.0.predictor.weight"].unflatten(0, (-1, 4))
    for to, of in ((0, 0), (2, 2), (3, 1)):  # background, dog, cat
        assert torch.equal(mixed[:, to], theirs[:, of])
    for new in (1, 4):
        assert torch.equal(mixed[:, new], fresh[:, new])


def test_predictors_of_other_boxes_are_refused_or_left_out(tmp_path: Path) -> None:
    start = load_starting_weights(save_checkpoint(tmp_path / "a.ckpt", card_of("ssd7")))
    ours = card_of("ssd7", ("dog", "cow"))
    boxes = DefaultBoxSettings(scales=(0.1, 0.2, 0.4, 0.7, 1.0), aspect_ratios=((2.0,), (2.0, 3.0), (2.0,), (3.0,)))
    network = build_network("ssd7", NetworkOptions(input_hw=(SIDE, SIDE), class_count=2, default_boxes=boxes))
    fresh = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(InputError, match=r"expected the tensors of ssd7 .*got others: box_branches\.1\.predictor"):
        start.put_into(network, ours)
    replace(start, with_any_boxes=True).put_into(network, ours)
    theirs = load_checkpoint(start.path).network.state_dict()
    for name, tensor in network.state_dict().items():
        if ".predictor." not in name:
            assert torch.equal(tensor, theirs[name]), name
    other = "box_branches.1.predictor.weight"  # two boxes a cell more
    assert torch.equal(network.state_dict()[other], fresh[other])
    assert torch.equal(
        network.state_dict()["box_branches.0.predictor.weight"], theirs["box_branches.0.predictor.weight"]
    )


@pytest.mark.parametrize("suffix", [".ckpt", ".onnx"])
@pytest.mark.slow
def test_a_classifiers_convolutions_become_the_detectors_trunk(suffix: str, tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "a.ckpt", card_of("resnet_dropout"))
    start = path if suffix == ".ckpt" else save_network_graph(path, tmp_path / "a.onnx")
    ours = card_of("ssd_resnet", ("cat", "sheep"))
    network = network_of(ours, seed=2)
    kept = load_starting_weights(start).put_into(network, ours)
    trunk = network.trunk
    assert isinstance(trunk, nn.Module)
    torch.manual_seed(0)
    images = torch.randn(2, 3, SIDE, SIDE)
    theirs = load_checkpoint(path).network.features(images)  # type: ignore[operator]  # a Classifier's
    torch.testing.assert_close(trunk.eval()(images), theirs, atol=1e-4, rtol=1e-4)
    assert kept == [part for part in trunk.modules() if isinstance(part, nn.BatchNorm2d)]


@pytest.mark.slow
def test_the_origin_names_the_file_and_what_it_was_made_of(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "a.ckpt", card_of("ssd7"))
    graph = save_network_graph(path, tmp_path / "a.onnx")
    origin = load_starting_weights(graph).origin(Origin(data="mine", settings={"epochs": 2}))
    assert (origin.parent_sha256, origin.ancestors_sha256) == (sha256_of_file(graph), (sha256_of_file(path),))
    assert (origin.data, origin.settings) == ("mine", {"epochs": 2})


@pytest.mark.parametrize(
    ("theirs", "ours", "told"),
    [
        pytest.param("ssd7", "ssd_lite0", "expected the same network, or a classifier whose", id="another detector"),
        pytest.param("vgg_lite", "ssd_resnet", r"trunk, got vgg_lite\.", id="a classifier of other convolutions"),
        pytest.param("ssd_resnet", "resnet_dropout", r"trunk, got ssd_resnet\.", id="a detector for a classifier"),
    ],
)
def test_another_network_is_refused(theirs: str, ours: str, told: str, tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "a.ckpt", card_of(theirs))
    with pytest.raises(InputError, match=told):
        load_starting_weights(path).put_into(network_of(card_of(ours), seed=2), card_of(ours))


def test_a_classifier_of_other_classes_is_refused(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "a.ckpt", card_of("ssd7_classifier"))
    ours = card_of("ssd7_classifier", ("cat", "dog"))
    with pytest.raises(InputError, match=r"with this run's settings, got others: head\.2\.bias\. Start from another"):
        load_starting_weights(path).put_into(network_of(ours, seed=2), ours)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(None, r"a\.onnx: expected a whole ONNX graph, got one that cannot be read: .*No such", id="none"),
        pytest.param(b"\x08\x07\x12", "expected a whole ONNX graph, got one that cannot be read", id="cut"),
        pytest.param(b"", "expected a graph of singleshot, got one without a card", id="empty, which is valid ONNX"),
    ],
)
def test_a_file_that_is_no_graph_of_singleshot_is_refused(content: bytes | None, told: str, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=told):
        load_starting_weights(path)


def test_a_quantized_graph_is_refused(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "a.ckpt", card_of("ssd7"))
    graph = save_network_graph(path, tmp_path / "a.onnx")
    model = onnx.load(str(graph))
    for tensor in model.graph.initializer:
        tensor.name = tensor.name.replace(".weight", ".weight_quantized")
    onnx.save(model, str(graph))
    with pytest.raises(InputError, match="expected the tensors of ssd7 with this run's settings, got others: "):
        load_starting_weights(graph).put_into(network_of(card_of("ssd7"), seed=2), card_of("ssd7"))

"""Checkpoints that cannot be used: each is one clear line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from singleshot.runtime.card import CARD_KEY, Card, InputSpec
from singleshot.runtime.errors import InputError
from singleshot.train.checkpoints.checkpoint import NETWORK_PREFIX, load_checkpoint
from singleshot.train.networks.options import NetworkOptions
from singleshot.train.networks.registry import build_detector

Content = dict[str, Any]
CARD = Card(
    kind="checkpoint",
    network="ssd_lite0",
    class_names=("dog",),
    input=InputSpec(height=64, width=64, mean=(0, 0, 0), std=(1, 1, 1)),
)


@pytest.fixture(scope="module")
def content() -> Content:
    network = build_detector("ssd_lite0", NetworkOptions(input_hw=(64, 64), class_count=1))
    state = {f"{NETWORK_PREFIX}{name}": tensor for name, tensor in network.state_dict().items()}
    return {"state_dict": state, CARD_KEY: CARD.to_json(), "epoch": 4}


def save(content: Content, path: Path) -> Path:
    torch.save(content, path)
    return path


def test_save_then_load_is_the_identity(content: Content, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(save(content, tmp_path / "best.ckpt"))
    assert checkpoint.card == CARD
    assert checkpoint.epochs == 5
    assert checkpoint.frames.shape == (0, 64, 64, 3)
    assert not any(part.training for part in checkpoint.network.modules())
    for name, tensor in checkpoint.network.state_dict().items():
        assert torch.equal(tensor, content["state_dict"][NETWORK_PREFIX + name])


def write_truncated(content: Content, path: Path) -> None:
    whole = save(content, path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        pytest.param(lambda *_: None, r"expected a checkpoint, got no such file\.", id="missing"),
        pytest.param(lambda _, path: path.mkdir(), r"expected a checkpoint, got a folder\.", id="a folder"),
        pytest.param(lambda _, path: path.touch(), "expected a whole checkpoint, got a file that PyTorch", id="empty"),
        pytest.param(
            lambda _, path: path.write_text("epoch,loss\n0,1.5\n"),
            "expected a whole checkpoint, got a file that PyTorch cannot read",
            id="a text",
        ),
        pytest.param(
            write_truncated, "expected a whole checkpoint, got a file that PyTorch cannot read", id="cut short"
        ),
        pytest.param(
            lambda _, path: save({"weights": torch.zeros(3)}, path),
            r"expected a checkpoint of singleshot, got another kind of file\.",
            id="other tensors",
        ),
        pytest.param(
            lambda content, path: save({"state_dict": content["state_dict"]}, path),
            r"expected a checkpoint of singleshot, got one without a card\. Train it again\.",
            id="no card",
        ),
        pytest.param(
            lambda content, path: save({**content, CARD_KEY: "{}"}, path),
            r"expected a valid singleshot card, got kind: Field required\. Train it again\.",
            id="a card without content",
        ),
        pytest.param(
            lambda content, path: save(
                {**content, CARD_KEY: CARD.model_copy(update={"network": "ssd_new"}).to_json()}, path
            ),
            r"expected a network that this version knows \(ssd_lite0, .*\), got ssd_new\.",
            id="a network of the future",
        ),
        pytest.param(
            lambda content, path: save(
                {**content, CARD_KEY: CARD.model_copy(update={"class_names": ("dog", "cat")}).to_json()}, path
            ),
            "expected the tensors of ssd_lite0, got others: size mismatch for class_branches",
            id="tensors of other classes",
        ),
    ],
)
def test_a_useless_checkpoint_is_one_line(
    content: Content, tmp_path: Path, write: Callable[[Content, Path], object], message: str
) -> None:
    path = tmp_path / "best.ckpt"
    write(content, path)
    with pytest.raises(InputError, match=message) as caught:
        load_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_nothing_in_a_checkpoint_is_run(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
            return Path.touch, (tmp_path / "was_run",)

    path = tmp_path / "best.ckpt"
    torch.save({"state_dict": Harmful()}, path)
    with pytest.raises(InputError, match="expected a whole checkpoint"):
        load_checkpoint(path)
    assert not (tmp_path / "was_run").exists()

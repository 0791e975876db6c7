"""A checkpoint's network behind the session protocol."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from singleshot.runtime.card import Card, Postprocess
from singleshot.runtime.errors import InputError
from singleshot.train.checkpoints.torch_session import TorchClassifierSession, TorchSession
from singleshot.train.networks.options import NetworkOptions
from singleshot.train.networks.registry import build_detector, build_network, input_of

BLANK = np.zeros((1, 64, 64, 3), np.uint8)
OPTIONS = NetworkOptions(input_hw=(64, 64), class_count=2)


def card(network: str) -> Card:
    postprocess = Postprocess(variances=(1.0, 1.0))
    spec = input_of(network, 64, 64)
    return Card(kind="checkpoint", network=network, class_names=("cat", "dog"), input=spec, postprocess=postprocess)


def test_a_detector_whose_weights_are_no_numbers_is_refused() -> None:
    network = build_detector("ssd7", OPTIONS).eval()
    session = TorchSession(network, card("ssd7"))
    assert len(session.run(BLANK)) == 1
    with torch.no_grad():
        next(network.trunk.parameters()).fill_(torch.nan)
    with pytest.raises(InputError, match=r"^ssd7: expected finite class logits, got NaN or infinity\. Take an earlier"):
        session.run(BLANK)


def test_a_classifier_whose_weights_are_no_numbers_is_refused() -> None:
    network = build_network("ssd7_classifier", OPTIONS).eval()
    session = TorchClassifierSession(network, card("ssd7_classifier"))
    assert len(session.classify(BLANK)) == 1
    with torch.no_grad():
        next(network.parameters()).fill_(torch.inf)
    with pytest.raises(InputError, match=r"^ssd7_classifier: expected finite class logits, got NaN or infinity\."):
        session.classify(BLANK)

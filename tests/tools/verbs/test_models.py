"""`singleshot models`: every network, with figures that can be checked."""

from __future__ import annotations

import json

import pytest

from singleshot.tools.verbs.models import models
from singleshot.train.networks.registry import NETWORKS


def test_json_has_every_network(capsys: pytest.CaptureFixture[str]) -> None:
    models(classes=1000, as_json=True)
    facts = {item["name"]: item for item in json.loads(capsys.readouterr().out)}
    assert list(facts) == list(NETWORKS)
    # torchvision's own table: 25,557,032 parameters, 4.09 GMAC.
    assert facts["resnet50"]["parameters"] == 25_557_032
    assert facts["resnet50"]["gflops"] == pytest.approx(2 * 4.09, rel=0.005)
    assert (facts["resnet50"]["default_boxes"], facts["ssd300_vgg16"]["default_boxes"]) == (None, 8732)
    assert [name for name, item in facts.items() if item["pretrained"]] == ["ssd_lite0"]
    assert facts["resnet_dropout"]["section"] == "3.2"


def test_table_names_every_network_and_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    models(classes=25, as_json=False)
    out = capsys.readouterr().out
    for name, network in NETWORKS.items():
        assert f"{name}: " in out
        assert f"{network.input.height}x{network.input.width}" in out
    assert "1,537,645" in out

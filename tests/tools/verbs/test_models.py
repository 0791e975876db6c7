"""`singleshot models`: every network, with figures that can be checked."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from singleshot.tests.fixtures.command_line import run_verb
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
    pretrained = [name for name, item in facts.items() if item["pretrained"]]
    assert pretrained == ["ssd_lite0", "ssd_lite1", "ssd_lite2", "ssd_mobilenet2"]
    assert facts["resnet_dropout"]["section"] == "3.2"
    assert facts["ssd_lite0"]["launches"] == 136
    assert facts["ssd_lite0"]["reached"][0]["data"] == "the five animals of VOC 2012"
    assert "ms" not in facts["ssd_lite0"]


def test_a_narrow_terminal_has_the_whole_table() -> None:
    out = run_verb("models", columns=80).stdout
    assert "…" not in out
    for name, network in NETWORKS.items():
        assert f"{name}: " in out
        assert f"{network.input.height}x{network.input.width}" in out
    assert "1,537,645" in out
    assert "0.755 AP50" in out


def test_times_fit_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    runners = ("onnxruntime (CPU)", "openvino fp32 (CPU)", "openvino bf16 (CPU)", "openvino int8 + fp32 (CPU)")
    name = max(NETWORKS, key=len)
    speeds = SimpleNamespace(ms={name: dict.fromkeys(runners, 1234.5)})
    monkeypatch.setattr("singleshot.tools.verbs.models._measured", lambda *_: speeds)
    out = run_verb("models", name, "--measure", columns=80).stdout
    assert "…" not in out
    assert out.count("1234.5") == len(runners)


def test_what_was_reached_is_told_with_its_data() -> None:
    out = run_verb("models", "ssd_lite0").stdout
    assert "\n  AP50 (VOC) 0.755 on the five animals of VOC 2012, val (864 images), at 256 x 256: 34 epochs" in out


def test_networks_are_listed_alone_in_the_order_asked_for() -> None:
    done = run_verb("models", "ssd7", "vgg_lite", "ssd7", "--json")
    assert [item["name"] for item in json.loads(done.stdout)] == ["ssd7", "vgg_lite"]


def test_a_network_that_is_none() -> None:
    done = run_verb("models", "ssd8")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ssd8: expected a network, one of resnet50, ")

"""`singleshot bench-training` from the outside; what it measures is not looked at."""

from __future__ import annotations

import json

import pytest

from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.places import VOC_ROOT

QUICK = ["--networks", "vgg_lite", "--side", "32", "--steps", "1", "--rounds", "1", "--batch-size", "2"]


@pytest.mark.slow
def test_json_is_all_of_stdout() -> None:
    done = run_verb(
        "bench-training", "--data", VOC_ROOT, "--split", "trainval", "--classes", "horse,dog", *QUICK, "--json"
    )
    assert done.exit_code == 0, done.stderr
    (report,) = json.loads(done.stdout)
    assert (report["network"], report["input_hw"], report["images"]) == ("vgg_lite", [32, 32], 5)
    assert [path["name"] for path in report["paths"]] == [
        "one batch in memory",
        "cache",
        "decoding each epoch",
        "torchvision's pipeline",
    ]
    assert all(path["images_per_s"] > 0 for path in report["paths"])
    assert report["paths"][0]["share"] == [1, 1, 1]
    assert list(report["resident_mib"]) == ["5", "200"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--split", "tset"], "error: tset: expected a split of VOC2012", id="no such split"),
        pytest.param(
            ["--networks", "ssd7", "--side", "32"], "error: input: expected at least 64 pixels", id="too small"
        ),
        pytest.param(["--networks", "yolo"], "error: yolo: expected a network, one of", id="no such network"),
    ],
)
def test_what_cannot_be_used_is_one_line(arguments: list[str], message: str) -> None:
    done = run_verb("bench-training", "--data", VOC_ROOT, *arguments)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith(message)

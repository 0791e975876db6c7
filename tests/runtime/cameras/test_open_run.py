"""Places and rules of a run: refused before a camera opens, taken by a reload."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from singleshot.runtime.cameras.configuration import RunConfig, run_config
from singleshot.runtime.cameras.open_run import OpenRun
from singleshot.runtime.errors import InputError, MissingDependencyError

YARD = [[0, 0], [1, 0], [1, 1], [0, 1]]
NOBODY = {"when": "absent", "for": "1h"}


def config_of(model: Path, camera: dict[str, Any] | None = None, **values: Any) -> RunConfig:
    scene = {"source": "synthetic://?frames=2", **(camera or {})}
    return run_config({"model": str(model), "cameras": {"scene": scene}, **values})


@pytest.mark.parametrize(
    ("model", "camera", "rules", "message"),
    [
        pytest.param(
            "quarters.onnx",
            {"source": "cam99"},
            {"r": {"when": "enters", "what": "dgo"}},
            "rules.r.what: expected one of the model's classes, cat, cow, dog, horse, got dgo. Is dog meant?",
            id="a class of no model",
        ),
        pytest.param(
            "quarters_classifier.onnx",
            {"source": "cam99"},
            {"r": NOBODY},
            "zones, lines and rules: expected a detector, which finds boxes, got a classifier. Leave it out.",
            id="rules for a classifier",
        ),
        pytest.param(
            "quarters.onnx",
            {"source": "{photos}", "zones": {"yard": YARD}},
            {},
            "zones, lines and rules: expected a camera, a stream or a video, got images",
            id="places in photos",
        ),
    ],
)
def test_what_cannot_be_watched_is_refused_before_a_camera_opens(
    graphs: Path, tmp_path: Path, model: str, camera: dict[str, Any], rules: dict[str, Any], message: str
) -> None:
    pytest.importorskip("trackers")
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(b"")
    camera = {**camera, "source": camera["source"].format(photos=photos)}
    with pytest.raises(InputError) as caught:
        OpenRun(config_of(graphs / model, camera, rules=rules), tell=lambda _line: None)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("camera", "message"),
    [
        pytest.param(
            {"zones": {"yard": YARD}}, "a zone, a line or a rule needs the package 'trackers'", id="by a zone"
        ),
        pytest.param({"track": True, "zones": {"yard": YARD}}, "--track needs the package 'trackers'", id="by itself"),
    ],
)
def test_who_cannot_follow_says_what_needs_it(
    graphs: Path, monkeypatch: pytest.MonkeyPatch, camera: dict[str, Any], message: str
) -> None:
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(MissingDependencyError) as caught:
        OpenRun(config_of(graphs / "quarters.onnx", {**camera, "source": "cam99"}), tell=lambda _line: None)
    assert str(caught.value).startswith(message)
    assert "pip install 'singleshot[track]'" in str(caught.value)


def test_reload_takes_places_and_rules(graphs: Path) -> None:
    pytest.importorskip("trackers")
    model, told = graphs / "quarters.onnx", list[str]()
    with OpenRun(config_of(model, {"zones": {"yard": YARD}}), tell=told.append) as run:
        assert "objects are followed, for the zones, lines and rules of scene" in told
        lines = {"gate": [[0, 0], [1, 1]]}
        run.reload(config_of(model, {"lines": lines}, rules={"r": {"when": "crosses", "place": "gate"}}))
        assert [place.name for place in run.watches["scene"].places] == ["gate"]
        assert [rule.name for rule in run.watches["scene"].rules] == ["r"]
        with pytest.raises(InputError, match=r"rules\.r\.what: expected one of the model's classes"):
            run.reload(config_of(model, rules={"r": {**NOBODY, "what": "bird"}}))
        assert [place.name for place in run.watches["scene"].places] == ["gate"]
        run.reload(config_of(model))
        assert run.watches["scene"].places == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({}, {"camera": {"zones": {"yard": YARD}}}, id="nothing is watched"),
        pytest.param({}, {"rules": {"r": NOBODY}}, id="a rule without tracks"),
        pytest.param({"rules": {"r": NOBODY}}, {"camera": {"zones": {"yard": YARD}}}, id="nothing is followed"),
    ],
)
def test_reload_cannot_begin_to_follow(graphs: Path, before: dict[str, Any], after: dict[str, Any]) -> None:
    model = graphs / "quarters.onnx"
    with OpenRun(config_of(model, **before), tell=lambda _line: None) as run:
        with pytest.raises(InputError, match=r"cameras\.scene: expected no zones, lines or rules, as objects are not"):
            run.reload(config_of(model, **after))
        assert run.watches["scene"].places == ()

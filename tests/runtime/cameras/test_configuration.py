"""What a run is told: names, places, mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from singleshot.runtime.cameras.configuration import RunConfig, camera_names, load_run_config, run_config
from singleshot.runtime.detection.tiles import Tiles
from singleshot.runtime.errors import InputError
from singleshot.runtime.sinks.outputs import Outputs
from singleshot.runtime.sinks.segments import Segments
from singleshot.tests.places import ROOT

DOOR_AND_YARD = """
model = ["good.onnx", "light.onnx"]
save = "recordings/{camera}.mp4"
segment = "10m"
score = 0.4
max_age_ms = 150

[cameras.door]
source = "rtsp://me:geheim@10.0.0.2/live"
json = "-"
score = ["dog=0.6"]

[cameras.yard]
source = "clips/yard.mp4"
save = "/var/yard.mkv"
segment = "1h"

[cameras.photos]
source = "photos"
save = "annotated"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "cameras.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_cameras_take_from_the_run_what_they_do_not_say(tmp_path: Path) -> None:
    config = load_run_config(written(tmp_path, DOOR_AND_YARD))
    assert config.model == (str(tmp_path / "good.onnx"), str(tmp_path / "light.onnx"))
    assert config.outputs_of("door") == Outputs(
        json_lines="-", save=str(tmp_path / "recordings/door.mp4"), segments=Segments(length_s=600)
    )
    assert config.outputs_of("yard") == Outputs(save="/var/yard.mkv", segments=Segments(length_s=3600))
    assert config.outputs_of("photos") == Outputs(save=str(tmp_path / "annotated"))  # images are not cut
    assert config.score_options("door") == ["0.4", "dog=0.6"]
    assert config.score_options("yard") == ["0.4"]
    assert config.cameras["door"].source == "rtsp://me:geheim@10.0.0.2/live"
    assert config.cameras["yard"].source == str(tmp_path / "clips/yard.mp4")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("modle = 'a.onnx'\n[cameras.a]\nsource = '0'", "modle: expected one of the keys", id="key"),
        pytest.param("modell = 'a.onnx'\n[cameras.a]\nsource = '0'", "got modell. Is model meant?", id="nearest key"),
        pytest.param("[cameras.a]\nsuorce = '0'\nsource = '0'", "got suorce. Is source meant?", id="of a camera"),
        pytest.param("[cameras.a]\nsuorce = '0'", "got suorce. Is source meant?", id="in place of one that is needed"),
        pytest.param("[cameras.a]\nsource = '0'\njson_lines = 'x'", "got json_lines. Is json meant?", id="alias"),
        pytest.param("[cameras.a]\nshow = true", "cameras.a.source: expected a value, got none.", id="no source"),
        pytest.param("model = 'a.onnx'", "cameras: expected a value, got none.", id="no cameras"),
        pytest.param("threads = 0\n[cameras.a]\nsource = '0'", "threads: expected greater than or equal to 1", id="0"),
        pytest.param("mode = 'fast'\n[cameras.a]\nsource = '0'", "mode: expected 'latency' or 'throughput'", id="mode"),
        pytest.param("[cameras.a]\nsource = 'ftp://x'", "expected a protocol of", id="protocol"),
        pytest.param("backend = 'x'\n[cameras.a]\nsource = '0'", "backend: expected one of auto", id="backend"),
        pytest.param("[cameras.'a/b']\nsource = '0'", "cameras: expected a name of letters, digits", id="name"),
        pytest.param("[cameras.a]\nsource = '0'\nsegment = 'x'", "--segment: expected a time of 1s or", id="segment"),
        pytest.param(
            "save = 'o.mp4'\n[cameras.a]\nsource = '0'\n[cameras.b]\nsource = '1'",
            "--save o.mp4: expected {camera} in the name, as there are 2 cameras, got none. Try o_{camera}.mp4.",
            id="one output for two",
        ),
        pytest.param(
            "csv = '-'\n[cameras.a]\nsource = '0'", "--csv -: expected a name, got -. Only --json", id="stdout"
        ),
        pytest.param(
            "crops_most = 3\n[cameras.a]\nsource = '0'", "--crops-every, --crops-most: expected --crops", id="no crops"
        ),
        pytest.param("blur = 3\n[cameras.a]\nsource = '0'", "blur: expected a valid tuple, got 3.", id="blur"),
        pytest.param("tiles = '2'\n[cameras.a]\nsource = '0'", "--tiles: expected COLUMNSxROWS", id="tiles"),
        pytest.param(
            "stats = true\n[cameras.a]\nsource = '0'", "--stats: expected --save, --show or --live, got no", id="stats"
        ),
        pytest.param("model = ['a', 'b']\n[cameras.a]\nsource = '0'", "model: expected one graph, as", id="two graphs"),
        pytest.param("a = ", "expected TOML, got: Invalid value", id="no TOML"),
    ],
)
def test_mistake_in_the_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_run_config(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a TOML file of cameras, got No such file or directory"):
        load_run_config(tmp_path / "no.toml")


def test_password_in_the_wrong_place_is_not_printed(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_run_config(written(tmp_path, "[cameras]\na = 'rtsp://me:geheim@host/x'"))
    assert "geheim" not in str(caught.value)


def config_of(*sources: str, **values: object) -> RunConfig:
    return run_config({"cameras": {f"c{n}": {"source": source} for n, source in enumerate(sources)}, **values})


def test_tiles_are_the_cameras_own_or_the_runs() -> None:
    cameras = {"a": {"source": "cam0", "tiles": "3x2"}, "b": {"source": "cam1"}}
    config = run_config({"tiles": "2x2", "cameras": cameras})
    assert [config.tiles_of(name) for name in "ab"] == [Tiles(columns=3, rows=2), Tiles(columns=2, rows=2)]
    assert config_of("cam0").tiles_of("c0") is None


@pytest.mark.parametrize(
    ("config", "mode"),
    [
        pytest.param(config_of("clip.mp4"), "throughput", id="a file"),
        pytest.param(config_of("cam0"), "latency", id="a camera"),
        pytest.param(config_of("rtsp://host/x"), "latency", id="a stream"),
        pytest.param(config_of("synthetic://?frames=3"), "throughput", id="a scene"),
        pytest.param(config_of("synthetic://?frames=3&paced=1"), "latency", id="a paced scene"),
        pytest.param(config_of("cam0", "cam1"), "throughput", id="several cameras"),
        pytest.param(config_of("cam0", mode="throughput"), "throughput", id="as told"),
    ],
)
def test_sources_decide_how_the_cores_are_spent(config: RunConfig, mode: str) -> None:
    assert config.mode_meant() == mode


def test_sources_without_names_get_them() -> None:
    sources = ["a/dog.mp4", "b/dog.mp4", "cam0", "rtsp://me:geheim@host:554/live/1", "photos/", "photos/*.jpg"]
    assert camera_names(sources) == ["dog", "dog_2", "cam0", "rtsp-host-554-live-1", "photos", "camera"]


def test_file_of_the_documentation_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "realtime.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    config = load_run_config(written(tmp_path, example))
    assert list(config.cameras) == ["door", "yard"]
    assert config.outputs_of("yard").save == str(tmp_path / "recordings" / "yard.mkv")
    assert config.score_options("yard") == ["0.5", "dog=0.6", "0.4"]

"""What a command needs is looked at before its first second of work, in every command."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NoReturn

import cv2
import pytest

from singleshot.export.graphs.graph_file import save_graph
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.fixtures.hostile_detector import CARD, hostile_detector_graph, patches, write_labelled
from singleshot.tests.places import VOC_ROOT

WORK = (
    "singleshot.runtime.session.Session.run",
    "singleshot.calib.graph_surgery.open_inner",
    "singleshot.export.engine.stage.compile_engine",
    "singleshot.export.checkpoint.export.load_checkpoint",
    "singleshot.export.foreign.adapt.load_foreign_graph",
    "singleshot.train.run.train.open_training_images",
    "singleshot.train.tuning.study.run_trials",
)
"""Where each command's first second goes."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector, photos, labelled images, two data sets in one folder, a file, and a folder named as a graph."""
    place = tmp_path_factory.mktemp("checked")
    save_graph(hostile_detector_graph(()), CARD, place / "graph.onnx")
    write_labelled(place / "data", place / "graph.onnx", images=12)
    write_labelled(place / "several", place / "graph.onnx", images=1)
    shutil.copytree(VOC_ROOT, place / "several", dirs_exist_ok=True)
    (place / "photos").mkdir()
    for seed in range(12):
        cv2.imwrite(str(place / "photos" / f"{seed}.png"), patches(500 + seed))
    (place / "empty").mkdir()
    (place / "file").write_text("no folder")
    (place / "folder.onnx").mkdir()
    (place / "folder.json").mkdir()
    (place / "folder.png").mkdir()
    (place / "folder.engine").mkdir()
    return place


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(*_given: object, **_named: object) -> NoReturn:
        raise AssertionError("the work began")

    for name in WORK:
        monkeypatch.setattr(name, work)


QUANTIZE = "quantize {place}/graph.onnx --images {place}/photos"
CERTIFY = "certify {place}/graph.onnx --frames {place}/photos"
BUILD = "build {place}/graph.onnx"
SEVERAL, NO_SPLIT = "expected one data set, got several", "test: expected a split of data"
A_FOLDER, IN_A_FILE = "expected the name of a file to write, got a folder", "/file, which is a file."


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param(f"{QUANTIZE} --data {{place}}/several", SEVERAL, id="quantize, several data sets"),
        pytest.param(f"{QUANTIZE} --data {{place}}/data --split test", NO_SPLIT, id="quantize, no such split"),
        pytest.param(f"{QUANTIZE} -o {{place}}/folder.onnx", A_FOLDER, id="quantize, a folder"),
        pytest.param(f"{QUANTIZE} -o {{place}}/file/x.onnx", IN_A_FILE, id="quantize, in a file"),
        pytest.param(f"{QUANTIZE} --save-table {{place}}/folder.json", A_FOLDER, id="quantize, table"),
        pytest.param(
            f"{QUANTIZE} --data {{place}}/data --save-table {{place}}/folder.json", A_FOLDER, id="gate, table"
        ),
        pytest.param(f"{QUANTIZE} --data {{place}}/data -o {{place}}/file/x.onnx", IN_A_FILE, id="gate, in a file"),
        pytest.param(
            "quantize {place}/graph.onnx --images {place}/empty --data {place}/data", "expected images", id="no images"
        ),
        pytest.param(f"{QUANTIZE} --keep-float nothing", "--keep-float nothing: expected part", id="quantize, blocks"),
        pytest.param(f"{CERTIFY} --data {{place}}/several -o {{place}}/x.onnx", SEVERAL, id="certify, several"),
        pytest.param(
            f"{CERTIFY} --data {{place}}/data --split test -o {{place}}/x.onnx", NO_SPLIT, id="certify, no such split"
        ),
        pytest.param(f"{CERTIFY} -o {{place}}/folder.onnx", A_FOLDER, id="certify, a folder"),
        pytest.param(
            "evaluate {place}/graph.onnx --data {place}/data --split test", NO_SPLIT, id="evaluate, no such split"
        ),
        pytest.param("evaluate {place}/graph.onnx --data {place}/several", SEVERAL, id="evaluate, several data sets"),
        pytest.param("export {place}/best.ckpt -o {place}/folder.onnx", A_FOLDER, id="export, a folder"),
        pytest.param("export {place}/best.ckpt -o {place}/file/x.onnx", IN_A_FILE, id="export, in a file"),
        pytest.param("adapt {place}/graph.onnx -o {place}/folder.onnx", A_FOLDER, id="adapt, a folder"),
        pytest.param(
            "verify {place}/graph.onnx {place}/graph.onnx --frames {place}/photos --save {place}/folder.png",
            A_FOLDER,
            id="verify, a folder",
        ),
        pytest.param(
            "verify {place}/graph.onnx {place}/graph.onnx --frames {place}/none", "none: ", id="verify, no frames"
        ),
        pytest.param("train ssd7 --data {place}/data -o {place}/file/run", IN_A_FILE, id="train, in a file"),
        pytest.param("train ssd7 --data {place}/several -o {place}/run", SEVERAL, id="train, several data sets"),
        pytest.param(
            "train ssd7 --data {place}/data --val-split test -o {place}/run", NO_SPLIT, id="train, no such split"
        ),
        pytest.param("tune ssd7 --data {place}/several -o {place}/study", SEVERAL, id="tune, several data sets"),
        pytest.param("bench {place}/graph.onnx --video {place}/none.mp4", "none.mp4: ", id="bench, no video"),
    ],
)
@pytest.mark.usefixtures("no_work")
def test_a_refusal_comes_before_any_work(place: Path, line: str, message: str) -> None:
    done = run_verb(*line.format(place=place).split())
    assert done.exit_code == 2, (done.exception, done.stderr)
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param(f"{BUILD} --data {{place}}/several", SEVERAL, id="several data sets"),
        pytest.param(f"{BUILD} --data {{place}}/data --split test", NO_SPLIT, id="no such split"),
        pytest.param(f"{BUILD} -o {{place}}/folder.engine", A_FOLDER, id="a folder"),
        pytest.param(f"{BUILD} --frames {{place}}/none", "none: ", id="no frames"),
        pytest.param(
            f"{BUILD} --precision int8 --calib-images {{place}}/empty", "expected images", id="nothing to calibrate on"
        ),
    ],
)
@pytest.mark.usefixtures("no_work")
def test_a_build_is_refused_before_any_work(
    place: Path, monkeypatch: pytest.MonkeyPatch, line: str, message: str
) -> None:
    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setattr("singleshot.export.engine.build.find_gpu", lambda: None)
    test_a_refusal_comes_before_any_work(place, line, message)

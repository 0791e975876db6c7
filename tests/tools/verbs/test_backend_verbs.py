"""`--backend` and `singleshot certify`, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import helper

from singleshot.export.parity.opencv_runner import OpenCvRunner
from singleshot.runtime.errors import InputError
from singleshot.runtime.runners.openvino_runner import OpenVinoRunner
from singleshot.runtime.shipped import CLIP
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.places import GRAPHS


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))
    return path


def test_certify_writes_what_it_measured(small_detector: Path, photo: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    out = tmp_path / "out.onnx"
    done = run_verb("certify", small_detector, "--frames", photo, "-o", out, "--json")
    assert done.exit_code == 0, done.stderr
    first = json.loads(done.stdout)["backend_parity"][0]
    assert (first["backend"], first["precision"], first["holds"]) == ("openvino", "fp32", True)
    assert json.loads(run_verb("inspect", out, "--json").stdout)["card"]["backend_parity"][0] == first


def test_certify_judges_nothing_without_data(small_detector: Path, photo: Path, tmp_path: Path) -> None:
    options = ("--max-drop", 0, "--anyway")
    done = run_verb("certify", small_detector, "--frames", photo, "-o", tmp_path / "o.onnx", *options)
    assert done.exit_code == 2
    assert "--max-drop, --anyway: expected --data DIR with it, got none" in done.stderr


def test_certify_asks_for_a_card_before_all_else(small_detector: Path, photo: Path) -> None:
    done = run_verb("certify", GRAPHS / "bad_no_card.onnx")
    assert done.exit_code == 2
    assert "bad_no_card.onnx: expected a graph with a card, got none" in done.stderr
    assert done.stderr.endswith("`singleshot adapt` gives somebody else's detector one.\n")
    done = run_verb("certify", small_detector)
    assert done.exit_code == 2
    assert "--frames: expected pictures to compare on, got nothing. Name a video or a folder of images." in done.stderr
    done = run_verb("certify", small_detector, "--frames", photo)
    assert done.exit_code == 2
    assert "--out: expected a file for the graph with the new card, got nothing. Give -o OUT.onnx." in done.stderr


def test_rt_detect_says_who_runs_it() -> None:
    pytest.importorskip("openvino")
    done = run_verb("rt-detect", "--video", CLIP, "--max-frames", 2, "--backend", "openvino:f32")
    assert done.exit_code == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("backend: openvino fp32 (as asked for); throughput: ")
    assert "openvino fp32 (CPU)" in done.stdout


def test_a_checkpoint_takes_no_backend(tmp_path: Path) -> None:
    done = run_verb("evaluate", tmp_path / "best.ckpt", "--data", tmp_path, "--backend", "openvino")
    assert done.exit_code == 2
    assert "--backend: expected auto with a checkpoint, which runs in PyTorch, got openvino" in done.stderr


def test_a_graph_that_openvino_cannot_run_is_one_line(small_detector: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    with pytest.raises(
        InputError, match=r"lost\.onnx: expected a graph that OpenVINO can (read|compile), got: "
    ) as caught:
        OpenVinoRunner(_with_cdist(small_detector, tmp_path / "lost.onnx"))
    assert "\n" not in str(caught.value)


def test_a_graph_that_opencv_cannot_run_is_one_line(
    small_detector: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=r"lost\.onnx: expected a graph that OpenCV can run, got: ") as caught:
        OpenCvRunner(_with_cdist(small_detector, tmp_path / "lost.onnx"))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_opencv_4_is_told(graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "__version__", "4.12.0")
    with pytest.raises(InputError, match=r"expected OpenCV 5 or later to run a graph, got 4\.12\.0\. pip install"):
        OpenCvRunner(graphs / "quarters.onnx")


def _with_cdist(graph: Path, to: Path) -> Path:
    """Add an output by an operator that is ONNX Runtime's own."""
    model = onnx.load(str(graph))
    scores = ["det_scores", "det_scores"]
    model.graph.node.append(helper.make_node("CDist", scores, ["apart"], domain="com.microsoft", metric="euclidean"))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    model.graph.output.append(helper.make_tensor_value_info("apart", onnx.TensorProto.FLOAT, ["N", "N"]))
    onnx.save(model, str(to))
    return to


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("verb", ["evaluate", "verify"])
def test_trust_reaches_whoever_opens_the_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, verb: str, trusted: bool
) -> None:
    told: list[object] = []

    def open_session(_path: Path, **options: object) -> None:
        told.append(options["trust"])
        raise InputError("x.engine: enough.")

    monkeypatch.setattr("singleshot.runtime.session.open_session", open_session)
    monkeypatch.setattr("singleshot.export.parity.artefact.open_session", open_session)
    others = ("--data", tmp_path) if verb == "evaluate" else (tmp_path / "y.engine", "--frames", CLIP)
    done = run_verb(verb, tmp_path / "x.engine", *others, *(["--trust"] if trusted else []))
    assert done.exit_code == 2
    assert done.stderr.strip().endswith("x.engine: enough.")
    assert told == [trusted]


def test_a_picture_of_two_classifiers_is_said_not_to_be_written(graphs: Path, photo: Path, tmp_path: Path) -> None:
    graph, picture = graphs / "quarters_classifier.onnx", tmp_path / "worst.png"
    done = run_verb("verify", graph, graph, "--frames", photo, "--save", picture)
    assert done.exit_code == 0, done.stderr
    assert f"{picture}: not written, there are no detections to draw" in " ".join(done.stderr.split())
    assert not picture.exists()

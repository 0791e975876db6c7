"""OpenVINO holds to the contract as ONNX Runtime does, and computes in what was asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from singleshot.runtime.errors import InputError, MissingDependencyError
from singleshot.runtime.image_files import read_image_bgr
from singleshot.runtime.runners import openvino_runner
from singleshot.runtime.runners.openvino_runner import OpenVinoRunner
from singleshot.runtime.session import detect, open_session
from singleshot.runtime.shipped import shipped_detector
from singleshot.tests.places import PHOTOS
from singleshot.tests.runtime.test_session import SIDE, quarters


@pytest.fixture
def _installed() -> None:
    pytest.importorskip("openvino")


needs_openvino = pytest.mark.usefixtures("_installed")


@needs_openvino
def test_detections_are_what_one_works_out_by_hand(graphs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with open_session(graphs / "quarters.onnx", backend="openvino", threads=1) as session:
        (found,) = session.run(quarters(0, 204, 102, 12)[np.newaxis])
        frames = np.stack([quarters(255, 0, 0, 0), quarters(0, 0, 0, 0), quarters(0, 0, 255, 255)])
        assert [rows.class_ids.tolist() for rows in session.run(frames)] == [[0], [], [2, 3]]
    assert session.backend == "openvino fp32 (CPU)"
    assert found.class_ids.tolist() == [1, 2]
    np.testing.assert_allclose(found.scores, [0.8, 0.4], atol=1e-6)
    np.testing.assert_allclose(found.boxes_xyxy, [[0.625, 0.125, 0.875, 0.375], [0.125, 0.625, 0.375, 0.875]])
    assert capfd.readouterr().err == ""
    with pytest.raises(RuntimeError, match="closed"):
        session.run(frames)


@needs_openvino
def test_classifier_names_the_lower_class_first_where_classes_tie(graphs: Path) -> None:
    with open_session(graphs / "quarters_classifier.onnx", backend="openvino") as session:
        (found,) = session.classify(quarters(80, 80, 80, 80)[np.newaxis])
    assert found.class_ids.tolist() == [0, 1, 2, 3]


@needs_openvino
def test_more_batch_sizes_than_are_kept(graphs: Path) -> None:
    with open_session(graphs / "quarters.onnx", backend="openvino") as session:
        for batch in (1, 2, 3, 4, 5, 6, 1):
            assert len(session.run(np.full((batch, SIDE, SIDE, 3), 200, np.uint8))) == batch


@needs_openvino
def test_f32_is_f32_and_bf16_is_not() -> None:
    """OpenVINO takes bf16 by itself where the processor has it: on such a machine the two must differ."""
    photograph = read_image_bgr(PHOTOS / "2008_008487.jpg")
    answers = {}
    for backend, precision in (("onnxruntime", "auto"), ("openvino", "fp32"), ("openvino", "bf16")):
        if precision == "bf16" and not openvino_runner.computes_bf16():
            continue
        with open_session(shipped_detector(), backend=backend, precision=precision) as session:  # type: ignore[arg-type]
            answers[session.backend] = detect(session, photograph).scores[:5]
    assert len(answers["onnxruntime (CPU)"]) == 5
    np.testing.assert_allclose(answers["openvino fp32 (CPU)"], answers["onnxruntime (CPU)"], rtol=0, atol=1e-5)
    if "openvino bf16 (CPU)" in answers:
        assert np.abs(answers["openvino bf16 (CPU)"] - answers["openvino fp32 (CPU)"]).max() > 1e-5


@needs_openvino
def test_a_processor_without_bf16_is_told(graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_runner, "computes_bf16", lambda: False)
    with pytest.raises(InputError, match="expected a processor that computes bf16, got one without it"):
        open_session(graphs / "quarters.onnx", backend="openvino", precision="bf16")


@needs_openvino
@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("no_such", "expected an ONNX graph, got no such file", id="missing"),
        pytest.param("bad_no_card", "expected a graph with a card, got none", id="no card"),
        pytest.param("bad_rows", r"expected det_boxes float32 \[N, 100, 4\], got float32 \[N, 4, 4\]", id="rows"),
        pytest.param("bad_input_name", "expected the inputs frames, got images", id="input"),
    ],
)
def test_what_is_no_detector_is_refused_in_one_line(graphs: Path, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        open_session(graphs / f"{name}.onnx", backend="openvino")
    assert "\n" not in str(caught.value)


@needs_openvino
def test_what_was_compiled_is_kept_for_the_next_start(graphs: Path, own_folders: Path) -> None:
    frames = quarters(0, 204, 102, 12)[np.newaxis]
    answers = []
    for content in (None, None, b"", b"nonsense"):
        blobs = list((own_folders / "cache" / "singleshot" / "openvino").glob("*.blob"))
        for blob in blobs:
            blob.chmod(0o600)
            blob.write_bytes(blob.read_bytes() if content is None else content)
        with open_session(graphs / "quarters.onnx", backend="openvino") as session:
            answers.append(session.run(frames)[0].scores.tolist())
    assert len(blobs) == 1
    assert answers == [pytest.approx([0.8, 0.4])] * 4


@needs_openvino
def test_graphs_that_are_measured_are_not_kept(graphs: Path, own_folders: Path) -> None:
    open_session(graphs / "quarters.onnx", backend="openvino", proves=False).close()
    assert not (own_folders / "cache" / "singleshot" / "openvino").exists()


@needs_openvino
def test_what_is_kept_is_bounded(graphs: Path, own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = own_folders / "cache" / "singleshot" / "openvino"
    folder.mkdir(parents=True)
    for age, name in enumerate(("newer", "older", "oldest")):
        (folder / f"{name}.blob").write_bytes(b"x" * 100)
        os.utime(folder / f"{name}.blob", (1e9 - age, 1e9 - age))
    monkeypatch.setattr(openvino_runner, "_KEPT_BYTES", 150)
    open_session(graphs / "quarters.onnx", backend="openvino").close()
    assert sorted(blob.stem for blob in folder.glob("*er.blob")) == ["newer"]
    assert not (folder / "oldest.blob").exists()


@needs_openvino
def test_without_a_place_to_keep_it_it_is_compiled_each_time(
    graphs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with open_session(graphs / "quarters.onnx", backend="openvino") as session:
        assert len(session.run(quarters(255, 0, 0, 0)[np.newaxis])[0]) == 1


@needs_openvino
def test_threads_start_at_one(graphs: Path) -> None:
    with pytest.raises(InputError, match="threads: expected at least 1, got 0"):
        open_session(graphs / "quarters.onnx", backend="openvino", threads=0)


def test_what_brings_openvino_is_said(graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependencyError, match=r"needs the package 'openvino'.*singleshot\[openvino\]"):
        OpenVinoRunner(graphs / "quarters.onnx")


@needs_openvino
def test_a_batch_that_the_graph_does_not_take_is_one_line(tmp_path: Path) -> None:
    from onnx import numpy_helper

    from singleshot.export.graphs.graph_file import save_graph
    from singleshot.tests.fixtures.small_detector import CARD, small_detector_graph

    model = small_detector_graph()
    shape = next(item for item in model.graph.initializer if item.name == "s_box")
    shape.CopyFrom(numpy_helper.from_array(np.array([1, 256, 4], np.int64), "s_box"))
    save_graph(model, CARD, tmp_path / "one.onnx")
    with open_session(tmp_path / "one.onnx", backend="openvino") as session:
        assert len(session.run(np.zeros((1, 64, 64, 3), np.uint8))) == 1
        with pytest.raises(
            InputError, match=r"one\.onnx: expected a graph that OpenVINO can compile, got: .*\. Run it"
        ):
            session.run(np.zeros((2, 64, 64, 3), np.uint8))


@needs_openvino
def test_first_runs_of_a_process_in_several_threads(graphs: Path) -> None:
    """Before there was a run at the opening, one process in three never came back from these."""
    code = f"""
import threading
from pathlib import Path
import numpy as np
from singleshot.runtime.session import open_session
session = open_session(Path({str(graphs / "quarters.onnx")!r}), backend="openvino", streams=4)
together, found = threading.Barrier(4), []
def run():
    together.wait()
    found.append(len(session.run(np.full((1, {SIDE}, {SIDE}, 3), 255, np.uint8))[0]))
threads = [threading.Thread(target=run) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*found)
"""
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        assert sorted(done.stdout.split()) == ["4"] * 4

"""A graph is checked before it runs, and what is wrong with it is said in one line."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.session import open_session

SIDE = 32


def quarters(*brightness: int) -> np.ndarray:
    """Make a [32, 32, 3] frame of four grey quarters: top left, top right, bottom left, bottom right."""
    grid = np.array(brightness, np.uint8).reshape(2, 2).repeat(16, axis=0).repeat(16, axis=1)
    return grid[:, :, np.newaxis].repeat(3, axis=2)


def test_detections_are_what_one_works_out_by_hand(graphs: Path) -> None:
    with open_session(graphs / "quarters.onnx") as session:
        (found,) = session.run(quarters(0, 204, 102, 12)[np.newaxis])
    assert session.backend.startswith("onnxruntime (")
    assert found.class_ids.tolist() == [1, 2]  # 0 and 12 / 255 = 0.047 are below the floor of 0.05
    np.testing.assert_allclose(found.scores, [0.8, 0.4], atol=1e-6)
    np.testing.assert_allclose(found.boxes_xyxy, [[0.625, 0.125, 0.875, 0.375], [0.125, 0.625, 0.375, 0.875]])


def test_each_frame_of_a_batch_has_its_own_detections(graphs: Path) -> None:
    frames = np.stack([quarters(255, 0, 0, 0), quarters(0, 0, 0, 0), quarters(0, 0, 255, 255)])
    with open_session(graphs / "quarters.onnx", threads=1) as session:
        assert [found.class_ids.tolist() for found in session.run(frames)] == [[0], [], [2, 3]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("no_such.onnx", "expected an ONNX graph, got no such file.", id="missing"),
        pytest.param(
            "bad_no_card.onnx",
            "expected a graph with a card, got none under 'singleshot.card'. Export it again with `singleshot export`. "
            "`singleshot adapt` gives somebody else's detector one.",
            id="no card",
        ),
        pytest.param("bad_card_not_json.onnx", "expected a valid singleshot card, got Expecting", id="card no JSON"),
        pytest.param("bad_card_without_names.onnx", "expected a valid singleshot card, got class_names", id="bad card"),
        pytest.param(
            "bad_cluster_tail.onnx",
            "expected the outputs num_dets, det_boxes, det_scores, det_classes, exact, got",
            id="tail",
        ),
        pytest.param("bad_input_name.onnx", "expected the inputs frames, got images.", id="input's name"),
        pytest.param(
            "bad_output_names.onnx",
            "expected the outputs num_dets, det_boxes, det_scores, det_classes, got result.",
            id="outputs' names",
        ),
        pytest.param(
            "bad_input_dtype.onnx",
            "expected frames uint8 [N, 32, 32, 3], got float32 [N, 32, 32, 3].",
            id="input's type",
        ),
        pytest.param(
            "bad_input_size.onnx",
            "expected frames uint8 [N, 32, 64, 3], got uint8 [N, 32, 32, 3].",
            id="input's size is not the card's",
        ),
        pytest.param("bad_rows.onnx", "expected det_boxes float32 [N, 100, 4], got float32 [N, 4, 4].", id="rows"),
        pytest.param(
            "graph.pt",
            "expected a graph (.onnx) or an engine (.engine), got the suffix '.pt'.",
            id="another kind of file",
        ),
        pytest.param("best.ckpt", "expected a graph (.onnx), got a checkpoint. `singleshot export", id="checkpoint"),
    ],
)
def test_what_is_no_detector_is_refused_in_one_line(graphs: Path, name: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        open_session(graphs / name)
    assert str(caught.value).startswith(f"{graphs / name}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="truncated"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda _: b"<html>not found</html>", id="another format"),
        pytest.param(lambda data: data[:300] + bytes(100) + data[400:], id="corrupt"),
    ],
)
def test_damaged_graph_is_refused_in_one_line(
    graphs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], damage: object
) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(damage((graphs / "quarters.onnx").read_bytes()))  # type: ignore[operator]
    with pytest.raises(InputError, match="expected an ONNX graph, got a file that ONNX Runtime cannot load") as caught:
        open_session(path)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""  # ONNX Runtime's own lines stay away


def test_folder_is_no_graph(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").mkdir()
    with pytest.raises(InputError, match="expected an ONNX graph, got Is a directory"):
        open_session(tmp_path / "x.onnx")


def test_threads_start_at_one(graphs: Path) -> None:
    with pytest.raises(InputError, match="threads: expected at least 1, got 0"):
        open_session(graphs / "quarters.onnx", threads=0)


@pytest.mark.parametrize(
    ("graph", "frames", "message"),
    [
        pytest.param(
            "quarters",
            np.zeros((1, SIDE, SIDE, 3), np.float32),
            r"expected uint8 \[N, 32, 32, 3\], got float32 \[1, 32, 32, 3\]",
            id="type",
        ),
        pytest.param("quarters", np.zeros((1, 16, SIDE, 3), np.uint8), r"got uint8 \[1, 16, 32, 3\]", id="height"),
        pytest.param("quarters", np.zeros((SIDE, SIDE, 3), np.uint8), r"got uint8 \[32, 32, 3\]", id="no batch"),
        pytest.param("quarters", np.zeros((0, SIDE, SIDE, 3), np.uint8), r"got uint8 \[0, 32, 32, 3\]", id="empty"),
        pytest.param(
            "quarters_one_by_one",
            np.zeros((2, SIDE, SIDE, 3), np.uint8),
            r"expected uint8 \[1, 32, 32, 3\], got uint8 \[2, 32, 32, 3\]",
            id="batch of a graph that takes one",
        ),
    ],
)
def test_other_frames_are_refused(graphs: Path, graph: str, frames: np.ndarray, message: str) -> None:
    with open_session(graphs / f"{graph}.onnx") as session, pytest.raises(InputError, match=message):
        session.run(frames)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        pytest.param("bad_class_ids", "expected class ids 0 to 3 as in the card, got 4 to 7", id="class ids"),
        pytest.param("bad_nan_scores", "expected finite boxes and scores, got NaN or infinity", id="scores"),
    ],
)
def test_results_outside_the_contract_are_refused(graphs: Path, graph: str, message: str) -> None:
    with open_session(graphs / f"{graph}.onnx") as session, pytest.raises(InputError, match=message):
        session.run(np.full((1, SIDE, SIDE, 3), 255, np.uint8))


def test_closed_session_does_not_run(graphs: Path) -> None:
    with open_session(graphs / "quarters.onnx") as session:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        session.run(np.zeros((1, SIDE, SIDE, 3), np.uint8))


def test_several_threads_run_one_session(graphs: Path) -> None:
    with open_session(graphs / "quarters.onnx", streams=4) as session, ThreadPoolExecutor(4) as threads:
        found = threads.map(session.run, (quarters(255 * (n % 2), 0, 0, 0)[np.newaxis] for n in range(40)))
        assert [one.class_ids.tolist() for (one,) in found] == [[], [0]] * 20
    assert (session.streams, session.batch) == (4, 1)

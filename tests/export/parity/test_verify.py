"""Two artefacts on the same frames, on graphs small enough to know what they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from singleshot.export.graphs.tail import append_onnx_tail
from singleshot.export.parity import verify as verification
from singleshot.export.parity.artefact import open_artefact
from singleshot.export.parity.detections import compare_detections
from singleshot.export.parity.matching import FramePair, match_detections, pair_of_detections
from singleshot.export.parity.parity import Parity
from singleshot.export.parity.runners import split_runner
from singleshot.export.parity.tolerances import FP16, FP32, INT8, Tolerances, tolerances_for
from singleshot.export.parity.verify import Verification, sampled_frames, verify
from singleshot.runtime.card import CARD_KEY, Card, InputSpec, Postprocess
from singleshot.runtime.detection.detections import Detections
from singleshot.runtime.errors import CheckError, InputError
from singleshot.runtime.runners import openvino_runner
from singleshot.runtime.sources.frame import Frame
from singleshot.tests.fixtures.found import detections
from singleshot.tools.pages.worst_frames import save_worst_frames

SIDE = 4
DEFAULTS = np.array(
    [[x, y, 0.3, 0.3] for y in (0.2, 0.5, 0.8) for x in (0.2, 0.5, 0.8)], np.float32
)  # [9, 4], cxcywh: they do not overlap
POSTPROCESS = Postprocess(candidates=18, max_detections=9, score_floor=0.01)
WriteDetector = Callable[..., Path]


@pytest.fixture
def write_detector(tmp_path: Path) -> WriteDetector:
    """Give a function that writes a one-layer detector with the `onnx` tail; the seed makes its weights."""

    def write(name: str, *, error: float = 0.0, half: bool = False, **card_changes: Any) -> Path:
        rng = np.random.default_rng(5)
        kind = np.float16 if half else np.float32
        numbers = SIDE * SIDE * 3
        weights = {"class_logits": 3, "box_offsets": 4}
        nodes = [
            helper.make_node("Cast", ["frames"], ["values"], to=TensorProto.FLOAT16 if half else TensorProto.FLOAT),
            helper.make_node("Flatten", ["values"], ["flat"]),
        ]
        constants, outputs = [], []
        for head, width in weights.items():
            factor = rng.normal(0, 0.002, (numbers, len(DEFAULTS) * width)) + error
            shape = np.array([-1, len(DEFAULTS), width], np.int64)
            constants += [
                numpy_helper.from_array(factor.astype(kind), f"{head}_factor"),
                numpy_helper.from_array(shape, f"{head}_shape"),
            ]
            nodes += [
                helper.make_node("MatMul", ["flat", f"{head}_factor"], [f"{head}_flat"]),
                helper.make_node("Cast", [f"{head}_flat"], [f"{head}_float"], to=TensorProto.FLOAT),
                helper.make_node("Reshape", [f"{head}_float", f"{head}_shape"], [head]),
            ]
            outputs.append(helper.make_tensor_value_info(head, TensorProto.FLOAT, ["N", len(DEFAULTS), width]))
        frames = helper.make_tensor_value_info("frames", TensorProto.UINT8, ["N", SIDE, SIDE, 3])
        graph = helper.make_graph(nodes, "small", [frames], outputs, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        model = append_onnx_tail(model, default_cxcywh=DEFAULTS, postprocess=POSTPROCESS)
        card = Card(
            kind="graph",
            network="small",
            class_names=("cat", "dog"),
            input=InputSpec(height=SIDE, width=SIDE, mean=(0, 0, 0), std=(1, 1, 1)),
            postprocess=POSTPROCESS,
        )
        helper.set_model_props(model, {CARD_KEY: card.model_copy(update=card_changes).to_json()})
        path = tmp_path / name
        onnx.save(model, str(path))
        return path

    return write


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures of noise, which the one-layer detector finds objects in."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 256, (30, 40, 3), np.uint8))
    return folder


def moved(graph: Path, to: Path, by: float) -> Path:
    """Copy the graph of quarters with its boxes moved."""
    model = onnx.load(str(graph))
    (boxes,) = (item for item in model.graph.initializer if item.name == "boxes")
    boxes.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(boxes) + np.float32(by), "boxes"))
    onnx.save(model, str(to))
    return to


def test_an_artefact_agrees_with_itself(write_detector: WriteDetector, photos: Path) -> None:
    path = write_detector("a.onnx")
    done: list[tuple[str, int, int]] = []
    result = verify(path, path, frames=str(photos), on_progress=lambda *at: done.append(at))
    assert isinstance(result.parity, Parity)
    assert result.holds
    assert result.parity.frames == 3
    assert result.parity.matched > 0
    assert result.parity.heads_difference == 0.0
    assert done == [("comparing frames", count, 3) for count in (1, 2, 3)]
    result.check()


def test_other_weights_are_told_by_the_heads(write_detector: WriteDetector, photos: Path) -> None:
    """The detections still match: the raw heads alone tell that something changed."""
    result = verify(write_detector("a.onnx"), write_detector("b.onnx", error=1e-7), frames=str(photos))
    assert isinstance(result.parity, Parity)
    assert result.parity.unmatched == ()
    assert result.parity.heads_difference is not None
    assert result.parity.heads_difference > 1e-4
    with pytest.raises(
        CheckError, match=r"b\.onnx: expected the same detections as .*a\.onnx, got no rounding explains"
    ):
        result.check()


def test_half_precision_has_its_own_tolerances(write_detector: WriteDetector, photos: Path) -> None:
    result = verify(write_detector("a.onnx"), write_detector("half.onnx", half=True), frames=str(photos))
    assert isinstance(result.parity, Parity)
    assert result.parity.tolerances.precision == "fp16"
    assert result.parity.rounding is not None
    assert abs(result.parity.rounding.bits) < 1
    assert result.parity.heads_difference is not None
    assert result.parity.heads_difference > 1e-4
    assert result.holds
    assert FP16.reason in "\n".join(result.lines())


def test_a_batch_that_is_fixed_is_no_difference(graphs: Path, dog_clip: Path) -> None:
    result = verify(graphs / "quarters.onnx", graphs / "quarters_one_by_one.onnx", frames=str(dog_clip), count=2)
    assert result.holds
    assert isinstance(result.parity, Parity)
    assert result.parity.heads_difference is None
    assert [item.frame.index for item in sorted(result.compared, key=lambda item: item.frame.index)] == [0, 281]


def test_a_moved_box_is_found_and_drawn(graphs: Path, tmp_path: Path) -> None:
    """Dark quarters are no detections: the brighter a frame, the more of it can be wrong, and the worst comes first."""
    folder = tmp_path / "frames"
    folder.mkdir()
    image = np.zeros((32, 32, 3), np.uint8)
    for number, quarter in enumerate((image[:16, :16], image[16:, :16], image[16:, 16:])):
        quarter[:] = 200
        cv2.imwrite(str(folder / f"{number}.png"), image)
    wrong = moved(graphs / "quarters.onnx", tmp_path / "moved.onnx", 0.01)
    result = verify(graphs / "quarters.onnx", wrong, frames=str(folder))
    assert [(item.frame.index, item.badness[0]) for item in result.compared] == [(2, 6), (1, 4), (0, 2)]
    with pytest.raises(
        CheckError, match=r"moved\.onnx: expected the same detections .* got more than .*: 12 of 12 detections changed"
    ):
        result.check()
    assert save_worst_frames(result, tmp_path / "worst.png") == 3
    sheet = cv2.imread(str(tmp_path / "worst.png"))
    assert sheet is not None
    assert sheet.shape[1] == 2 * 640 + 8


def test_nothing_to_compare_proves_nothing(graphs: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((32, 32, 3), np.uint8))
    result = verify(graphs / "quarters.onnx", graphs / "quarters.onnx", frames=str(tmp_path / "black.png"))
    with pytest.raises(CheckError, match=r"got no detection on either side to compare\. Name frames with objects"):
        result.check()


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        pytest.param({"class_names": ("dog", "cat")}, "class names: ('cat', 'dog') against ('dog', 'cat')", id="names"),
        pytest.param(
            {"postprocess": POSTPROCESS.model_copy(update={"score_floor": 0.2})},
            "post-processing score_floor: 0.01 against 0.2",
            id="floor",
        ),
    ],
)
def test_another_card_ends_the_comparison(
    write_detector: WriteDetector, photos: Path, changes: dict[str, Any], difference: str
) -> None:
    result = verify(write_detector("a.onnx"), write_detector("b.onnx", **changes), frames=str(photos))
    assert result.contract == (difference,)
    assert not result.holds
    with pytest.raises(CheckError, match="got another contract"):
        result.check()
    with pytest.raises(InputError, match="expected frames to draw, got none, because the contracts differ"):
        save_worst_frames(result, photos / "worst.png")


def test_other_shapes_are_told_by_name(write_detector: WriteDetector, graphs: Path, photos: Path) -> None:
    result = verify(write_detector("a.onnx"), graphs / "quarters.onnx", frames=str(photos))
    assert "frames: uint8 [N, 4, 4, 3] against uint8 [N, 32, 32, 3]" in result.contract
    assert "det_scores: float32 [N, 9] against float32 [N, 4]" in result.contract


def test_frames_are_spread_over_a_video(dog_clip: Path) -> None:
    frames, warnings = sampled_frames(str(dog_clip), 4)
    assert ([frame.index for frame in frames], warnings) == ([0, 93, 187, 281], ())


def test_a_camera_shows_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    class Camera:
        kind = "camera"

        def __enter__(self) -> Camera:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(verification, "open_source", lambda _: Camera())
    with pytest.raises(InputError, match="cam0: expected a video or images, got a camera"):
        sampled_frames("cam0", 4)


LEFT, NEAR = [0.1, 0.1, 0.5, 0.5], [0.12, 0.1, 0.52, 0.5]
ONE = detections((0.8, 0, LEFT))


@pytest.mark.parametrize(
    ("found", "tolerances", "matched", "alone"),
    [
        pytest.param(ONE, FP32, 1, 0, id="the same"),
        pytest.param(detections((0.8, 1, LEFT)), FP32, 0, 2, id="of another class"),
        pytest.param(detections((0.8, 0, NEAR)), FP32, 0, 2, id="a moved box is not excused as a tie"),
        pytest.param(detections((0.8, 0, NEAR)), INT8, 1, 0, id="int8 moves boxes"),
        pytest.param(detections((0.5, 0, LEFT)), INT8, 0, 2, id="int8 does not move scores that far"),
        pytest.param(detections((0.8, 0, LEFT), (0.29, 1, LEFT)), INT8, 1, 0, id="int8 does not judge low scores"),
        pytest.param(detections((0.8, 0, LEFT), (0.0105, 1, LEFT)), FP32, 1, 0, id="at the floor"),
        pytest.param(detections((0.8, 0, LEFT), (0.3, 1, LEFT)), FP32, 1, 1, id="one too many"),
        pytest.param(Detections.none(), FP32, 0, 1, id="none"),
    ],
)
def test_matching_by_hand(found: Detections, tolerances: Any, matched: int, alone: int) -> None:
    pair = pair_of_detections(ONE, found, class_count=2)
    match = match_detections(pair, Postprocess(), tolerances)
    assert len(match.left) == matched
    assert len(match.expected_alone) + len(match.found_alone) == alone


@pytest.mark.parametrize(
    ("found", "matched"),
    [
        pytest.param([0.1001, 0.0, 0.1501, 0.0], 1, id="moved by rounding"),
        pytest.param([0.1, 0.0, 0.15, 0.0001], 1, id="not quite flat"),
        pytest.param([0.14, 0.0, 0.19, 0.0], 0, id="further along the edge"),
        pytest.param([0.1, 1.0, 0.15, 1.0], 0, id="at the edge across"),
        pytest.param([0.1, 0.0, 0.15, 0.05], 0, id="not flat"),
    ],
)
@pytest.mark.parametrize("tolerances", [FP16, INT8])
def test_a_box_clipped_flat_at_an_edge_is_matched_by_where_it_lies(
    found: list[float], matched: int, tolerances: Tolerances
) -> None:
    flat, other = detections((0.8, 0, [0.1, 0.0, 0.15, 0.0])), detections((0.8, 0, found))
    match = match_detections(pair_of_detections(flat, other, class_count=2), Postprocess(), tolerances)
    assert (len(match.left), len(match.expected_alone), len(match.found_alone)) == (matched, 1 - matched, 1 - matched)


def test_an_overlap_at_the_threshold_is_exempt() -> None:
    """At IoU 0.45 exactly, rounding decides whether the second box is suppressed."""
    shifted = 0.4 * (1 - 0.45) / (1 + 0.45)
    first = (0.8, 0, LEFT)
    both = detections(first, (0.6, 0, [0.1 + shifted, 0.1, 0.5 + shifted, 0.5]))
    parity = compare_detections(
        [pair_of_detections(both, ONE, class_count=2)], Postprocess(), heads_difference=None, tolerances=FP32
    )
    assert (parity.matched, parity.exempt, parity.unmatched, parity.holds) == (1, 1, (), True)


def test_a_tie_is_exempt_where_all_candidates_are_known() -> None:
    near = detections((0.8, 0, NEAR))
    boxes: NDArray[np.float32] = np.array([LEFT, NEAR], np.float32)
    scores = np.array([[0.8, 0], [0.8, 0]], np.float32)
    pair = FramePair(expected=ONE, found=near, scores=scores, boxes_xyxy=boxes)
    match = match_detections(pair, Postprocess())
    assert (match.exempt, len(match.expected_alone), len(match.found_alone)) == (2, 0, 0)


def test_the_coarser_precision_decides(write_detector: WriteDetector, photos: Path) -> None:
    full, half = write_detector("a.onnx"), write_detector("half.onnx", half=True)
    result: Verification = verify(half, full, frames=str(photos), count=1)
    assert tolerances_for(result.first, result.second) == FP16
    assert tolerances_for(result.second, result.second) == FP32


def test_frames_keep_their_place() -> None:
    frame = Frame(image=np.zeros((2, 2, 3), np.uint8), index=7, time_s=0.0, source="clip.mp4")
    item = verification.ComparedFrame(
        frame=frame,
        first=ONE,
        second=ONE,
        match=match_detections(pair_of_detections(ONE, ONE, class_count=2), Postprocess()),
    )
    assert item.badness == (0, 0.0)


@pytest.mark.parametrize("runner", ["openvino", "openvino:fp32", "openvino:f32", "opencv"])
def test_the_same_graph_elsewhere(write_detector: WriteDetector, photos: Path, runner: str) -> None:
    if runner != "opencv":
        pytest.importorskip("openvino")
    path = write_detector("a.onnx")
    result = verify(path, f"{path}@{runner}", frames=str(photos))
    assert isinstance(result.parity, Parity)
    assert result.holds, result.lines()
    assert result.parity.heads_difference is not None
    assert result.second.precision == "fp32"
    assert result.second.session.backend.startswith(runner.partition(":")[0])


def test_bf16_has_its_own_tolerances(write_detector: WriteDetector, photos: Path) -> None:
    pytest.importorskip("openvino")
    if "BF16" not in openvino_runner.core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor does not compute bf16")
    path = write_detector("a.onnx")
    result = verify(path, f"{path}@openvino:bf16", frames=str(photos))
    assert isinstance(result.parity, Parity)
    assert (result.second.precision, result.parity.tolerances.precision) == ("bf16", "bf16")
    assert result.holds, result.lines()
    assert result.parity.heads_difference is not None
    assert result.parity.heads_difference > 1e-4


def test_classifiers_are_compared_by_their_classes(graphs: Path, photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    path = graphs / "quarters_classifier.onnx"
    result = verify(path, f"{path}@openvino", frames=str(photos))
    assert isinstance(result.parity, Parity)
    assert (result.holds, result.parity.matched, result.parity.of) == (True, 3, "first classes")
    assert result.parity.heads_difference is not None
    assert result.compared == ()
    wrong = onnx.load(str(path))
    (factor,) = (item for item in wrong.graph.initializer if item.name == "factor")
    factor.CopyFrom(numpy_helper.from_array(np.array(-1 / 51, np.float32), "factor"))
    onnx.save(wrong, str(tmp_path / "wrong.onnx"))
    with pytest.raises(
        CheckError,
        match=r"wrong\.onnx: expected the same first classes .* got no rounding .*; 3 of 3 first classes changed",
    ):
        verify(path, tmp_path / "wrong.onnx", frames=str(photos)).check()


def test_a_detector_is_no_classifier(graphs: Path, photos: Path) -> None:
    result = verify(graphs / "quarters.onnx", graphs / "quarters_classifier.onnx", frames=str(photos))
    assert "task: detector against classifier" in result.contract


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param("a.onnx@tpu", "a.onnx@tpu: expected one of onnxruntime, .* behind the @, got 'tpu'", id="unknown"),
        pytest.param("a.ckpt@openvino", "expected nothing behind the @ of what PyTorch runs, got openvino", id="torch"),
        pytest.param("a.engine@opencv", "expected nothing behind the @ of what TensorRT runs, got opencv", id="engine"),
    ],
)
def test_a_runner_that_does_not_fit(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_artefact(spec)


def test_opencv_needs_a_tail_that_can_be_put_in(graphs: Path) -> None:
    with pytest.raises(InputError, match=r"quarters\.onnx: expected a graph that can be given the `cluster` tail"):
        open_artefact(f"{graphs / 'quarters.onnx'}@opencv")


def test_a_file_may_have_an_at_in_its_name(write_detector: WriteDetector) -> None:
    path = write_detector("a@b.onnx")
    assert split_runner(str(path)) == (path, None)
    assert split_runner(f"{path}@openvino") == (path, "openvino:fp32")

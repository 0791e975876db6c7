"""Heads that put out each level for itself, and boxes that are left undecoded: the objects planted come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from singleshot.export.foreign.adapt import adapt_detector
from singleshot.export.foreign.decoding import Decoding
from singleshot.export.foreign.levels import pyramid_of
from singleshot.export.foreign.schemes import SCHEMES, SSD_GRIDS, Cells, cells_of, cells_of_scheme, decoding_of
from singleshot.export.foreign.told import Told
from singleshot.runtime.card import Postprocess
from singleshot.runtime.errors import InputError
from singleshot.runtime.session import open_session

from .foreign_models import model_of, save

Array = NDArray[np.float32]
Outputs = dict[str, NDArray[Any]]

SIDE = 128
CLASSES = 3
OBJECTS = (((20, 30, 60, 90), 0.9, 0), ((70, 8, 120, 58), 0.8, 2))
"""Corners in pixels, score, class."""
NAMES = "cat\ndog\nhorse\n"
PYRAMID = (8, 16, 32, 64, 128)
THREE = (8, 16, 32)
HUNDRED: Outputs = {"box": np.ones((100, 4), np.float32), "cls": np.ones((100, 3), np.float32)}


def logit(values: Any) -> Any:
    return np.log(values / (1 - values))


def encoded(decoding: Decoding, row: int, box: tuple[int, ...]) -> Array:
    """Encode a box for a row, the inverse of the formulas in the papers."""
    corners = np.array(box, np.float32)
    origin, unit, size = decoding.origins[row], decoding.units[row], decoding.sizes[row]
    if decoding.how == "distances":
        values = np.concatenate([(origin - corners[:2]) / unit, (corners[2:] - origin) / unit])
    else:
        centre, times = ((corners[:2] + corners[2:]) / 2 - origin) / unit, (corners[2:] - corners[:2]) / size
        if decoding.how == "yolov5":
            values = np.concatenate([logit((centre + 0.5) / 2), logit(np.sqrt(times) / 2)])
        else:
            centre = logit(centre) if decoding.how == "yolov3" else centre
            values = np.concatenate([centre, np.log(times) / decoding.growth])
    if decoding.y_first:
        values = values[[1, 0, 3, 2]]
    if decoding.bins:
        spread = np.full((4, decoding.bins), -30.0)
        for side, value in enumerate(values):
            spread[side, int(value)], spread[side, int(value) + 1] = np.log([1 - value % 1 + 1e-9, value % 1 + 1e-9])
        values = spread.ravel()
    assert np.isfinite(values).all()
    return values.astype(np.float32)


def rows_for(decoding: Decoding, box: tuple[int, ...]) -> int:
    """Choose the row whose place lies nearest to a box's middle and can express it."""
    middle = (np.array(box[:2]) + np.array(box[2:])) / 2
    apart = np.abs(decoding.origins - middle).sum(axis=1)
    with np.errstate(all="ignore"):
        for row in np.argsort(apart, kind="stable"):
            largest = (middle - decoding.origins[row]) / decoding.units[row]
            times = (np.array(box[2:]) - np.array(box[:2])) / decoding.sizes[row]
            fits = decoding.how in ("exp", "distances") or ((largest > 0).all() and (largest < 1).all())
            fits &= decoding.how != "yolov5" or (times < 4).all()
            fits &= not decoding.bins or (np.array(box[2:]) - box[:2] < decoding.units[row] * (decoding.bins - 2)).all()
            if fits:
                return int(row)
    raise AssertionError("no row")


def planted(decoding: Decoding, *, scores: str = "none", neutral: float = 0.0) -> tuple[Array, Array]:
    """Make boxes [D, columns] and scores [D, classes] with the objects in them."""
    count = len(decoding.origins)
    boxes = np.full((count, decoding.columns), neutral, np.float32)
    shares = np.full((count, CLASSES), 0.001, np.float32)
    for box, score, class_id in OBJECTS:
        row = rows_for(decoding, box)
        boxes[row], shares[row, class_id] = encoded(decoding, row, box), score
    return boxes, shares if scores == "none" else logit(shares)


def by_level(values: Array, cells: Cells, anchors: int, form: str, name: str) -> Outputs:
    """Take joined rows apart, as exporters leave them."""
    counts = np.cumsum([count * anchors for count in cells.counts])[:-1]
    outputs = {}
    for stride, (rows, columns), part in zip(cells.strides, cells.grids, np.split(values, counts), strict=True):
        cube: NDArray[Any] = part.reshape(rows, columns, anchors, -1)
        if form == "NCHW":
            cube = cube.transpose(2, 3, 0, 1).reshape(-1, rows, columns)
        elif form == "NHWC":
            cube = cube.reshape(rows, columns, -1)
        elif form == "NAHWC":
            cube = cube.transpose(2, 0, 1, 3)
        elif form == "rows":
            cube = part
        else:
            cube = part.T
        outputs[f"{name}_{stride}"] = np.ascontiguousarray(cube)
    return outputs


def adapted(
    outputs: Outputs, folder: Path, told: Told | None = None, *, names: str | None = NAMES, side: int = SIDE
) -> Any:
    path = save(model_of(outputs, side=side), folder / "foreign.onnx")
    (folder / "names.txt").write_text(names or "")
    done = adapt_detector(
        path,
        folder / "adapted.onnx",
        told=told,
        names_path=folder / "names.txt" if names else None,
        postprocess=Postprocess(score_floor=0.05),
    )
    with open_session(done.path) as session:
        (found,) = session.run(np.zeros((1, side, side, 3), np.uint8))
    assert found.class_ids.tolist() == [class_id for _, _, class_id in OBJECTS]
    np.testing.assert_allclose(found.scores, [score for _, score, _ in OBJECTS], atol=1e-5)
    np.testing.assert_allclose(found.boxes_xyxy * side, [box for box, _, _ in OBJECTS], atol=2e-3)
    return done


def decoding(scheme: str, strides: tuple[int, ...] = THREE, bins: int = 0) -> tuple[Decoding, Cells]:
    cells = cells_of(strides, height=SIDE, width=SIDE)
    return decoding_of(scheme, SCHEMES[scheme], cells, bins=bins), cells


STYLES = [
    pytest.param(
        "distances-centre", THREE, 16, ("box", "cls"), "NCHW", id="YOLOv8, RKNN: distributions beside classes"
    ),
    pytest.param("distances-centre", (8, 16, 32, 64), 8, ("box", "cls"), "rows", id="PicoDet, NanoDet-m: by rows"),
    pytest.param("distances-centre", THREE, 16, ("box", "cls"), "columns", id="columns before cells"),
    pytest.param("distances", THREE, 0, ("bbox", "score"), "rows", id="SCRFD: two boxes a cell"),
    pytest.param("pixels", THREE, 0, ("bbox", "cls"), "NCHW", id="RTMDet: distances in pixels"),
    pytest.param("pixels-centre", PYRAMID, 0, ("reg", "cls", "ctr"), "NCHW", id="FCOS: distances in pixels, centre"),
    pytest.param("distances-centre", PYRAMID, 0, ("reg", "cls", "ctr"), "NCHW", id="FCOS: distances in cells"),
    pytest.param("yolox", THREE, 0, ("reg", "cls", "obj"), "NCHW", id="YOLOX by level, YuNet"),
    pytest.param("yolox", THREE, 0, ("reg", "cls", "obj"), "NHWC", id="the same, channels last"),
    pytest.param("retinanet", PYRAMID, 0, ("bbox", "cls"), "NCHW", id="RetinaNet"),
    pytest.param("efficientdet", PYRAMID, 0, ("box_net", "class_net"), "NHWC", id="EfficientDet, y first"),
    pytest.param("retinaface", THREE, 0, ("loc", "conf"), "NCHW", id="RetinaFace's anchors"),
]


@pytest.mark.parametrize(("scheme", "strides", "bins", "tracks", "form"), STYLES)
def test_levels(
    scheme: str, strides: tuple[int, ...], bins: int, tracks: tuple[str, ...], form: str, tmp_path: Path
) -> None:
    rule, cells = decoding(scheme, strides, bins)
    anchors = 2 if tracks[1] == "score" else SCHEMES[scheme].per_cell
    if tracks[1] == "score":  # SCRFD: both boxes of a cell have its place
        rule = decoding_of(scheme, SCHEMES[scheme], cells, per_cell=2)
    neutral = 0.5 if rule.how == "distances" else -0.5
    boxes, scores = planted(rule, neutral=neutral)
    if scheme.startswith("pixels"):  # pixels grow with the cells
        is_empty = (boxes == neutral).all(axis=1)
        boxes[is_empty] = np.repeat(np.array(cells.strides), cells.counts)[is_empty, None]
    outputs = {**by_level(scores, cells, anchors, form, tracks[1]), **by_level(boxes, cells, anchors, form, tracks[0])}
    if len(tracks) == 3:
        outputs |= by_level(np.ones((len(boxes), 1), np.float32), cells, anchors, form, tracks[2])
    done = adapted(outputs, tmp_path)
    assert done.reading.decoding is not None
    assert done.reading.decoding.scheme == scheme
    assert any(guess.startswith(f"--decode {scheme}: ") for guess in done.guesses)
    assert (done.reading.objectness is not None) == (len(tracks) == 3)


@pytest.mark.parametrize("scheme", ["yolov3", "yolov4", "yolov5", "yolov7"])
@pytest.mark.parametrize("form", ["NCHW", "NAHWC", "NHWC"])
def test_anchors_of_yolo(scheme: str, form: str, tmp_path: Path) -> None:
    rule, cells = decoding(scheme)
    boxes, scores = planted(rule, scores="sigmoid")
    whole = np.concatenate([boxes, np.full((len(boxes), 1), 20, np.float32), scores], axis=1)
    told = Told(decode=scheme) if scheme != "yolov5" else None
    done = adapted(by_level(whole, cells, 3, form, "out"), tmp_path, told)
    assert done.reading.activation == "sigmoid"
    if form == "NAHWC":  # five axes tell the classes without names
        assert (
            adapted(by_level(whole, cells, 3, form, "out"), tmp_path, told, names=None).card.class_names[0] == "class 0"
        )


def test_tiny_yolo_has_two_levels(tmp_path: Path) -> None:
    rule, cells = decoding("yolov3-tiny", (16, 32))
    boxes, scores = planted(rule, scores="sigmoid")
    whole = np.concatenate([boxes, np.full((len(boxes), 1), 20, np.float32), scores], axis=1)
    assert adapted(by_level(whole, cells, 3, "NCHW", "out"), tmp_path).reading.decoding.scheme == "yolov3-tiny"


@pytest.mark.parametrize("class_first", [False, True], ids=["YOLOv8's order", "NanoDet's order"])
@pytest.mark.parametrize("is_joined", [False, True], ids=["by level", "joined"])
def test_all_in_one(class_first: bool, is_joined: bool, tmp_path: Path) -> None:
    scheme = "distances" if class_first else "distances-centre"
    rule, cells = decoding(scheme, bins=16)
    boxes, scores = planted(rule, neutral=-2.0)
    whole = np.concatenate([scores, boxes] if class_first else [boxes, scores], axis=1)
    outputs = {"out": whole} if is_joined else by_level(whole, cells, 1, "NCHW", "out")
    assert adapted(outputs, tmp_path).reading.decoding.scheme == scheme


@pytest.mark.parametrize(
    ("scheme", "strides", "names"),
    [
        pytest.param("retinanet", PYRAMID, ("bbox_regression", "cls_logits"), id="RetinaNet"),
        pytest.param("efficientdet", PYRAMID, ("regression", "classification"), id="EfficientDet"),
        pytest.param("retinaface", THREE, ("loc", "conf"), id="RetinaFace"),
        pytest.param("fcos-torchvision", PYRAMID, ("bbox_regression", "cls_logits"), id="FCOS of torchvision"),
    ],
)
def test_joined_rows(scheme: str, strides: tuple[int, ...], names: tuple[str, str], tmp_path: Path) -> None:
    rule, _ = decoding(scheme, strides)
    boxes, scores = planted(rule, scores="sigmoid", neutral=0.25 if rule.how == "distances" else 0.0)
    done = adapted({names[0]: boxes, names[1]: scores}, tmp_path)
    assert (done.reading.decoding.scheme, done.reading.activation) == (scheme, "sigmoid")


@pytest.mark.parametrize(
    ("scheme", "activation"), [("ssd300", "softmax"), ("ssdlite320", "softmax"), ("ssd-mobilenet", "sigmoid")]
)
def test_joined_rows_of_ssd(scheme: str, activation: str, tmp_path: Path) -> None:
    side = SSD_GRIDS[scheme][0]
    rule = decoding_of(scheme, SCHEMES[scheme], cells_of_scheme(scheme, height=side, width=side))
    boxes, shares = planted(rule)
    nothing = 1 - shares.sum(axis=1, keepdims=True)
    if activation == "softmax":
        scores = np.log(np.concatenate([nothing, shares], axis=1))
    else:  # TensorFlow's sigmoids do not sum to 1
        scores = logit(np.concatenate([0.9 * nothing, shares], axis=1))
    done = adapted({"boxes": boxes, "scores": scores}, tmp_path, side=side)
    assert (done.reading.decoding.scheme, done.reading.activation) == (scheme, activation)
    assert done.reading.background == 0


def test_anchors_of_a_file(tmp_path: Path) -> None:
    rule, _ = decoding("retinaface")
    boxes, scores = planted(rule)
    boxes, scores = boxes[:-1], scores[:-1]  # as many as no scheme has
    path = tmp_path / "anchors.txt"
    np.savetxt(path, np.concatenate([rule.origins, rule.sizes], axis=1)[:-1], "%.6f")
    done = adapted({"loc": boxes, "conf": scores}, tmp_path, Told(decode=str(path)))
    assert done.card.origin.settings["decode"] == "anchors.txt"


def test_levels_told_by_name(tmp_path: Path) -> None:
    rule, cells = decoding("distances")
    boxes, scores = planted(rule, neutral=0.5)
    outputs = {**by_level(boxes, cells, 1, "NCHW", "a"), **by_level(scores, cells, 1, "NCHW", "b")}
    told = Told(boxes="a_8,a_16,a_32", scores="b_8,b_16,b_32", decode="distances")
    assert adapted({**outputs, "more": np.zeros((5, 7), np.float32)}, tmp_path, told).reading.objectness is None


def test_sum_of_scores_is_no_objectness(tmp_path: Path) -> None:
    """RKNN's heads have it to skip cells."""
    rule, cells = decoding("distances-centre", bins=16)
    boxes, scores = planted(rule)
    outputs = {
        **by_level(boxes, cells, 1, "NCHW", "box"),
        **by_level(scores, cells, 1, "NCHW", "cls"),
        **by_level(scores.sum(axis=1, keepdims=True).clip(0, 1), cells, 1, "NCHW", "sum"),
    }
    assert adapted(outputs, tmp_path).reading.objectness is None


def test_key_points_are_left_out(tmp_path: Path) -> None:
    rule, cells = decoding("yolox")
    boxes, scores = planted(rule, neutral=-0.5)
    outputs = {
        **by_level(scores, cells, 1, "rows", "cls"),
        **by_level(np.ones((len(boxes), 1), np.float32), cells, 1, "rows", "obj"),
        **by_level(boxes, cells, 1, "rows", "bbox"),
        **by_level(np.zeros((len(boxes), 10), np.float32), cells, 1, "rows", "kps"),
    }
    done = adapted(outputs, tmp_path)
    assert str(done.reading.objectness) == "obj_8,obj_16,obj_32"


def three_levels() -> Outputs:
    rule, cells = decoding("distances-centre", bins=16)
    boxes, scores = planted(rule)
    return {**by_level(boxes, cells, 1, "NCHW", "a"), **by_level(scores, cells, 1, "NCHW", "b")}


def four_a_cell() -> Outputs:
    cells = cells_of(THREE, height=SIDE, width=SIDE)
    count = sum(cells.counts) * 4
    boxes, scores = np.zeros((count, 4), np.float32), np.full((count, CLASSES), 0.5, np.float32)
    return {**by_level(boxes, cells, 4, "NCHW", "box"), **by_level(scores, cells, 4, "NCHW", "cls")}


@pytest.mark.parametrize(
    ("outputs", "told", "names", "message"),
    [
        pytest.param(
            three_levels(),
            Told(),
            "cat\ndog\ncow\nsheep\nbird\n",
            r"expected levels that are boxes and scores of as many classes as there are names, got "
            r"a_8 \[N, 64, 16, 16\], .*\. Give --names FILE with all classes, or name the levels, as in "
            r"--boxes A,B,C --scores D,E,F\.",
            id="names that fit no level",
        ),
        pytest.param(
            four_a_cell(),
            Told(),
            NAMES,
            r"--decode: expected a scheme \(yolox, .*\) or a file of anchors, got nothing; 4, 4, 4 boxes a cell of "
            r"strides 8, 16, 32 tell none\.",
            id="anchors that nobody knows",
        ),
        pytest.param(
            HUNDRED,
            Told(decode="retinanet"),
            NAMES,
            r"--decode retinanet: expected as many grid cells as boxes, 100, got 2304 \+ 576 \+ 144 \+ 36 \+ 9 "
            r"at 128x128\.",
            id="another scheme",
        ),
        pytest.param(
            HUNDRED,
            Told(decode="nothing.txt"),
            NAMES,
            r"--decode: expected a scheme \(yolox, .*\) or a file of anchors, four numbers a line, got nothing.txt: "
            r"No such file or directory\.",
            id="neither a scheme nor a file",
        ),
        pytest.param(
            four_a_cell(),
            Told(decode="yolov5"),
            NAMES,
            r"--decode: expected a place for each of 1344 rows, got 1008 of yolov5\.",
            id="a scheme of fewer boxes a cell",
        ),
    ],
)
def test_refusals(outputs: Outputs, told: Told, names: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        adapted(outputs, tmp_path, told, names=names)


def test_file_of_another_shape(tmp_path: Path) -> None:
    (tmp_path / "anchors.txt").write_text("1 2 3\n")
    with pytest.raises(
        InputError, match=r"--decode: expected centre x, centre y, width and height above 0 in each line"
    ):
        adapted(HUNDRED, tmp_path, Told(decode=str(tmp_path / "anchors.txt")))


def test_wide_inputs_have_partial_cells() -> None:
    shapes = {f"c{rows}": (1, 10, rows, columns) for rows, columns in ((100, 76), (50, 38), (25, 19), (13, 10))}
    found = pyramid_of(shapes, height=800, width=608)
    assert found is not None
    assert (found.strides, found.grids[-1]) == ((8, 16, 32, 64), (13, 10))


@pytest.mark.parametrize(
    ("scheme", "count"),
    [("ssd300", 8732), ("ssdlite320", 3234), ("ssd-mobilenet", 1917)],
)
def test_default_boxes_of_ssd(scheme: str, count: int) -> None:
    side = 320 if scheme == "ssdlite320" else 300
    rule = decoding_of(scheme, SCHEMES[scheme], cells_of_scheme(scheme, height=side, width=side))
    assert len(rule.origins) == count
    if scheme == "ssd-mobilenet":
        return
    torch = pytest.importorskip("torch")
    from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
    from torchvision.models.detection.image_list import ImageList

    if scheme == "ssd300":
        generator = DefaultBoxGenerator(
            [[2], [2, 3], [2, 3], [2, 3], [2], [2]],
            scales=[0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05],
            steps=[8, 16, 32, 64, 100, 300],
        )
    else:
        generator = DefaultBoxGenerator([[2, 3]] * 6, min_ratio=0.2, max_ratio=0.95)
    grids = {"ssd300": (38, 19, 10, 5, 3, 1), "ssdlite320": (20, 10, 5, 3, 2, 1)}[scheme]
    (theirs,) = generator(
        ImageList(torch.zeros(1, 3, side, side), [(side, side)]), [torch.zeros(1, 1, grid, grid) for grid in grids]
    )
    ours = np.concatenate([rule.origins - rule.sizes / 2, rule.origins + rule.sizes / 2], axis=1)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-3)


@pytest.mark.parametrize(
    ("height", "width"),
    [pytest.param(256, 256, id="strides divide the input"), pytest.param(160, 224, id="strides are rounded")],
)
def test_anchors_of_retinanet(height: int, width: int) -> None:
    torch = pytest.importorskip("torch")
    from torchvision.models.detection.image_list import ImageList
    from torchvision.models.detection.retinanet import _default_anchorgen

    cells = cells_of(PYRAMID, height=height, width=width, partial=True)
    rule = decoding_of("retinanet", SCHEMES["retinanet"], cells)
    (theirs,) = _default_anchorgen()(
        ImageList(torch.zeros(1, 3, height, width), [(height, width)]),
        [torch.zeros(1, 1, *grid) for grid in cells.grids],
    )
    ours = np.concatenate([rule.origins - rule.sizes / 2, rule.origins + rule.sizes / 2], axis=1)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-3)


def test_first_anchors_by_hand() -> None:
    """The first cell of EfficientDet, RetinaFace, mmdet's and detectron2's RetinaNet, from their sources."""

    def first(scheme: str, strides: tuple[int, ...] = PYRAMID) -> list[float]:
        rule, _ = decoding(scheme, strides)
        return [*rule.origins[0].tolist(), *rule.sizes[0].tolist(), *rule.sizes[1].tolist()]

    assert first("efficientdet") == pytest.approx([4, 4, 32, 32, 44.8, 22.4])
    assert first("retinaface", THREE) == pytest.approx([4, 4, 16, 16, 32, 32])
    wide, high = 32 * 2**0.5, 32 / 2**0.5
    third = 2 ** (1 / 3)
    assert first("retinanet-mmdet") == pytest.approx([0, 0, wide, high, wide * third, high * third], rel=1e-5)
    assert first("retinanet-detectron2") == pytest.approx([0, 0, wide, high, 32, 32], rel=1e-5)

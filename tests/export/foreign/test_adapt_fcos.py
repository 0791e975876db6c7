"""torchvision's own FCOS, untrained, adapted from its raw heads: the detections are those that torchvision gives."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection.fcos import FCOS

from singleshot.export.foreign.adapt import adapt_detector
from singleshot.export.foreign.inputs import ForeignInput
from singleshot.export.foreign.suggest import suggest_tensors
from singleshot.runtime.card import Postprocess
from singleshot.runtime.session import open_session

pytestmark = pytest.mark.slow  # tracing it takes seconds

HEIGHT, WIDTH = 160, 224
"""Of which 64 and 128 are no divisors: torchvision rounds the strides of these levels, x's and y's each for itself."""
HEADS = ("bbox_regression", "cls_logits", "bbox_ctrness")
NAMES = "cat\ndog\nhorse\n"
POSTPROCESS = Postprocess(candidates=3 * 751, max_detections=50, score_floor=0.45, iou_threshold=0.6)


class Backbone(nn.Module):
    """Levels of strides 8 to 128."""

    out_channels = 32

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 32, 3, 8, 1)
        self.others = nn.ModuleList(nn.Conv2d(32, 32, 3, 2, 1) for _ in range(4))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map [N, 3, H, W] to five [N, 32, h, w]."""
        levels = [self.first(images)]
        for other in self.others:
            levels.append(other(levels[-1].relu()))
        return OrderedDict((str(place), level) for place, level in enumerate(levels))


class Heads(nn.Module):
    """The part of FCOS before its suppression."""

    def __init__(self, fcos: FCOS) -> None:
        super().__init__()
        self.fcos = fcos

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map [1, 3, H, W] to distances [1, D, 4], logits [1, D, C] and centre-ness [1, D, 1]."""
        heads = self.fcos.head(list(self.fcos.backbone(images).values()))
        return [heads[name] for name in HEADS]


@pytest.fixture(scope="module")
def fcos() -> FCOS:
    """Build it with heads that are loud enough for scores and sizes to differ."""
    torch.manual_seed(0)
    fcos = FCOS(
        Backbone(),
        3,
        min_size=HEIGHT,
        max_size=WIDTH,
        score_thresh=POSTPROCESS.score_floor,
        nms_thresh=POSTPROCESS.iou_threshold,
        detections_per_img=POSTPROCESS.max_detections,
    )
    with torch.no_grad():
        for last, mean, spread in (
            (fcos.head.classification_head.cls_logits, -1.0, 0.1),
            (fcos.head.regression_head.bbox_ctrness, 0.0, 0.1),
            (fcos.head.regression_head.bbox_reg, 2.0, 0.05),
        ):
            last.weight.normal_(0, spread)
            last.bias.fill_(mean)
    return fcos.eval()


@pytest.fixture(scope="module")
def foreign(fcos: FCOS, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fcos") / "fcos.onnx"
    with torch.no_grad():
        torch.onnx.export(
            Heads(fcos).eval(),
            (torch.zeros(1, 3, HEIGHT, WIDTH),),
            str(path),
            dynamo=True,
            opset_version=18,
            external_data=False,
            input_names=["images"],
            output_names=list(HEADS),
            verbose=False,
        )
    (path.parent / "names.txt").write_text(NAMES)
    return path


def test_detections_are_those_of_torchvision(fcos: FCOS, foreign: Path, tmp_path: Path) -> None:
    done = adapt_detector(
        foreign,
        tmp_path / "adapted.onnx",
        foreign_input=ForeignInput(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
        names_path=foreign.parent / "names.txt",
        postprocess=POSTPROCESS,
    )
    reading = done.reading
    assert (str(reading.boxes), str(reading.scores), str(reading.objectness)) == HEADS
    assert "--objectness bbox_ctrness: one column a box" in done.guesses
    frames = np.random.default_rng(0).integers(0, 256, (8, HEIGHT, WIDTH, 3), np.uint8)
    compared = 0
    with open_session(done.path) as session, torch.no_grad():
        for frame in frames:
            (expected,) = fcos([torch.from_numpy(frame[..., ::-1].copy()).permute(2, 0, 1).float() / 255])
            (found,) = session.run(frame[None])
            compared += len(found)
            assert found.class_ids.tolist() == expected["labels"].tolist()
            np.testing.assert_allclose(found.scores, expected["scores"].numpy(), rtol=0, atol=1e-5)
            boxes = found.boxes_xyxy * np.array([WIDTH, HEIGHT] * 2)
            np.testing.assert_allclose(boxes, expected["boxes"].numpy(), rtol=0, atol=1e-2)
    assert compared == len(frames) * POSTPROCESS.max_detections


def test_centre_ness_is_suggested(foreign: Path) -> None:
    options = suggest_tensors(foreign).options
    assert options == ("--boxes", "bbox_regression", "--scores", "cls_logits", "--objectness", "bbox_ctrness")


def test_background_that_nothing_is_trained_to_be(foreign: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("dog\nhorse\n")
    done = adapt_detector(foreign, tmp_path / "adapted.onnx", names_path=tmp_path / "names.txt")
    assert (done.reading.activation, done.reading.class_columns) == ("sigmoid", [1, 2])

"""torchvision's own SSD, untrained, adapted from its raw heads: the detections are those that torchvision gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.ssd import SSD

from singleshot.export.foreign.adapt import Adaptation, adapt_detector
from singleshot.export.foreign.inputs import ForeignInput
from singleshot.export.foreign.told import Told
from singleshot.runtime.card import Postprocess
from singleshot.runtime.generated_frames import generated_frames
from singleshot.runtime.session import open_session

pytestmark = pytest.mark.slow  # tracing it takes seconds

SIDE = 320
CLASSES = 5
POSTPROCESS = Postprocess(candidates=1000, max_detections=50, score_floor=0.35, iou_threshold=0.45)
SCORE_TOLERANCE = 1e-5
"""PyTorch against ONNX Runtime through a whole network in float32."""
BOX_TOLERANCE = 1e-5
"""Likewise, normalised."""


class BeforeSuppression(nn.Module):
    """The part of torchvision's SSD that a graph can hold: images to boxes in pixels and logits."""

    def __init__(self, ssd: SSD) -> None:
        super().__init__()
        self.ssd = ssd
        image = torch.zeros(1, 3, SIDE, SIDE)
        features = list(ssd.backbone(image).values())
        (anchors,) = ssd.anchor_generator(ImageList(image, [(SIDE, SIDE)]), features)
        self.register_buffer("anchors", anchors)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map [1, 3, H, W] to boxes [1, D, 4] and logits [1, D, C]."""
        heads = self.ssd.head(list(self.ssd.backbone(images).values()))
        boxes = self.ssd.box_coder.decode_single(heads["bbox_regression"][0], self.anchors)
        return boxes[None], heads["cls_logits"]


def untrained_ssd() -> SSD:
    """Build it with heads that are loud enough for scores to differ."""
    torch.manual_seed(0)
    ssd = ssdlite320_mobilenet_v3_large(
        weights=None,
        weights_backbone=None,
        num_classes=CLASSES + 1,
        score_thresh=POSTPROCESS.score_floor,
        nms_thresh=POSTPROCESS.iou_threshold,
        detections_per_img=POSTPROCESS.max_detections,
        topk_candidates=POSTPROCESS.candidates,
    )
    with torch.no_grad():
        for part in ssd.modules():
            if isinstance(part, nn.BatchNorm2d) and part.running_var is not None:
                part.running_var.fill_(0.02)  # untrained convolutions make features fade
        for part in ssd.head.classification_head.modules():
            if isinstance(part, nn.Conv2d) and part.bias is not None:
                part.bias.normal_(0, 0.5)
    assert isinstance(ssd, SSD)
    return ssd.eval()


@pytest.fixture(scope="module")
def ssd() -> SSD:
    return untrained_ssd()


@pytest.fixture(scope="module")
def done(ssd: SSD, tmp_path_factory: pytest.TempPathFactory) -> Adaptation:
    folder = tmp_path_factory.mktemp("torchvision")
    with torch.no_grad():
        torch.onnx.export(
            BeforeSuppression(ssd).eval(),
            (torch.zeros(1, 3, SIDE, SIDE),),
            str(folder / "ssdlite.onnx"),
            dynamo=True,
            opset_version=18,
            external_data=False,
            input_names=["images"],
            output_names=["boxes", "logits"],
            verbose=False,
        )
    return adapt_detector(
        folder / "ssdlite.onnx",
        folder / "adapted.onnx",
        told=Told(activation="softmax", background=0),
        foreign_input=ForeignInput(mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5)),
        postprocess=POSTPROCESS,
    )


def test_outputs_are_recognised(done: Adaptation) -> None:
    reading = done.reading
    assert (str(reading.boxes), str(reading.scores)) == ("boxes", "logits")
    assert (reading.layout, reading.normalised) == ("xyxy", False)


def test_detections_are_those_of_torchvision(ssd: SSD, done: Adaptation) -> None:
    frames = generated_frames(done.card.input)
    compared = 0
    with open_session(done.path) as session, torch.no_grad():
        for frame in frames:
            rgb = torch.from_numpy(frame[..., ::-1].copy()).permute(2, 0, 1).float() / 255
            (expected,) = ssd([rgb])
            (found,) = session.run(frame[None])
            compared += len(found)
            assert found.class_ids.tolist() == (expected["labels"] - 1).tolist()
            np.testing.assert_allclose(found.scores, expected["scores"].numpy(), rtol=0, atol=SCORE_TOLERANCE)
            np.testing.assert_allclose(found.boxes_xyxy, expected["boxes"].numpy() / SIDE, rtol=0, atol=BOX_TOLERANCE)
    assert compared == len(frames) * POSTPROCESS.max_detections

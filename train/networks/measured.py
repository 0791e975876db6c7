"""What was measured of the networks, for whoever chooses one; the documentation says how, and tests hold it to that."""

from __future__ import annotations

from dataclasses import dataclass

LAUNCHES = {
    "ssd_lite0": 136,
    "ssd_lite1": 151,
    "ssd_lite2": 151,
    "ssd_mobilenet2": 115,
    "ssd300_vgg16": 65,
    "ssd7": 53,
    "ssd_resnet": 88,
    "resnet_dropout": 40,
    "resnet_dropout_1x1": 40,
    "resnet_dropout_flat": 39,
    "resnet_dropout_linear": 38,
    "resnet50": 62,
    "ssd7_classifier": 27,
    "vgg_lite": 17,
    "vgg_joint": 17,
    "vgg_joint_normalised": 17,
}
"""Kernels that one run starts, counted in the FP16 plan of TensorRT-RTX for compute capability 8.0 and later, of the
whole graph at the network's own size with six classes: `docs/engines.md`."""


@dataclass(frozen=True, kw_only=True)
class Reached:
    """An accuracy that a network has reached.

    Args:
        metric: what was measured.
        value: 0 to 1.
        data: labelled images.
        split: of them, that it was measured on.
        images: in that split.
        side: height and width of the input in pixels.
        training: how it came to be, in a few words.
        section: of `docs/results.md`, which has the rest.
    """

    metric: str
    value: float
    data: str
    split: str
    images: int
    side: int
    training: str
    section: str

    @property
    def short(self) -> str:
        """The metric without what is in brackets."""
        return self.metric.partition(" (")[0]

    @property
    def line(self) -> str:
        """For people: `AP50 (VOC) 0.372 on IMAGENET25, seeded-val (2,500 images), at 64 x 64: …`."""
        return (
            f"{self.metric} {self.value:.3f} on {self.data}, {self.split} ({self.images:,} images), "
            f"at {self.side} x {self.side}: {self.training}"
        )


_SHIPPED = "The shipped detector"
_BEFORE = "The detector shipped before"
_PAPER = "The paper's experiments, as far as they were run"
_DETECTORS = "Ten classes, and the detectors"


def _animals(value: float, side: int, training: str, section: str = _BEFORE) -> Reached:
    """Of the mean over the five animals."""
    return Reached(
        metric="AP50 (VOC)",
        value=value,
        data="the five animals of VOC 2012",
        split="val",
        images=864,
        side=side,
        training=training,
        section=section,
    )


def _paper(metric: str, value: float, training: str, section: str = _PAPER, side: int = 64) -> Reached:
    """Of the 25 classes that the paper's networks were trained on."""
    return Reached(
        metric=metric,
        value=value,
        data="IMAGENET25",
        split="seeded-val",
        images=2500,
        side=side,
        training=training,
        section=section,
    )


def _ten(value: float) -> Reached:
    """Of the first ten of these classes."""
    return Reached(
        metric="top-1",
        value=value,
        data="ten classes of IMAGENET25",
        split="seeded-val",
        images=1000,
        side=64,
        training="the paper's recipe, 8 epochs",
        section=_DETECTORS,
    )


REACHED: dict[str, tuple[Reached, ...]] = {
    "ssd_lite0": (
        _animals(0.755, 256, "34 epochs at 320 x 320, 6 at 256 x 256; the detector shipped before"),
        _animals(0.781, 320, "34 epochs; chosen among 5 validations on the same images"),
    ),
    "ssd_mobilenet2": (_animals(0.756, 320, "10 epochs from COCO's weights; the shipped detector", _SHIPPED),),
    "ssd7": (
        _paper("AP50 (VOC)", 0.306, "the modern recipe, 45 epochs as a classifier, 10 as a detector", _DETECTORS),
    ),
    "ssd_resnet": (
        _paper("AP50 (VOC)", 0.372, "the modern recipe, 45 epochs as a classifier, 10 as a detector", _DETECTORS),
    ),
    "resnet_dropout": (
        _paper("top-1", 0.695, "the progressive recipe, 110 epochs, then 105 of a modern one at 80 x 80", side=80),
    ),
    "resnet_dropout_1x1": (_ten(0.210),),
    "resnet_dropout_flat": (_ten(0.100),),
    "resnet_dropout_linear": (_paper("top-1", 0.619, "the modern recipe, 45 epochs"),),
    "resnet50": (_paper("top-1", 0.404, "the paper's recipe, 15 epochs"),),
    "ssd7_classifier": (_paper("top-1", 0.561, "the modern recipe, 45 epochs"),),
    "vgg_lite": (_paper("top-1", 0.450, "the paper's recipe, 15 epochs"),),
    "vgg_joint": (_paper("top-1", 0.040, "the paper's recipe, 15 epochs"),),
    "vgg_joint_normalised": (_paper("top-1", 0.454, "the paper's recipe, 15 epochs"),),
}
"""The best first. Where a network is missing, none was trained for longer than it takes to see that it learns."""

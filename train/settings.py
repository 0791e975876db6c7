"""What a training run can be told, with defaults that work."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ..runtime.errors import InputError
from ..runtime.precision import Precision, precision_named
from .augmentation_settings import AugmentationSettings, Share

Positive = Annotated[int, Field(gt=0)]
TRAINED_IN = (Precision.FP32, Precision.BF16, Precision.FP16)
"""Precisions that a network can be trained in."""


_FINE_TUNING = {
    "epochs": 3,
    "validate_every": 1,
    "learning_rate": 1e-4,
    "frozen_stages": 0,
    "precision": Precision.FP32,
}
"""Defaults where weights that are trained already learn to bear int8."""


class TrainSettings(BaseModel):
    """Settings of a training run; the resolved values go into the card."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    epochs: Positive = 60
    """Passes over the training images."""
    batch_size: Positive = 16
    """Images a step."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Of AdamW at its peak, for the layers that start from nothing. AdamW without weight decay is Adam."""
    trunk_learning_rate_factor: Annotated[float, Field(ge=0)] = 0.25
    """A trunk with pretrained weights, or with those of an earlier training, learns this much slower. Of the latter, 0
    trains none."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    """Of the weights; norms and biases do not decay."""
    warmup_epochs: Annotated[float, Field(ge=0)] = 1.0
    """The learning rate rises linearly over this many epochs, then follows the schedule."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """`cosine` falls to 0 at the last epoch; `constant` stays at the peak."""
    pretrained: bool = True
    """Start the trunk from ImageNet weights, or all of `ssd_mobilenet2` from the shipped detector's. The trunk's batch
    norm then stays frozen."""
    frozen_stages: Annotated[int, Field(ge=0, le=7)] = 2
    """Stages of the trunk (and the stem before them) that keep their pretrained weights; 0 trains all. Without
    pretrained weights it is 0."""
    frozen_norms: bool = True
    """Batch norms that come with an earlier training's weights keep their mean and variance, of which small batches
    give no good ones; false estimates them anew."""
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Share of values that a network with dropout drops; the network's own where not given."""
    branch_width: Positive | None = None
    """Channels of an SSD's branches; the network's own where not given."""
    branch_depth: Annotated[int, Field(ge=0)] | None = None
    """Convolutions in each branch of an SSD before its predictor; the network's own where not given."""
    default_boxes: Literal["network", "fitted"] = "network"
    """Of an SSD: the network's own, or, unless scales or ratios are given, fitted to the training split's objects."""
    default_box_scales: tuple[Annotated[float, Field(gt=0)], ...] | None = None
    """Side of the square default box of each map relative to the input, finest map first, and one more, as
    `DefaultBoxSettings` says; the network's own, or the fitted ones, where not given."""
    default_box_aspect_ratios: tuple[tuple[Annotated[float, Field(gt=0)], ...], ...] | None = None
    """Ratios width / height beyond 1 of each map's default boxes, finest map first; each comes with its reciprocal. The
    network's own, or the fitted ones, where not given."""
    classification_loss: Literal["hard_negatives", "focal"] = "hard_negatives"
    """What a detector learns classes from: SSD's three hardest negatives to a positive, or all of them, where what is
    known already weighs less (focal loss)."""
    localization_loss: Literal["smooth_l1", "l2"] = "smooth_l1"
    """How a detector's box offsets are held against their targets."""
    mosaic: Share = 0.0
    """Of a detector: share of the images that are put together with three others of their batch, each shrunk to a
    part: more objects, and smaller ones."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Of a classifier: share of the truth that is spread evenly over all classes."""
    mixup: Annotated[float, Field(ge=0)] = 0.0
    """Of a classifier: pairs of images are laid over each other by a share sampled from Beta(x, x); 0 mixes none. With
    `cutmix` too, each batch takes one of the two."""
    cutmix: Annotated[float, Field(ge=0)] = 0.0
    """Of a classifier: a rectangle of one image is put into another, its share of the area sampled from Beta(x, x); 0
    puts none."""
    progressive_resizing: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Of a classifier that averages its maps: the side of the images of the first half of the epochs, as a share of the
    input's; from there it rises to the whole, which the last fifth of the epochs has. 0.5 halves the arithmetic; 1
    shrinks none."""
    training_resolution: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Of a classifier that averages its maps: the side of the images it trains on, as a share of the input's;
    `progressive_resizing` is a share of this. `crop` makes objects larger in training than where the network is used;
    about 0.8 evens that out, with two thirds of the arithmetic."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.998
    """Of the moving average of the weights, which is what is validated and kept; 0 keeps the weights themselves."""
    gradient_clip: Annotated[float, Field(gt=0)] = 10.0
    """Largest norm of a step's gradient."""
    precision: Literal["auto"] | Precision = "auto"
    """`bf16` and `fp16` are mixed precision: about twice as fast where the device has such instructions; `fp16` needs a
    GPU. `auto` takes the first of bf16, fp16, fp32 that the device has. PyTorch's names (`bfloat16`) mean the same."""
    quantization_aware: bool = False
    """Of weights that are trained already: compute what the int8 graph computes, so that they learn to bear it. The
    defaults are then 3 epochs at a `learning_rate` of 1e-4, each validated, no frozen stages, and fp32."""
    height: Positive | None = None
    """Of the network's input, in pixels; the network's own where not given."""
    width: Positive | None = None
    """Of the network's input, in pixels; the network's own where not given."""
    train_split: str = "auto"
    """A split of the data; `auto` is `train` where the data have the lists `train` and `val`, else `seeded-train`."""
    val_split: str = "auto"
    """A split of the data; `auto` is `val` where the data have the lists `train` and `val`, else `seeded-val`."""
    split_seed: int = 0
    """Of the splits `seeded-train` and `seeded-val`."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of weights, order and augmentation."""
    validate_every: Positive = 5
    """Epochs between two validations; the last epoch is always validated."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Validations in a row without a better one after which the run ends early; 0 goes on to the last epoch."""
    workers: Annotated[int, Field(ge=0)] = 2
    """Processes that read and augment images, for each device; 0 does it in the training process."""
    devices: Positive = 1
    """GPUs of this machine that share each step's images, a process each (on a machine without one, processes);
    under `torchrun` its own numbers of machines and processes count."""
    balanced: bool = False
    """Sample every class as often as any other, in each batch; images without objects count as a class of their own."""
    augmentation: AugmentationSettings = AugmentationSettings()
    """How much images are changed before they are learned from."""

    @model_validator(mode="before")
    @classmethod
    def _freeze_nothing_random(cls, values: Any) -> Any:  # whatever was given, before pydantic looked at it
        if isinstance(values, dict) and values.get("pretrained") is False:
            return {"frozen_stages": 0, **values}
        return values

    @model_validator(mode="before")
    @classmethod
    def _fine_tune_gently(cls, values: Any) -> Any:  # as above
        if isinstance(values, dict) and values.get("quantization_aware") is True:
            is_open = values.get("precision") == "auto"
            return {**_FINE_TUNING, **values} | ({"precision": Precision.FP32} if is_open else {})
        return values

    @field_validator("precision", mode="before")
    @classmethod
    def _precision_by_any_name(cls, name: object) -> object:
        if name == "auto":
            return name
        try:
            return precision_named(str(name), TRAINED_IN)
        except InputError as error:
            raise ValueError("Input should be auto, " + ", ".join(TRAINED_IN)) from error

    @field_validator("quantization_aware")
    @classmethod
    def _is_of_trained_float32(cls, quantization_aware: bool, info: ValidationInfo) -> bool:
        needed = {"precision": Precision.FP32, "frozen_norms": True, "default_boxes": "network"}
        for name, value in needed.items():
            if quantization_aware and info.data.get(name, value) != value:
                raise ValueError(f"Input should be false unless {name} is {str(value).lower()}")
        return quantization_aware

    @field_validator("frozen_stages")
    @classmethod
    def _frozen_stages_are_pretrained(cls, frozen_stages: int, info: ValidationInfo) -> int:
        if frozen_stages and not info.data.get("pretrained", True):
            raise ValueError("Input should be 0 without pretrained weights")
        return frozen_stages


def train_settings(**values: object) -> TrainSettings:
    """Check settings that a person wrote.

    Raises:
        InputError: a value is not allowed, or there is no such setting; the text names it, and the nearest there is.
    """
    try:
        return TrainSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise InputError(_unknown(name)) from error
        problem = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
        raise InputError(f"{name}: {problem}, got {first['input']!r}.") from error


def with_newer_settings(values: Mapping[str, object]) -> dict[str, object]:
    """Bring settings that an earlier version wrote as JSON up to date.

    What it did not know yet is today's default, as that is what it did; a precision gets its name of today.
    """
    newer = {**TrainSettings().model_dump(mode="json"), **values}
    if newer["precision"] != "auto":
        newer["precision"] = Precision(newer["precision"]).value
    return newer


def setting_names() -> list[str]:
    """List every setting, those of a table with its name before a dot: `augmentation.colour`."""
    inner = [f"augmentation.{name}" for name in AugmentationSettings.model_fields]
    return [name for name in TrainSettings.model_fields if name != "augmentation"] + inner


def _unknown(name: str) -> str:
    names = setting_names()
    near = difflib.get_close_matches(name, names, n=1)
    mend = f"Did you mean {near[0]}?" if near else f"There are {', '.join(names)}."
    return f"{name}: expected a setting, got a name that there is none of. {mend}"

"""What a training run can be told, with defaults that work."""

from __future__ import annotations

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

Positive = Annotated[int, Field(gt=0)]


class TrainSettings(BaseModel):
    """Settings of a training run; the resolved values go into the card."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: Positive = 60
    """Passes over the training images."""
    batch_size: Positive = 16
    """Images a step."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Of AdamW at its peak, for the layers that start from nothing."""
    trunk_learning_rate_factor: Annotated[float, Field(ge=0)] = 0.25
    """The pretrained trunk learns this much slower."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    warmup_epochs: Annotated[float, Field(ge=0)] = 1.0
    """The learning rate rises linearly over this many epochs, then falls along a cosine."""
    pretrained: bool = True
    """Start the trunk from ImageNet weights. Its batch norm then stays frozen."""
    frozen_stages: Annotated[int, Field(ge=0, le=7)] = 2
    """Stages of the trunk (and the stem before them) that keep their pretrained weights; 0 trains all. Without
    pretrained weights it is 0."""
    ema_decay: Annotated[float, Field(gt=0, lt=1)] = 0.998
    """Of the moving average of the weights, which is what is validated and kept."""
    gradient_clip: Annotated[float, Field(gt=0)] = 10.0
    """Largest norm of a step's gradient."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """`bfloat16` is mixed precision: about twice as fast where the processor has bfloat16 instructions."""
    height: Positive | None = None
    """Of the network's input; the network's own where not given."""
    width: Positive | None = None
    train_split: str = "auto"
    """A split of the data; `auto` is `train` where the data have the lists `train` and `val`, else `seeded-train`."""
    val_split: str = "auto"
    """Likewise `val`, else `seeded-val`."""
    split_seed: int = 0
    """Of the splits `seeded-train` and `seeded-val`."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of weights, order and augmentation."""
    validate_every: Positive = 5
    """Epochs between two validations; the last epoch is always validated."""
    workers: Annotated[int, Field(ge=0)] = 2
    """Processes that read and augment images; 0 does it in the training process."""

    @model_validator(mode="before")
    @classmethod
    def _freeze_nothing_random(cls, values: Any) -> Any:  # whatever was given, before pydantic looked at it
        if isinstance(values, dict) and values.get("pretrained") is False:
            return {"frozen_stages": 0, **values}
        return values

    @field_validator("frozen_stages")
    @classmethod
    def _frozen_stages_are_pretrained(cls, frozen_stages: int, info: ValidationInfo) -> int:
        if frozen_stages and not info.data.get("pretrained", True):
            raise ValueError("Input should be 0 without pretrained weights")
        return frozen_stages


def train_settings(**values: object) -> TrainSettings:
    """Check settings that a person wrote.

    Raises:
        InputError: a value is not allowed; the text names the setting.
    """
    try:
        return TrainSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        problem = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
        raise InputError(f"{name}: {problem}, got {first['input']!r}.") from error

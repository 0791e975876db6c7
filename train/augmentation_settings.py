"""How much images are changed before they are learned from: a switch and a measure for each change."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class AugmentationSettings(BaseModel):
    """What is chosen for every image anew in every epoch; 0 or false switches a change off."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    crop: bool = True
    """SSD's crops: a part of the image that keeps enough of one object, or the whole."""
    expansion: Share = 0.4
    """Share of the images that are put on a grey canvas, up to 2.5 times as wide and high: small objects."""
    horizontal_flip: Share = 0.5
    """Share of the images that are mirrored left to right."""
    vertical_flip: Share = 0.0
    """Share of the images that are turned upside down, as in a mirror."""
    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Images are turned about their middle by up to this much, either way."""
    scaling: Annotated[float, Field(ge=0, le=3)] = 0.0
    """Images are made larger or smaller about their middle by a factor between 1 / (1 + scaling) and 1 + scaling."""
    colour: Share = 0.3
    """Share of the images of which brightness is changed; likewise, each on its own, contrast, saturation and hue."""
    strength: Annotated[float, Field(ge=0, le=3)] = 1.0
    """Multiplies what a change takes: its angle, its factor, its share of the images (to 1 at most). Flips stay."""

    @classmethod
    def none(cls) -> AugmentationSettings:
        """Return settings that change nothing: images are only resized."""
        return cls(crop=False, expansion=0.0, horizontal_flip=0.0, colour=0.0)

"""What a network is built with; every network takes the same options and refuses those that mean nothing to it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ...runtime.errors import InputError
from .default_boxes import DefaultBoxSettings


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Size and shape of a network; what is None is the network's own choice.

    Args:
        input_hw: height and width of the input.
        class_count: classes of the card; background is not counted.
        pretrained: start the trunk from pretrained weights.
        default_boxes: of a detector, one entry per feature map.
        branch_width: channels of the maps that a detector's branches see.
        branch_depth: convolutions of a branch before its predictor.
        dropout: share of values that the network's dropout sets to 0 while it trains.
    """

    input_hw: tuple[int, int]
    class_count: int
    pretrained: bool = False
    default_boxes: DefaultBoxSettings | None = None
    branch_width: int | None = None
    branch_depth: int | None = None
    dropout: float | None = None

    def check_understood(self, network: str, understood: frozenset[str]) -> None:
        """Refuse an option that was given although the network has nothing that it could change.

        Args:
            network: its name.
            understood: names of the options beyond size and classes that it follows.

        Raises:
            InputError: another option was given.
        """
        for field in fields(self):
            name = field.name
            if name in ("input_hw", "class_count") or name in understood:
                continue
            if (value := getattr(self, name)) not in (None, False):
                raise InputError(
                    f"{name}: expected none for {network}, which has no such thing, got {value}. Leave it out."
                )

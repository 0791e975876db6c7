"""What the user says of a third-party detector's outputs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import onnx

from .mending import cut_at
from .reading import Activation, Layout


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the user says of the outputs, word for word; None where nothing is said.

    Args:
        boxes: output, or its columns as in `output[0:4]`; those of all levels with commas between.
        scores: output, or its columns.
        objectness: output, or its column; where boxes and scores are told, none told means that there is none.
        layout: corners, corners with y first, or centre and size.
        normalised: whether boxes are fractions of the input.
        activation: that scores and objectness still need.
        background: column of the scores that is no class, or `none`.
        strides: of the levels of boxes that are not decoded; empty: they are decoded.
        decode: scheme of boxes that are not decoded, a file of anchors, or `none`.
        class_ids: output, or its column, of the class of each box.
    """

    boxes: str | None = None
    scores: str | None = None
    objectness: str | None = None
    layout: Layout | None = None
    normalised: bool | None = None
    activation: Activation | None = None
    background: int | Literal["none"] | None = None
    strides: tuple[int, ...] | None = None
    decode: str | None = None
    class_ids: str | None = None

    def cut(self, model: onnx.ModelProto) -> None:
        """Make what is named outputs of a graph, in place; where boxes and scores are named, the only ones."""
        plugins = [node for node in model.graph.node if re.fullmatch(r"\w*NMS\w*_TRT", node.op_type)]
        if plugins and self.boxes is None and self.scores is None:
            cut_at(model, plugins[0].input[:2], only=True)
            return
        texts = [text for text in (self.boxes, self.scores, self.objectness, self.class_ids) if text is not None]
        made = {name for node in model.graph.node for name in node.output}
        parts = [part for text in texts for part in ([text] if text in made else text.split(","))]
        names = [part if part in made else re.sub(r"\[\d*:\d*\]$", "", part) for part in parts]
        is_whole = self.boxes is not None and self.scores is not None and made.issuperset(names)
        cut_at(model, names, only=is_whole)

"""The card: what an artefact is, how it was made and what was measured on it."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .errors import InputError
from .precision import Precision

CARD_KEY = "singleshot.card"
"""Name of the card among an ONNX graph's metadata, and in a checkpoint's dictionary."""

Task = Literal["detector", "classifier"]
Resize = Literal["stretch", "letterbox", "letterbox-top-left"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputSpec(_Part):
    """What the network takes: uint8 BGR frames of one height and width."""

    height: Annotated[int, Field(gt=0)]
    width: Annotated[int, Field(gt=0)]
    resize: Resize = "stretch"
    """How the host fits a frame to the input: `stretch` ignores the aspect ratio, `letterbox` pads on both sides,
    `letterbox-top-left` at the right and bottom alone."""
    colour: Literal["rgb", "bgr"] = "rgb"
    """Channel order the network was trained with. Frames always arrive as BGR; the graph reorders."""
    mean: tuple[float, float, float]
    """Per channel in `colour` order, on the 0..255 scale: the graph computes (x - mean) / std."""
    std: tuple[float, float, float]


class Postprocess(_Part):
    """How class logits and box offsets become detections."""

    tail: Literal["onnx", "cluster"] = "onnx"
    candidates: Annotated[int, Field(gt=0)] = 1000
    """K, the (box, class) pairs that enter non-maximum suppression."""
    max_detections: Annotated[int, Field(gt=0)] = 100
    """M, the rows that leave it."""
    score_floor: Annotated[float, Field(ge=0, lt=1)] = 0.01
    iou_threshold: Annotated[float, Field(gt=0, le=1)] = 0.45
    class_agnostic: bool = False
    """Whether a detection suppresses those of other classes, too."""
    variances: tuple[float, float] = (0.1, 0.2)


class Measurement(_Part):
    """One figure with what is needed to read and repeat it."""

    metric: str
    """For example `AP50 (VOC all-point), mean over cat, cow, dog, horse, sheep`."""
    value: float
    data: str
    """Data and split, for a latency the machine."""
    note: str = ""

    def noted(self, text: str) -> Measurement:
        """Add to the note."""
        return self.model_copy(update={"note": f"{self.note}, {text}".removeprefix(", ")})


class Origin(_Part):
    """What an artefact was made from."""

    parent_sha256: str | None = None
    """Of the file this one was made from: of a checkpoint, what its weights started from; none if from nothing."""
    parent_uncertified_sha256: str | None = None
    """Of that file without what `certify` writes into its card, where it is a graph (`runtime/uncertified.py`)."""
    ancestors_sha256: tuple[str, ...] = ()
    """Of what the parent was made from in its turn, the nearest first: of an engine, the graph's checkpoint."""
    data: str | None = None
    """Layout and split trained on, for example `voc VOC2012 train, 1697 images`."""
    data_sha256: str | None = None
    """Of the sorted list of image ids and boxes trained on."""
    split_seed: int | None = None
    """Of a `seeded-…` split; none where the data's own lists were used."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """The resolved settings of the step that made the artefact."""
    packages: dict[str, str] = Field(default_factory=dict)
    """Versions of the packages that made it."""


class Engine(_Part):
    """What an engine was compiled by and for. The plan is the engine file itself, the card lies beside it."""

    graph: str
    """The graph that it was built from, as seen from the engine's folder; its sha256 is the origin's parent."""
    compiler: Literal["tensorrt", "tensorrt_rtx"]
    version: str
    """Of the compiler; an engine runs under this version alone, unless it is version compatible."""
    compute_capabilities: tuple[str, ...]
    """GPUs that it was compiled for, for example `8.6`; empty means all that the compiler targets by itself."""
    gpu: str | None = None
    """Name of the GPU that was there; none where it was built without one."""
    driver: str | None = None
    precision: Precision
    batch: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]
    """N at least, at best, at most."""
    workspace_mib: int | None = None
    """Scratch memory that kernels may take; none left it to the compiler."""
    hardware_compatible: bool = False
    """Whether it also runs on other GPUs from Ampere (8.0) on."""
    version_compatible: bool = False
    """Whether it also runs under later versions of the same major version."""
    plan_sha256: str
    """Of the engine file."""
    network_convolutions: dict[str, int]
    """How many convolutions of the parsed network give which type."""
    plan_convolutions: dict[str, int] | None = None
    """How many convolutions of the plan give which type; none where the plan does not tell."""
    kernel_launches: int | None = None
    """Kernels that one run of the plan starts; none where the plan does not tell."""
    deserialised: bool
    """Whether the plan was read back by a runtime, which needs a GPU."""
    executed: bool
    """Whether the plan ever ran, and was compared with its graph."""


class BackendParity(_Part):
    """How far a graph's answers by another backend or precision are from those of FP32 in ONNX Runtime.

    `runtime/backends.py` chooses by these, and uses no precision that has none.
    """

    backend: Literal["openvino"]
    precision: Precision
    """The coarsest that computes: `int8` is an int8 graph."""
    version: str
    """Of the backend's package."""
    processor: str | None = None
    """What its kind of processor computes int8 and bf16 by: `avx2 avx512_vnni`; none in older cards."""
    reference: str
    """What was held to be right, for example `the same graph, onnxruntime fp32`."""
    data: str
    """The frames compared."""
    frames: int
    matched: int
    """Detections that both found, of the same class; of a classifier, frames with the same likeliest class."""
    unmatched: int
    score_difference: float
    """The largest among the matched."""
    least_iou: float | None = None
    """The smallest among the matched; none of a classifier."""
    drop_points: float | None = None
    """Points of AP50:95, of a classifier top-1, lost against the reference on labelled images; none: not measured."""
    drop_data: str = ""
    """Data and split of `drop_points`."""
    holds: bool
    """Whether all is within the tolerances of its precision, and the drop within what was allowed."""


class MovedScores(_Part):
    """Which of its own scores mean what scores of the graph mean that an artefact was made from.

    Between the given scores the shift is interpolated; below the first and above the last it stays.
    """

    class_name: str | None = None
    """None: of all classes that have no scores of their own."""
    parent: Annotated[tuple[float, ...], Field(min_length=1)]
    """Ascending."""
    own: tuple[float, ...]
    """Thresholds that report as many answers, in the same order."""

    @model_validator(mode="after")
    def _are_pairs(self) -> MovedScores:
        if len(self.parent) != len(self.own) or tuple(sorted(self.parent)) != self.parent:
            raise ValueError("moved_scores: expected ascending scores of the parent, and an own one for each")
        return self


class Int8Training(_Part):
    """What a network was rounded to while it was trained: `quantize` takes it and calibrates nothing."""

    method: Literal["minmax", "percentile", "entropy", "mse"]
    """By which the ranges were measured."""
    images: int
    """That they were measured on, of the training split."""
    seed: int
    """Of the choice of these images."""
    table_sha256: str
    """Of the calibration table."""
    weight_steps: int
    """That the largest weight of a channel stands for."""
    limits: tuple[tuple[Literal[0, 1], Annotated[float, Field(gt=0)]] | None, ...]
    """Of each convolution and each sum of the network, in the order in which they are computed: which of its inputs is
    rounded, and the magnitude that its greatest step stands for; none of what stays in float."""

    @property
    def summary(self) -> str:
        """Where the ranges come from, in words."""
        return f"ranges by {self.method} on {self.images} images of the training split"


class Card(_Part):
    """Everything that one needs to know to use an artefact and to trust it."""

    format: Literal[1] = 1
    kind: Literal["checkpoint", "graph", "engine"]
    task: Task = "detector"
    network: str
    """Name of the network, as `singleshot train` takes it."""
    class_names: Annotated[tuple[str, ...], Field(min_length=1)]
    """In the order of class ids; background is not counted."""
    input: InputSpec
    postprocess: Postprocess = Postprocess()
    """Of a detector; a classifier has none beyond its softmax."""
    origin: Origin = Origin()
    measurements: tuple[Measurement, ...] = ()
    backend_parity: tuple[BackendParity, ...] = ()
    """Of a graph: the last of a backend and precision counts. What is not here was not measured."""
    engine: Engine | None = None
    """Of an engine alone."""
    moved_scores: tuple[MovedScores, ...] = ()
    """Of what an accuracy gate accepted, where the labelled images suffice."""
    int8: Int8Training | None = None
    """Of a checkpoint of a quantization-aware training, and of the float32 graph that was exported from it."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> Card:
        if len(set(self.class_names)) != len(self.class_names):
            raise ValueError("class_names: expected unique names")
        return self

    @model_validator(mode="after")
    def _engine_is_of_an_engine(self) -> Card:
        if (self.kind == "engine") != (self.engine is not None):
            raise ValueError("engine: expected one for the kind engine, and none for another")
        return self

    def to_json(self) -> str:
        """Serialise; `card_from_json` restores an equal card."""
        return self.model_dump_json(indent=1)

    def class_id(self, name: str) -> int:
        """Find a class by name.

        Raises:
            InputError: there is no such class.
        """
        try:
            return self.class_names.index(name)
        except ValueError:
            raise InputError(f"{name}: expected one of the classes {', '.join(self.class_names)}.") from None


def derived_origin(
    parent: Origin,
    parent_sha256: str,
    *,
    uncertified_sha256: str | None = None,
    settings: dict[str, Any],
    packages: dict[str, str],
) -> Origin:
    """Say where an artefact comes from that was made of another one: its line goes on, its data stay the same.

    Args:
        parent: the origin of what it was made from.
        parent_sha256: of that file.
        uncertified_sha256: of that file without what `certify` writes into its card, where it is a graph.
        settings: of the step that made the artefact.
        packages: that made it.
    """
    earlier = () if parent.parent_sha256 is None else (parent.parent_sha256, *parent.ancestors_sha256)
    return parent.model_copy(
        update={
            "parent_sha256": parent_sha256,
            "parent_uncertified_sha256": uncertified_sha256,
            "ancestors_sha256": earlier,
            "settings": settings,
            "packages": packages,
        }
    )


def card_from_json(text: str, *, source: str, mend: str = "Export the graph again.") -> Card:
    """Read a card.

    Args:
        text: JSON.
        source: the artefact's name, for the error.
        mend: what to do about it, for the error.

    Raises:
        InputError: the text is not a valid card.
    """
    try:
        return Card.model_validate(json.loads(text))
    except (json.JSONDecodeError, ValidationError) as error:
        first = str(error) if isinstance(error, json.JSONDecodeError) else _first_problem(error)
        raise InputError(f"{source}: expected a valid singleshot card, got {first}. {mend}") from error


def postprocess_settings(**values: object) -> Postprocess:
    """Check post-processing that a person asked for.

    Raises:
        InputError: a value is not allowed; the text names it.
    """
    try:
        return Postprocess.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{name}: {first['msg'].replace('Input should be', 'expected')}, got {first['input']}."
        ) from error


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "card"
    return f"{place}: {first['msg']}"

"""The experiments of *Object Classification and Localization on ImageNet*, as runs that can be trained one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

from ...runtime.errors import InputError
from ..augmentation_settings import AugmentationSettings
from ..configuration import follows
from ..networks.registry import input_of, network_named
from ..settings import TrainSettings, train_settings

Round: TypeAlias = Literal["classification", "localization", "classes", "ablation"]
Recipe: TypeAlias = Literal["paper", "modern", "progressive"]

CLASSIFICATION = ("resnet50", "ssd7_classifier", "resnet_dropout", "vgg_lite", "vgg_joint", "vgg_joint_normalised")
LOCALIZATION = ("ssd7", "ssd_resnet")
BASES = {"ssd7": "ssd7_classifier", "ssd_resnet": "resnet_dropout_linear"}
"""Detector -> the classifier whose convolutions are its trunk. One dense layer on top of them is enough, since the
detector has none: under the three of `resnet_dropout` they learn several times more slowly."""
CLASS_COUNTS = (5, 10, 25)
"""The paper saw `vgg_lite` fail beyond 10 classes."""

OURS = "resnet_dropout"
"""The paper's own classifier."""
NO_AUGMENTATION = "none"

AUGMENTATIONS: dict[str, dict[str, float | bool]] = {
    NO_AUGMENTATION: {},
    "horizontal flip": {"horizontal_flip": 0.5},
    "vertical flip": {"vertical_flip": 0.5},
    "rotation": {"rotation_degrees": 15.0},
    "scaling": {"scaling": 0.3},
    "colour": {"colour": 0.5},
    "crop": {"crop": True},
    "expansion": {"expansion": 0.4},
    "all": {
        "horizontal_flip": 0.5,
        "vertical_flip": 0.5,
        "rotation_degrees": 15.0,
        "scaling": 0.3,
        "colour": 0.5,
        "crop": True,
        "expansion": 0.4,
    },
}
"""Each of the paper's, and SSD's two, alone; then all at once."""

# What both recipes share, so that every model has the same. Adam is AdamW without decay.
_PAPER: dict[str, Any] = {
    "batch_size": 32,
    "learning_rate": 5e-4,
    "weight_decay": 0.0,
    "warmup_epochs": 0.0,
    "schedule": "constant",
    "ema_decay": 0.0,
}
_MODERN: dict[str, Any] = {
    "batch_size": 32,
    "learning_rate": 1e-3,
    "weight_decay": 0.05,
    "warmup_epochs": 3.0,
    "schedule": "cosine",
    "ema_decay": 0.999,
}
_MODERN_LABELS = {"label_smoothing": 0.1, "cutmix": 1.0, "mixup": 0.2}
_PROGRESSIVE = {"progressive_resizing": 0.5, "dropout": 0.0}
"""What comes to the modern recipe, of networks that average their maps: more epochs in the same time, and no dropout
behind the dense layers, which slows them and which mixed images make needless."""
_MODERN_CLASSIFIER_IMAGES = {"horizontal_flip": 0.5, "colour": 0.3, "rotation_degrees": 10.0, "crop": True}
_MODERN_DETECTOR_IMAGES = {"horizontal_flip": 0.5, "colour": 0.3, "crop": True}
"""SSD's without its expansion: that makes small objects, and an image of these data shows one large object."""


@dataclass(frozen=True, kw_only=True)
class PaperRun:
    """One training.

    Args:
        round: which of the paper's experiments it belongs to.
        network: what is trained.
        recipe: how: the paper's, a modern one, or that one with images that grow.
        augmentation: of an ablation, a name of `AUGMENTATIONS`; otherwise the recipe's own.
        classes: how many are told apart.
        size: height and width of the input.
        epochs: passes over the training images.
        seed: of weights, order and augmentation; the split's is the same for all.
        base_epochs: of a detector, how long the classifier was trained whose convolutions it starts with; 0 starts from
            nothing.
    """

    round: Round
    network: str
    recipe: Recipe
    augmentation: str | None
    classes: int
    size: int
    epochs: int
    seed: int
    base_epochs: int = 0

    @property
    def base(self) -> PaperRun | None:
        """The classifier's run that it starts from, by the same recipe."""
        if not self.base_epochs:
            return None
        return replace(
            self, round="classification", network=BASES[self.network], epochs=self.base_epochs, base_epochs=0
        )

    @property
    def unaugmented(self) -> PaperRun:
        """What a run of an ablation is held against; the paper's recipe augments nothing as it is."""
        if self.recipe == "paper":
            return replace(self, round="classification", augmentation=None)
        return replace(self, augmentation=NO_AUGMENTATION)

    @property
    def variant(self) -> str:
        """What its repetitions with other seeds share, as one word."""
        parts = [self.network, self.recipe, f"{self.classes}classes", f"{self.size}px", f"{self.epochs}epochs"]
        if self.augmentation is not None:
            parts.insert(1, self.augmentation.replace(" ", "_"))
        if self.base_epochs:
            parts.append(f"base{self.base_epochs}epochs")
        return "-".join(parts)

    @property
    def folder(self) -> Path:
        """Where it is kept, below the folder of all runs."""
        return Path(self.round) / self.variant / f"seed{self.seed}"

    @property
    def monitors_accuracy(self) -> bool:
        """Whether it is a classifier's."""
        return network_named(self.network).task == "classifier"


@dataclass(frozen=True, kw_only=True)
class PaperPlan:
    """What is to be run; every combination that makes sense becomes a run.

    Args:
        networks: of both rounds; a network's task says to which it belongs.
        recipe: for all of them.
        seeds: each run is repeated with each.
        classes: how many classes the data have, or are sampled.
        size: height and width of the input.
        epochs_classification: passes of a classifier over the training images.
        epochs_localization: passes of a detector over the training images.
        ablation: a classifier to train with each augmentation alone too, and without any.
        trained_base: detectors start with the convolutions of their classifier, of the same recipe and seed, which is
            trained before if it was not yet.
    """

    networks: tuple[str, ...] = (*CLASSIFICATION, *LOCALIZATION)
    recipe: Recipe = "paper"
    seeds: tuple[int, ...] = (0,)
    classes: int
    size: int = 224
    epochs_classification: int = 100
    epochs_localization: int = 25
    ablation: str | None = None
    trained_base: bool = False

    def runs(self) -> list[PaperRun]:
        """List the runs in the order in which they are trained: a whole seed of everything before the next.

        Raises:
            InputError: a network is unknown or needs a larger input, or an ablation is of a detector, or has too few
                seeds for an interval.
        """
        if self.ablation is not None and network_named(self.ablation).task != "classifier":
            raise InputError(f"ablation: expected a classifier, got {self.ablation}. Take for example {OURS}.")
        if self.ablation is not None and len(self.seeds) < _LEAST_SEEDS:
            raise InputError(
                f"seeds: expected at least {_LEAST_SEEDS} for an ablation with confidence intervals, "
                f"got {len(self.seeds)}. Give more, for example 0,1,2."
            )
        runs = list(dict.fromkeys(run for seed in self.seeds for run in self._of_seed(seed)))
        for run in runs:
            input_of(run.network, run.size, run.size)
        return runs

    def _of_seed(self, seed: int) -> Iterator[PaperRun]:
        for network in self.networks:
            detects = network_named(network).task == "detector"
            run = self._run("localization" if detects else "classification", network, seed)
            if network in BASES and self.trained_base:
                run = replace(run, base_epochs=self.epochs_classification)
            if run.base is not None:
                yield run.base
            yield run
        if "vgg_lite" in self.networks:
            for count in CLASS_COUNTS:
                if count < self.classes:
                    yield self._run("classes", "vgg_lite", seed, classes=count)
        if self.ablation is not None:
            for name in AUGMENTATIONS:
                run = self._run("ablation", self.ablation, seed, augmentation=name)
                yield run.unaugmented if name == NO_AUGMENTATION else run

    def _run(
        self, round_: Round, network: str, seed: int, *, classes: int | None = None, augmentation: str | None = None
    ) -> PaperRun:
        return PaperRun(
            round=round_,
            network=network,
            recipe=self.recipe,
            augmentation=augmentation,
            classes=classes or self.classes,
            size=self.size,
            epochs=self.epochs_localization if round_ == "localization" else self.epochs_classification,
            seed=seed,
        )


_LEAST_SEEDS = 3


def settings_of(run: PaperRun, *, workers: int = 2, precision: str = "auto") -> TrainSettings:
    """Spell out what a run is trained with: the recipe, the same for every network of a task."""
    values: dict[str, Any] = {**(_PAPER if run.recipe == "paper" else _MODERN)}
    if run.monitors_accuracy and run.recipe != "paper":
        values |= {key: value for key, value in _MODERN_LABELS.items() if follows(run.network, key)}
        if run.recipe == "progressive" and follows(run.network, "progressive_resizing"):
            values |= {key: value for key, value in _PROGRESSIVE.items() if follows(run.network, key)}
    if not run.monitors_accuracy and run.recipe == "paper":
        values["localization_loss"] = "l2"
    return train_settings(
        **values,
        pretrained=False,  # what is shipped was trained on ImageNet, of which the data are a part
        epochs=run.epochs,
        height=run.size,
        width=run.size,
        seed=run.seed,
        train_split="seeded-train",
        val_split="seeded-val",
        validate_every=max(1, run.epochs // _CURVE_POINTS),
        workers=workers,
        precision=precision,
        augmentation=_augmentation(run),
    )


_CURVE_POINTS = 25
"""Validations of a run at least, where it has so many epochs."""


def _augmentation(run: PaperRun) -> AugmentationSettings:
    if run.augmentation is not None:
        changes: dict[str, Any] = AUGMENTATIONS[run.augmentation]
    elif run.recipe == "paper":
        changes = {}
    elif run.monitors_accuracy:
        changes = _MODERN_CLASSIFIER_IMAGES
    else:
        changes = _MODERN_DETECTOR_IMAGES
    return AugmentationSettings.none().model_copy(update=changes)


def parsed_seeds(text: str) -> tuple[int, ...]:
    """Read `0,1,2`.

    Raises:
        InputError: it is no list of different whole numbers.
    """
    parts = text.split(",")
    seeds = tuple(int(part) for part in parts if part.strip().isdecimal())
    if len(seeds) != len(parts) or len(set(seeds)) != len(seeds):
        raise InputError(f"seeds: expected different whole numbers such as 0,1,2, got {text}.")
    return seeds


def parsed_networks(text: str | None) -> tuple[str, ...]:
    """Read `resnet50,ssd7`; the paper's networks where nothing is given.

    Raises:
        InputError: there is no such network, or one is named twice.
    """
    if text is None:
        return (*CLASSIFICATION, *LOCALIZATION)
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        network_named(name)
    if len(set(names)) != len(names):
        raise InputError(f"models: expected each network once, got {text}.")
    return names


def parsed_recipe(text: str) -> Recipe:
    """Read the name of a recipe.

    Raises:
        InputError: there is none of that name.
    """
    for recipe in get_args(Recipe):
        if recipe == text:
            return cast(Recipe, recipe)
    raise InputError(f"recipe: expected one of {', '.join(get_args(Recipe))}, got {text}.")

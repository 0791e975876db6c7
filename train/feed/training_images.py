"""The images of a run: looked at, decoded once, found again by the next run."""

from __future__ import annotations

from dataclasses import dataclass

from ...data.cache.building import OnNeed, open_image_cache
from ...data.cache.image_cache import ImageCache
from ...data.dataset import Dataset
from ...runtime.files import StrPath
from ...runtime.progress import Progress, no_progress
from ..settings import TrainSettings
from .survey import SplitSurvey, check_surveys, survey_split


@dataclass(frozen=True, kw_only=True)
class TrainingImages:
    """What a run learns from, and what it is judged by.

    Args:
        train: what the training split holds.
        val: what the validation split holds.
        cache: the images of the training split.
    """

    train: SplitSurvey
    val: SplitSurvey
    cache: ImageCache


def open_training_images(
    data: Dataset,
    settings: TrainSettings,
    *,
    input_hw: tuple[int, int],
    cache_folder: StrPath | None = None,
    on_look: Progress = no_progress,
    on_need: OnNeed | None = None,
) -> TrainingImages:
    """Look at both splits and open the cache of the training split, or build it.

    Args:
        data: labelled images; those that cannot be read are left out and counted in its report.
        settings: resolved, both splits named.
        input_hw: height and width that images are kept for.
        cache_folder: see `open_image_cache`.
        on_look: told of every image that is decoded.
        on_need: told what disk a cache takes that has to be built.

    Raises:
        InputError: see `open_image_cache` and `check_surveys`.
    """
    seed = settings.split_seed
    train = survey_split(data, settings.train_split, seed=seed, decode=False)
    val = survey_split(data, settings.val_split, seed=seed, on_progress=on_look)
    check_surveys(data, train, val)  # before anything large is written
    cache = open_image_cache(
        data,
        settings.train_split,
        input_hw=input_hw,
        folder=cache_folder,
        seed=seed,
        on_need=on_need,
        on_progress=on_look,
    )
    if len(cache) < len(train.image_ids):
        train = survey_split(data, settings.train_split, seed=seed, decode=False)
        check_surveys(data, train, val)
    return TrainingImages(train=train, val=val, cache=cache)

"""A sheet of images as a network is trained on them: what augmentation does, to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ...runtime.files import whole_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...data.dataset import Dataset
    from ...train.augmentation_settings import AugmentationSettings
    from ...train.feed.batches import AugmentedImages

_IMAGES = 8
_EPOCHS = 6
_SIDE_PX = 180
_GAP_PX = 4
_LEARNED_BGR = (0, 140, 255)
_DIFFICULT_BGR = (160, 160, 160)


def augmented_sheet(
    dataset: Dataset, split: str, *, network: str, augmentation: AugmentationSettings, seed: int = 0
) -> NDArray[np.uint8]:
    """Draw 8 images of a split, evenly chosen, a row each: first only resized, then as 6 epochs see them.

    Boxes of objects are orange, of difficult ones grey.

    Args:
        dataset: labelled images.
        split: one of its splits.
        network: whose input size is taken.
        augmentation: what is done to the images.
        seed: of the augmentation, and of a seeded split.

    Returns:
        [h, w, 3] uint8, BGR.

    Raises:
        InputError: there is no such network or split.
    """
    from ...data.cache.image_cache import DecodedImages
    from ...train.augmentation_settings import AugmentationSettings
    from ...train.feed.batches import AugmentedImages
    from ...train.networks.registry import network_named

    spec = network_named(network).input
    input_hw = spec.height, spec.width
    listed = [sample.image_id for sample in dataset.samples(split, seed=seed)]
    chosen = [listed[place] for place in np.linspace(0, len(listed) - 1, min(_IMAGES, len(listed)), dtype=int)]
    source = DecodedImages(dataset, chosen, input_hw=input_hw)
    plain, augmented = (
        AugmentedImages(source, input_hw=input_hw, seed=seed, augmentation=each)
        for each in (AugmentationSettings.none(), augmentation)
    )
    rows = [
        np.hstack([_tile(plain, 0, index), *(_tile(augmented, epoch, index) for epoch in range(_EPOCHS))])
        for index in range(len(chosen))
    ]
    return np.vstack(rows)


def save_sheet(sheet: NDArray[np.uint8], path: Path) -> None:
    """Write the sheet as the picture that its suffix says.

    Raises:
        InputError: the file cannot be written, or OpenCV knows no such kind of picture.
    """
    from ...runtime.errors import InputError

    if not cv2.haveImageWriter(str(path)):
        raise InputError(f"{path}: expected a picture to write, such as OUT.png, got suffix {path.suffix!r}.")
    with whole_file(path) as temporary:
        cv2.imwrite(str(temporary), sheet)


def _tile(images: AugmentedImages, epoch: int, index: int) -> NDArray[np.uint8]:
    item = images[epoch, index]
    height, width = item.image_rgb.shape[:2]
    scale = _SIDE_PX / max(height, width)
    size = round(width * scale), round(height * scale)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    tile = cv2.resize(cv2.cvtColor(item.image_rgb, cv2.COLOR_RGB2BGR), size, interpolation=how)
    for box, label in zip(item.plan.boxes_xyxy * np.tile(size, 2), item.plan.labels, strict=True):
        left, top, right, bottom = (round(float(corner)) for corner in box)
        colour = _LEARNED_BGR if label > 0 else _DIFFICULT_BGR
        cv2.rectangle(tile, (left, top), (right - 1, bottom - 1), colour, 2)
    return np.asarray(cv2.copyMakeBorder(tile, 0, _GAP_PX, 0, _GAP_PX, cv2.BORDER_CONSTANT, value=(255,) * 3), np.uint8)

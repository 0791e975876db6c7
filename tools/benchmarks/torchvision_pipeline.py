"""The pipeline of torchvision's reference trainings, to measure ours against: PIL decodes each image in each epoch."""

from __future__ import annotations

import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from ...data.dataset import Dataset as LabelledDataset
from ...runtime.card import Task
from ...train.feed.batches import Batch

Item = tuple[Tensor, Tensor, Tensor, str]
"""Image [3, H, W] uint8, boxes_xyxy [n, 4] normalised, labels [n] from 1 up, image id."""


class TorchvisionImages(Dataset[Item]):
    """Images by (epoch, index), in the presets of torchvision's `references`.

    Source: torchvision, references/detection/presets.py (`ssd`) and references/classification/presets.py.
    """

    def __init__(self, data: LabelledDataset, image_ids: list[str], *, input_hw: tuple[int, int], task: Task) -> None:
        """Take images by id, and which of the two presets."""
        self._data = data
        self._image_ids = image_ids
        size = list(input_hw)
        if task == "detector":
            changes = [
                v2.RandomPhotometricDistort(),
                v2.RandomZoomOut(fill={tv_tensors.Image: (123, 117, 104), "others": 0}),
                v2.RandomIoUCrop(),
                v2.RandomHorizontalFlip(),
                v2.Resize(size),
                v2.SanitizeBoundingBoxes(),
            ]
        else:
            changes = [v2.RandomResizedCrop(size), v2.RandomHorizontalFlip()]
        self._transform = v2.Compose([v2.ToImage() if task == "detector" else v2.Identity(), *changes, v2.ToImage()])

    def __len__(self) -> int:
        return len(self._image_ids)

    def __getitem__(self, key: tuple[int, int]) -> Item:
        sample = self._data.sample(self._image_ids[key[1]])
        with Image.open(sample.image_path) as file:
            image = ImageOps.exif_transpose(file).convert("RGB")
        boxes = tv_tensors.BoundingBoxes(
            torch.from_numpy(sample.boxes_xyxy_px), format="XYXY", canvas_size=(image.height, image.width)
        )
        labels = torch.from_numpy(sample.class_ids + 1)
        done = self._transform({"image": image, "boxes": boxes, "labels": labels})
        height, width = done["image"].shape[1:]
        shares = done["boxes"].as_subclass(Tensor) / torch.tensor([width, height, width, height])
        return done["image"].as_subclass(Tensor), shares.clamp(0, 1), done["labels"], sample.image_id

    def batch(self, items: list[Item]) -> Batch:
        """Put images together; torch calls it."""
        return Batch(
            images=torch.stack([image for image, _, _, _ in items]),
            objects=[(boxes, labels) for _, boxes, labels, _ in items],
            image_ids=tuple(image_id for _, _, _, image_id in items),
        )

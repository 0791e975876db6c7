"""The pipeline that ours is measured against makes the same kind of batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from singleshot.data.dataset import open_dataset
from singleshot.runtime.card import Task
from singleshot.tools.benchmarks.torchvision_pipeline import TorchvisionImages


@pytest.mark.parametrize("task", ["detector", "classifier"])
def test_batches(animals_root: Path, task: Task) -> None:
    data = open_dataset(animals_root, class_names=("chair", "dog"))
    ids = data.sample_ids("train")
    images = TorchvisionImages(data, ids, input_hw=(48, 64), task=task)
    assert len(images) == 12
    torch.manual_seed(0)
    batch = images.batch([images[0, index] for index in (0, 1, 2)])
    assert (batch.images.shape, batch.images.dtype) == ((3, 3, 48, 64), torch.uint8)
    assert batch.image_ids == tuple(ids[:3])
    labels = [found.tolist() for _, found in batch.objects]
    assert labels[0] == [2]
    assert labels[2] == []
    for boxes, found in batch.objects:
        assert boxes.shape == (len(found), 4)
        assert ((boxes >= 0) & (boxes <= 1)).all()

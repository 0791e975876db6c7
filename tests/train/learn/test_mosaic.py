"""Four images in one: pixels, boxes and what the labels speak of move together."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from singleshot.train.learn.mosaic import mosaic

SIDE = 64
COUNT = 6


def batch() -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Images of one value each, `10 * (image + 1)`, but for a bright square, labelled `image + 1`; 2 has none."""
    images = torch.arange(10, 10 * COUNT + 1, 10).float()[:, None, None, None].repeat(1, 3, SIDE, SIDE)
    objects = []
    for at in range(COUNT):
        box = torch.tensor([[0.25, 0.25, 0.75, 0.5]])
        images[at, :, 16:32, 16:48] += 500
        objects.append((box, torch.tensor([at + 1])))
    images[2] = 30
    objects[2] = torch.empty(0, 4), torch.empty(0, dtype=torch.int64)
    return images, objects


@pytest.mark.parametrize("seed", range(5))
def test_a_box_lies_where_its_pixels_are(seed: int) -> None:
    torch.manual_seed(seed)
    images, objects, labelled = mosaic(*batch(), None, share=1.0)
    assert (images.shape, len(objects), labelled) == ((COUNT, 3, SIDE, SIDE), COUNT, None)
    for image, (boxes, labels) in zip(images, objects, strict=True):
        bright = image[0] > 250
        assert len(boxes) == 4 - sum(round(float(value)) == 30 for value in image[0, ::63, ::63].flatten())
        for (x1, y1, x2, y2), label in zip((boxes * SIDE).round().int().tolist(), labels.tolist(), strict=True):
            inner = image[0, y1 + 2 : y2 - 2, x1 + 2 : x2 - 2]
            torch.testing.assert_close(inner, torch.full_like(inner, 500 + 10 * label))
            bright[max(y1 - 2, 0) : y2 + 2, max(x1 - 2, 0) : x2 + 2] = False
        assert not bright.any()
    assert {round(float(image[0, 0, 0])) for image in images} == {10, 20, 30, 40, 50, 60}, "each keeps its own part"


def test_the_share_is_that_of_the_images() -> None:
    given, objects = batch()
    torch.manual_seed(0)
    before = torch.get_rng_state()
    kept = mosaic(given, objects, None, share=0.0)
    assert torch.equal(torch.get_rng_state(), before)
    assert kept[0] is given
    assert kept[1] is objects
    given, objects = given.repeat(50, 1, 1, 1), objects * 50
    images, _, _ = mosaic(given, objects, None, share=0.3)
    changed = (images != given).flatten(1).any(dim=1)
    assert 0.2 < float(changed.float().mean()) < 0.4


def test_what_one_of_the_four_leaves_open_is_open() -> None:
    images, objects = batch()
    labelled = torch.ones(COUNT, 2, dtype=torch.bool)
    labelled[0, 1] = False
    torch.manual_seed(1)
    images, _, spoken_of = mosaic(images, objects, labelled, share=1.0)
    assert spoken_of is not None
    for image, row in zip(images, spoken_of.tolist(), strict=True):
        corners = image[0, ::63, ::63].flatten().round().tolist()
        assert row == [True, 10.0 not in corners]
    assert not spoken_of[:, 1].all()
    assert spoken_of[:, 1].any()


def test_the_same_seed_puts_the_same_together() -> None:
    torch.manual_seed(3)
    first = mosaic(*batch(), None, share=0.5)[0]
    torch.manual_seed(3)
    assert torch.equal(mosaic(*batch(), None, share=0.5)[0], first)

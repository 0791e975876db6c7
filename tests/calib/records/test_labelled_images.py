"""The images that choose and the images that judge: sampled by a seed, disjoint, each class in proportion."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from singleshot.calib.records.labelled_images import folds, halves, sampled_images
from singleshot.data.dataset import Dataset, open_dataset
from singleshot.runtime.card import InputSpec

if TYPE_CHECKING:
    from singleshot.tests.fixtures.voc_folder import VocFolder

SPEC = InputSpec(height=16, width=16, mean=(0, 0, 0), std=(1, 1, 1))


@pytest.fixture
def dataset(voc_folder: VocFolder) -> Dataset:
    """Sixteen cats and eight dogs."""
    for number in range(24):
        name = "cat" if number % 3 else "dog"
        voc_folder.add(f"image{number:02d}", [(name, (1, 1, 20, 20))], split="val", hw=(32 + number, 48))
    return open_dataset(voc_folder.root, class_names=["cat", "dog"])


def test_the_halves_are_disjoint_whole_and_in_proportion(dataset: Dataset) -> None:
    images = sampled_images(dataset, "val", seed=0, most=100)
    choosing, judging = halves(images, seed=0)
    assert set(choosing.image_ids) | set(judging.image_ids) == set(images.image_ids)
    assert set(choosing.image_ids) & set(judging.image_ids) == set()
    for half in (choosing, judging):
        assert Counter(int(sample.class_ids[0]) for sample in half.samples()) == {0: 8, 1: 4}


def test_the_seed_alone_decides(dataset: Dataset) -> None:
    sampled = [sampled_images(dataset, "val", seed=seed, most=10).image_ids for seed in (1, 1, 2)]
    assert sampled[0] == sampled[1]
    assert sampled[0] != sampled[2]
    assert len(sampled[0]) == 10
    assert sampled[0] == sampled_images(dataset, "val", seed=1, most=24).image_ids[:10]


def test_parts_are_dealt_evenly_and_each_class_in_proportion(dataset: Dataset) -> None:
    images = sampled_images(dataset, "val", seed=0, most=100)
    part_of = folds(images, 4, seed=0)
    assert set(part_of) == set(images.image_ids)
    for part in range(4):
        dealt = images.only({name for name, at in part_of.items() if at == part})
        assert Counter(int(sample.class_ids[0]) for sample in dealt.samples()) == {0: 4, 1: 2}


def test_a_broken_image_is_left_out_of_this_and_every_later_pass(dataset: Dataset, voc_folder: VocFolder) -> None:
    voc_folder.image_path("image05").write_bytes(b"no image")
    images = sampled_images(dataset, "val", seed=0, most=100)
    first = [sample.image_id for sample, frame in images.frames(SPEC) if frame.shape == (1, 16, 16, 3)]
    assert len(first) == 23
    assert [sample.image_id for sample in images.samples()] == first
    assert [sample.image_id for sample, _ in images.first(24).frames(SPEC)] == first

"""Several data sets read as one: which of them labels what, and what cannot be meant together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from singleshot.data.cache.building import open_image_cache
from singleshot.data.cache.image_cache import DecodedImages
from singleshot.data.dataset import Dataset, open_dataset
from singleshot.data.mixed_data import check_parts, counts_by_part
from singleshot.data.sample import data_sha256
from singleshot.runtime.errors import InputError
from singleshot.tests.fixtures.mixed_data import CLASSES, write_mixed
from singleshot.tests.fixtures.voc_folder import VocFolder

BOX = (1, 1, 9, 9)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(*write_mixed(tmp_path_factory.mktemp("mixed")), class_names=CLASSES)


def written(folder: Path, year: str, objects: dict[str, list[str]]) -> VocFolder:
    """An image for each list of classes, by split."""
    made = VocFolder(root=folder / year, year=year)
    for split, names in objects.items():
        for at, name in enumerate(names):
            made.add(f"{split}_{at}", [(name, BOX)] if name else [], split=split)
    return made


def test_a_part_labels_what_it_shows_whatever_its_list_of_classes_says(mixed: Dataset) -> None:
    assert mixed.name == "pets + people"
    assert {part: mask.tolist() for part, mask in mixed.parts.labelled.items()} == {
        "pets": [True, True, False],
        "people": [False, False, True],
    }
    masks = {mixed.parts.of(s.image_id): s.labelled for s in mixed.samples("train")}
    np.testing.assert_equal(masks, mixed.parts.labelled)
    assert [note.partition(":")[0] for note in mixed.notes] == [
        "pets does not label person",
        "people does not label cat, dog",
    ]


def test_classes_stand_in_the_order_of_the_data_sets(tmp_path: Path) -> None:
    first = written(tmp_path, "first", {"train": ["zebra", "emu"]})
    second = written(tmp_path, "second", {"train": ["ant", "zebra"]})
    assert open_dataset(first.root, second.root).class_names == ("emu", "zebra", "ant")


def test_where_all_parts_label_the_same_nothing_is_left_open(tmp_path: Path) -> None:
    parts = [written(tmp_path, year, {"train": ["dog", "cat"]}) for year in ("2007", "2012")]
    both = open_dataset(*(part.root for part in parts), class_names=["dog", "cat"])
    assert [sample.labelled for sample in both.samples("train")] == [None] * 4
    assert both.notes == ()


def test_counts_are_by_part_and_by_class_that_it_labels(mixed: Dataset) -> None:
    counts = counts_by_part(mixed, "train")
    assert {part: (count.images, count.objects) for part, count in counts.items()} == {
        "pets": (12, {"cat": 6, "dog": 6}),
        "people": (6, {"person": 12}),
    }


def test_one_data_set_has_no_parts(voc_root: Path) -> None:
    data = open_dataset(voc_root)
    assert counts_by_part(data, "train") == {}
    assert not data.parts
    assert next(data.samples("train")).labelled is None


def test_what_is_not_labelled_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    known = written(tmp_path, "first", {"train": ["dog"], "val": ["cat"]})
    other = written(tmp_path, "second", {"train": ["cat"]})
    before = data_sha256(open_dataset(known.root, other.root, class_names=["dog", "cat"]).samples("train"))
    other.add("further", [("dog", BOX)], split="val")
    after = data_sha256(open_dataset(known.root, other.root, class_names=["dog", "cat"]).samples("train"))
    assert before != after


def test_the_cache_keeps_what_is_labelled(mixed: Dataset, tmp_path: Path) -> None:
    cache = open_image_cache(mixed, "train", input_hw=(32, 32), folder=tmp_path)
    decoded = DecodedImages(mixed, cache.image_ids(), input_hw=(32, 32))
    for index in range(len(cache)):
        labelled = cache.image(index).labelled
        assert labelled is not None
        assert np.array_equal(labelled, mixed.parts.labelled[mixed.parts.of(cache.image_ids()[index])])
        np.testing.assert_array_equal(decoded.image(index).labelled, labelled, strict=True)
    cache.forget_pages()
    alone = open_image_cache(
        open_dataset(mixed.parts.image_path("pets/train_0").parents[1]), "train", input_hw=(32, 32), folder=tmp_path
    )
    assert alone.image(0).labelled is None


def test_images_of_one_class_each_are_left_out_by_themselves(tmp_path: Path, kaggle_root: Path) -> None:
    """Kaggle's pictures of another class say nothing of the chosen ones; VOC's without an object are background."""
    voc = written(tmp_path, "voc", {"train": ["dog", ""]})
    both = open_dataset(voc.root, kaggle_root, class_names=["dog", "scorpion"])
    ids = both.sample_ids("train")
    assert [image_id for image_id in ids if image_id.startswith("voc/")] == ["voc/train_0", "voc/train_1"]
    alone = open_dataset(kaggle_root, class_names=["scorpion"]).sample_ids("train")
    assert len(ids) == 2 + len(alone)


def refusals() -> list[object]:
    dogs, cats = {"train": ["dog"], "val": ["dog"]}, {"train": ["cat"], "val": ["cat"]}
    return [
        pytest.param(
            dogs, {"train": ["cat"]}, ["dog", "cat"], ("train", "val"),
            r"^val: expected a split of every data set, got second with train\. Name one that all have: train, seeded",
            id="a split of one alone",
        ),
        pytest.param(
            dogs, cats, ["dog"], ("train",),
            r"^second: expected objects of one of the classes dog, got cat\. Leave this data set out, or name",
            id="a data set with nothing to learn",
        ),
        pytest.param(
            {"train": ["Dog", "emu"]}, {"train": ["dog", "ant"]}, None, ("train",),
            r"^classes: expected one spelling of each in all data sets, got Dog in first and dog in second\. .*"
            r"`singleshot convert-data DIR --rename dog=Dog --to coco --link -o NEW`\.$",
            id="a class in two spellings",
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "classes", "splits", "message"), refusals())
def test_what_cannot_be_meant_together(
    tmp_path: Path,
    first: dict[str, list[str]],
    second: dict[str, list[str]],
    classes: list[str] | None,
    splits: tuple[str, ...],
    message: str,
) -> None:
    roots = written(tmp_path, "first", first).root, written(tmp_path, "second", second).root
    with pytest.raises(InputError, match=message):
        check_parts(open_dataset(*roots, class_names=classes), *splits)


def test_the_same_twice_is_refused(tmp_path: Path) -> None:
    one = written(tmp_path, "first", {"train": ["dog"]})
    (tmp_path / "again").symlink_to(one.folder)
    with pytest.raises(
        InputError,
        match=r"^first \+ first-2: expected different data sets, got first and first-2, which lie in the same",
    ):
        check_parts(open_dataset(one.root, tmp_path / "again"))
    check_parts(open_dataset(one.root))


def test_spellings_of_one_data_set_are_its_own_matter(tmp_path: Path) -> None:
    first = written(tmp_path, "first", {"train": ["Dog", "dog"]})
    second = written(tmp_path, "second", {"train": ["emu"]})
    check_parts(open_dataset(first.root, second.root), "train")

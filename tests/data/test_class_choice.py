"""Classes by name, from a file, and sampled."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singleshot.data.class_choice import chosen_classes, sampled_classes
from singleshot.data.dataset import open_dataset
from singleshot.runtime.errors import InputError

NAMES = tuple(f"class {number}" for number in range(1000))


class ManyClasses:
    """A layout of a thousand classes with an image each, and one class without."""

    name = "many"
    class_names = (*NAMES, "never seen")
    seeded_lists = ("train", "more")

    def listed_ids(self, split: str) -> list[str]:
        return list(NAMES) if split == "train" else []

    def class_names_of(self, image_id: str) -> tuple[str, ...]:
        return (image_id,)


MANY: ManyClasses = ManyClasses()


@given(seed=st.integers(0, 2**31), fewer=st.integers(1, 1000), more=st.integers(1, 1000))
def test_a_sample_is_nested_and_keeps_the_order(seed: int, fewer: int, more: int) -> None:
    fewer, more = sorted((fewer, more))
    few, many = (sampled_classes(MANY, count, seed=seed) for count in (fewer, more))  # type: ignore[arg-type]
    assert (len(few), len(many)) == (fewer, more)
    assert set(few) <= set(many)
    assert many == sorted(many, key=NAMES.index)


def test_all_thousand_can_be_sampled_and_seeds_differ() -> None:
    assert tuple(sampled_classes(MANY, 1000, seed=3)) == NAMES  # type: ignore[arg-type]
    samples = {tuple(sampled_classes(MANY, 25, seed=seed)) for seed in range(5)}  # type: ignore[arg-type]
    assert len(samples) == 5


@pytest.mark.parametrize("count", [0, 1001])
def test_too_many_or_none_are_refused(count: int) -> None:
    with pytest.raises(InputError, match=rf"classes: expected a number from 1 to 1000, .* of, got {count}\. Ask for"):
        sampled_classes(MANY, count, seed=0)  # type: ignore[arg-type]


def test_names_numbers_and_files(kaggle_root: Path, tmp_path: Path) -> None:
    assert chosen_classes("scorpion, basketball", kaggle_root) == ["scorpion", "basketball"]
    assert chosen_classes("3", kaggle_root) == ["scorpion", "German shepherd", "basketball"]
    sampled = chosen_classes("2", kaggle_root, seed=1)
    assert len(open_dataset(kaggle_root, class_names=sampled).sample_ids("train")) == 4
    (tmp_path / "classes.txt").write_text("German shepherd\n\n scorpion \n")
    assert chosen_classes(str(tmp_path / "classes.txt"), kaggle_root) == ["German shepherd", "scorpion"]


def test_an_empty_file_is_refused(tmp_path: Path, kaggle_root: Path) -> None:
    (tmp_path / "classes.txt").write_text("\n")
    with pytest.raises(InputError, match=r"classes\.txt: expected a class a line, got an empty file\."):
        chosen_classes(str(tmp_path / "classes.txt"), kaggle_root)

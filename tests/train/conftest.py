"""Labelled images for training: the few real ones of tests/fixtures, repeated under new names."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import torch

from singleshot.tests.places import KAGGLE, VOC

SOURCE = VOC
PICTURES = {
    "dog": "2010_000276",
    "dog and two chairs, one difficult": "2010_001911",
    "horse and two people": "2008_008487",
    "two horses and two people": "2009_000017",
    "cat": "2010_002531",
}

WriteVoc = Callable[[Mapping[str, Sequence[str]]], Path]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Keep to one core: these networks are too small to gain by more."""
    torch.set_num_threads(1)


def _write_voc(root: Path, splits: Mapping[str, Sequence[str]]) -> Path:
    folder = root / "VOCdevkit" / "VOC2012"
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    for split, pictures in splits.items():
        image_ids = [f"{split}_{number}" for number in range(len(pictures))]
        for image_id, picture in zip(image_ids, pictures, strict=True):
            for kind, suffix in (("JPEGImages", "jpg"), ("Annotations", "xml")):
                shutil.copy(SOURCE / kind / f"{PICTURES[picture]}.{suffix}", folder / kind / f"{image_id}.{suffix}")
        (folder / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(image_ids))
    return root


@pytest.fixture
def write_voc(tmp_path: Path) -> WriteVoc:
    """Give a function that lays out pictures as PASCAL VOC, from lists of `PICTURES` by split: `train_0` and on."""
    return lambda splits: _write_voc(tmp_path, splits)


@pytest.fixture(scope="session")
def animals_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 images to train on, 3 of them without a horse or a dog; 10 to validate on, with 10 horses."""
    train = ["dog", "dog and two chairs, one difficult", "horse and two people", "cat"] * 3
    val = ["two horses and two people", "dog"] * 5
    return _write_voc(tmp_path_factory.mktemp("animals"), {"train": train, "val": val})


@pytest.fixture(scope="session")
def kaggle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six real images in Kaggle's layout, eight times each under new names: every class is in both splits."""
    root = Path(shutil.copytree(KAGGLE, tmp_path_factory.mktemp("kaggle"), dirs_exist_ok=True))
    train = Path("CLS-LOC") / "train"
    listed = []
    for path in sorted(root.rglob("*.JPEG")):
        image_id = f"{path.parent.name}/{path.stem}"
        for number in range(8):
            for kind, suffix in (("Data", "JPEG"), ("Annotations", "xml")):
                folder = root / "ILSVRC" / kind / train
                shutil.copy(folder / f"{image_id}.{suffix}", folder / f"{image_id}_{number}.{suffix}")
            listed.append(f"{image_id}_{number} 1\n")
    for path in (root / "ILSVRC" / "ImageSets" / "CLS-LOC").glob("*.txt"):
        path.write_text("".join(listed))
    return root


@pytest.fixture
def kaggle_copy(kaggle: Path, tmp_path: Path) -> Path:
    """The same, for a test that changes it."""
    return Path(shutil.copytree(kaggle, tmp_path / "kaggle"))

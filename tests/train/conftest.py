"""Labelled images for training: the few real ones of tests/fixtures, repeated under new names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from singleshot.tests.places import KAGGLE


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

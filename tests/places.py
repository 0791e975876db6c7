"""Where the files that tests read lie, however deep the test is."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
GRAPHS = FIXTURES / "graphs"
VOC_ROOT = FIXTURES / "VOCdevkit"
VOC = VOC_ROOT / "VOC2012"
PHOTOS = VOC / "JPEGImages"
KAGGLE = FIXTURES / "kaggle"
CLIP = ROOT / "demo" / "dog.mp4"

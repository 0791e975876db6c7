"""Ray Train's recipe, as the page of clusters shows it, trains one network in two processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from singleshot.tests.fixtures.animals import write_animals
from singleshot.tests.fixtures.documented import blocks_of, text_of

pytest.importorskip("ray")


@pytest.mark.slow
def test_it_trains(tmp_path: Path) -> None:
    pictures = ["dog", "cat"] * 4
    write_animals(tmp_path, {"train": pictures, "val": pictures[:2]})
    (tmp_path / "small.toml").write_text("epochs = 1\nheight = 96\nwidth = 96\nbatch_size = 4\nworkers = 0\n")
    (recipe,) = (block.text for block in blocks_of(text_of("clusters.md")) if "TorchTrainer" in block.text)
    for said, instead in {
        "num_workers=8, use_gpu=True": "num_workers=2",
        '"ssd_lite0"': f'"ssd7", "--classes", "cat,dog", "--config", "{tmp_path}/small.toml"',
        "/data/VOC": f"{tmp_path}/VOCdevkit",
        "/runs/animals": f"{tmp_path}/run",
    }.items():
        assert said in recipe
        recipe = recipe.replace(said, instead)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "RAY_ADDRESS": "local"}
    done = subprocess.run(
        [sys.executable, "-c", recipe], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "world_rank=1" in done.stdout + done.stderr
    assert (tmp_path / "run" / "best.ckpt").is_file()

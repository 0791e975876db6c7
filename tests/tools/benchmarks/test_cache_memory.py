"""Memory of a process that reads the cache: the same for any number of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from singleshot.data.cache.building import open_image_cache
from singleshot.data.dataset import open_dataset
from singleshot.tools.benchmarks.cache_memory import repeated_cache, resident_mib

MORE_MIB = 8
"""An epoch's order takes 8 bytes an image, and memory is never quite the same twice."""


@pytest.mark.slow
def test_forty_times_the_images_take_no_more_memory(animals_root: Path, tmp_path: Path) -> None:
    hw = (32, 32)
    cache = open_image_cache(open_dataset(animals_root), "train", input_hw=hw)
    many = repeated_cache(cache, tmp_path / "many", 8000)
    assert len(many) == 96_000
    np.testing.assert_array_equal(many.image(12 * 7999 + 5).image_rgb, cache.image(5).image_rgb)
    np.testing.assert_array_equal(many.image(12 * 7999 + 5).boxes_xyxy, cache.image(5).boxes_xyxy)
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is read as Linux tells it")
    few, more = (resident_mib(*each.location, input_hw=hw) for each in (cache, many))
    assert few > 50
    assert more - few < MORE_MIB

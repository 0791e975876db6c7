"""A scan cuts an archive so that workers end together, and into files that are not too many."""

from __future__ import annotations

import pytest

from singleshot.runtime.archive.clips import Clip
from singleshot.runtime.archive.scan import chunk_length_s


@pytest.mark.parametrize(
    ("lengths_s", "chunk_s"),
    [
        pytest.param([169.0], 5.0, id="three minutes are some thirty chunks, not three for two workers"),
        pytest.param([300.0, 276.0], 9.0, id="ten minutes"),
        pytest.param([3600.0] * 1000, 60.0, id="a thousand hours are files of a minute"),
        pytest.param([0.0], 5.0, id="a recording that does not say its length"),
    ],
)
def test_chunks_by_the_length_of_the_archive(lengths_s: list[float], chunk_s: float) -> None:
    clips = [Clip(name="a", path="/a", size=1, changed_ns=1, seconds=seconds) for seconds in lengths_s]
    assert chunk_length_s(clips) == chunk_s

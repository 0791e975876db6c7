"""Freed memory stays with the process that trains."""

from __future__ import annotations

import subprocess
import sys

import pytest

_FAULTS = """
import resource, sys
import numpy as np
from singleshot.train.run.freed_memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
for _ in range(3):
    np.empty(8 << 20, np.float32).fill(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.empty(8 << 20, np.float32).fill(1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _page_faults(mode: str) -> int:
    done = subprocess.run([sys.executable, "-c", _FAULTS, mode], check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone can be told")
def test_a_block_that_was_freed_is_not_cleared_by_the_system_again() -> None:
    given_back, kept = _page_faults("given back"), _page_faults("kept")
    assert given_back > 20  # or this system does not clear them in the first place
    assert kept < given_back / 10

"""Keeps what a training step frees, so that the next step need not have it cleared anew."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
"""Names of glibc's `malloc.h`."""
_TOP_PAD_BYTES = 256 << 20
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Have this process keep large blocks of memory that it frees instead of handing each back to the system.

    A step on a CPU frees and takes tensors of tens of MiB by the hundred; glibc maps each anew, and the system clears
    every page of it on first touch, which took up to half of a step's time. The process keeps its greatest size.

    Returns:
        Whether the C library could be told; other libraries than glibc are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    choices = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER), (_M_TOP_PAD, _TOP_PAD_BYTES))
    return all(mallopt(name, value) == 1 for name, value in choices)

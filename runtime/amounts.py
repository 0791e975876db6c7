"""Numbers with a unit, as people write them: `90s`, `10m`, `20GiB`."""

from __future__ import annotations

import re
from collections.abc import Mapping

SECONDS: Mapping[str, float] = {"s": 1, "m": 60, "h": 3600, "d": 86400}
BYTES: Mapping[str, float] = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}

_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")


def read_amount(text: str, units: Mapping[str, float]) -> float | None:
    """Read a number with its unit; None where there is no number above 0 or the unit is none of these."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None or match[2] not in units or float(match[1]) == 0:
        return None
    return float(match[1]) * units[match[2]]

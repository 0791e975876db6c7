"""How a recording is cut into files, and which of them stay."""

from __future__ import annotations

from dataclasses import dataclass

from ..amounts import BYTES, SECONDS, read_amount
from ..errors import InputError


@dataclass(frozen=True, kw_only=True)
class Segments:
    """A recording in files of a length, of which the oldest go.

    Args:
        length_s: seconds of the source's time after which the next file begins.
        keep_s: files that ended longer ago are deleted; none if not given.
        keep_bytes: the oldest are deleted so that all together stay below; none if not given.
    """

    length_s: float
    keep_s: float | None = None
    keep_bytes: int | None = None


def segments_from_options(segment: str | None, keep: str | None) -> Segments | None:
    """Read what `--segment` and `--keep` say; nothing is cut where neither is given.

    Args:
        segment: `90s`, `10m`, `1h`.
        keep: an age as `7d` or `12h`, or a size as `20GiB` or `500MB`.

    Raises:
        InputError: one cannot be read, or something is kept of a recording that is not cut.
    """
    if segment is None:
        if keep is not None:
            raise InputError(f"--keep {keep}: expected --segment as well, got none. Only whole files are deleted.")
        return None
    length_s = read_amount(segment, SECONDS)
    if length_s is None or length_s < 1:
        raise InputError(f"--segment: expected a time of 1s or more, like 90s, 10m or 1h, got {segment!r}.")
    if keep is None:
        return Segments(length_s=length_s)
    if (keep_s := read_amount(keep, SECONDS)) is not None and keep_s >= length_s:
        return Segments(length_s=length_s, keep_s=keep_s)
    if keep_s is not None:
        raise InputError(f"--keep: expected no less than --segment {segment}, got {keep}.")
    if (keep_bytes := read_amount(keep, BYTES)) is None:
        raise InputError(f"--keep: expected an age like 7d or 12h, or a size like 20GiB or 500MB, got {keep!r}.")
    return Segments(length_s=length_s, keep_bytes=round(keep_bytes))

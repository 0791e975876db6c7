"""Runs as JSON: what `--json` prints, and a ledger, a line for each run.

What is derived, figures with their intervals, stands beside what was measured, for other programs; it is not read.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...runtime.errors import InputError
from ...runtime.files import whole_file
from .figures import FIGURES, estimates, stage_estimates
from .runs import SCHEMA, BenchRun

try:
    import fcntl
except ImportError:  # Windows, where a line is appended in one piece anyway
    fcntl = None  # type: ignore[assignment]

_DERIVED = "figures"


def run_as_json(run: BenchRun) -> dict[str, Any]:
    """Return what `json.dumps` takes and `read_runs` reads."""
    units = {figure.name: figure.unit for figure in FIGURES}
    derived = [
        {
            "contender": contender.title,
            **{name: {**asdict(one), "unit": units[name]} for name, one in estimates(contender).items()},
            "stages": {name: {**asdict(one), "unit": "ms"} for name, one in stage_estimates(contender).items()},
        }
        for contender in run.contenders
    ]
    return {**run.model_dump(mode="json", by_alias=True), _DERIVED: derived}


def add_to_ledger(run: BenchRun, path: Path) -> None:
    """Append a run as one whole line; two processes that append at once wait for each other.

    Raises:
        InputError: the file cannot be written.
    """
    line = json.dumps(run_as_json(run), separators=(",", ":")).encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")  # one that was cut off must not swallow this one
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(f"{path}: expected a ledger that can be written to, got {error.strerror}.") from error


def read_runs(path: Path) -> list[BenchRun]:
    """Read what `--json` printed, or a ledger; lines that were cut off count for nothing.

    Raises:
        InputError: it cannot be read, holds something else, or no run.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise InputError(f"{path}: expected a ledger, or what bench --json prints, got {reason}.") from error
    with suppress(ValueError):  # of several lines, each of which is a run
        return [_run(json.loads(text), f"{path}")]
    runs = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            read = json.loads(line)
        except ValueError:  # cut off where a machine lost its power
            continue
        runs.append(_run(read, f"{path}, line {number}"))
    if not runs:
        raise InputError(
            f"{path}: expected a run of bench, got none. `singleshot bench FILE --ledger {path}` adds one."
        )
    return runs


def save_run(run: BenchRun, path: Path) -> None:
    """Write a run as JSON, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(run_as_json(run), separators=(",", ":")) + "\n", encoding="utf-8")


def _run(read: object, source: str) -> BenchRun:
    if isinstance(read, dict):
        read = {name: value for name, value in read.items() if name != _DERIVED}
    schema = read.get("schema") if isinstance(read, dict) else None
    if isinstance(schema, int) and schema != SCHEMA:
        raise InputError(
            f"{source}: expected a run in schema {SCHEMA}, got {schema}. The singleshot that wrote it reads it."
        )
    try:
        return BenchRun.model_validate(read)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise InputError(f"{source}: expected a run of bench, got {place} that is none: {first['msg']}.") from error

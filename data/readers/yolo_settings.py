"""The few keys of YOLO's YAML file that say where images lie and what classes are called.

Only the forms that are in use are understood, since a YAML reader would be one more package on every machine: plain
values, `[a, b]`, `{0: a, 1: b}`, and lists and tables written over indented lines.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path

from ...runtime.errors import InputError

_SPLITS = ("train", "val", "test")
_TOP_LEVEL = re.compile(r"(\w+)\s*:(?:\s+(.*))?$")
_NUMBERED = re.compile(r"['\"]?(\d+)['\"]?\s*:\s+(.+)")


@dataclass(frozen=True, kw_only=True)
class YoloSettings:
    """What the file says; None or nothing where it does not."""

    path: str | None = None
    splits: dict[str, str] = field(default_factory=dict)
    """Name -> folder or list: train, val and test, and any other key that names a list (`.txt`)."""
    names: tuple[str, ...] = ()


def read_yolo_settings(path: Path) -> YoloSettings:
    """Read the file.

    Raises:
        InputError: it cannot be read, or one of the keys is written in a form that is not understood.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected YAML, got {error}. Write classes.txt and take this file away.") from error
    blocks = _blocks(lines)
    if "valid" in blocks and "val" not in blocks:
        raise InputError(f"{path}: expected the key val, got valid. Rename it.")
    splits = {
        key: _place(items, key=key, path=path)
        for key, items in blocks.items()
        if key in _SPLITS or (len(items) == 1 and items[0].endswith(".txt"))
    }
    folder = _place(blocks["path"], key="path", path=path) if "path" in blocks else None
    return YoloSettings(path=folder, splits=splits, names=_names(blocks.get("names", []), path=path))


def _place(items: list[str], *, key: str, path: Path) -> str:
    if len(items) > 1 or items[0][0] in "[{-|>&*":
        raise InputError(f"{path}: expected one folder or list for {key}, got {' '.join(items)}. Name one.")
    return _unquoted(items[0])


def _blocks(lines: list[str]) -> dict[str, list[str]]:
    """Key -> its value and the lines indented below it, comments and blank lines left out."""
    blocks: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines:
        text = _without_comment(line).rstrip()
        if not text.strip() or text.startswith("---"):
            continue
        match = _TOP_LEVEL.match(text)
        if match is None:
            current.append(text.strip())  # lists may stand at the left edge
            continue
        current = blocks[match[1]] = [match[2].strip()] if match[2] and match[2].strip() else []
    return {key: value for key, value in blocks.items() if value not in ([], ["null"], ["~"])}


def _without_comment(line: str) -> str:
    """Cut at a # that begins a word, unless it stands between quotation marks."""
    quote, previous = "", " "
    for at, letter in enumerate(line):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"" and previous in " [{,'":  # two in a row are one inside
            quote = letter
        elif letter == "#" and previous.isspace():
            return line[:at]
        previous = letter
    return line


def _names(items: list[str], *, path: Path) -> tuple[str, ...]:
    if not items:
        return ()
    text = " ".join(items)
    if text[0] + text[-1] in ("[]", "{}"):
        items = _split_at_commas(text[1:-1])
    elif all(item.startswith("- ") for item in items):
        items = [item[2:].strip() for item in items]
    elif not all(_NUMBERED.fullmatch(item) for item in items):
        raise _not_understood(text, path=path)
    numbered = [_NUMBERED.fullmatch(item) for item in items]
    if text[0] == "{" or any(numbered):
        pairs = {int(match[1]): _unquoted(match[2]) for match in numbered if match is not None}
        if len(pairs) != len(items) or sorted(pairs) != list(range(len(items))):
            raise _not_understood(text, path=path)
        return tuple(pairs[index] for index in range(len(pairs)))
    return tuple(_unquoted(item) for item in items)


def _split_at_commas(text: str) -> list[str]:
    quote = "'" if "'" in text and '"' not in text else '"'
    row = next(csv.reader([text], quotechar=quote, skipinitialspace=True), [])
    return [item.strip() for item in row if item.strip()]


def _not_understood(text: str, *, path: Path) -> InputError:
    return InputError(
        f"{path}: expected names as a list, or as a table numbered from 0 without gaps, got {text[:80]}. "
        f"Write them into classes.txt, one a line, and take them away here."
    )


def _unquoted(text: str) -> str:
    text = text.strip()
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    if not is_quoted:
        return text
    return text[1:-1].replace("''", "'") if text[0] == "'" else text[1:-1]

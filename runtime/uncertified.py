"""Whether a file is what an artefact was made of, whatever was measured on it since.

`certify` writes into a graph's card and so gives the file other bytes; what it computes and promises stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from .card import CARD_KEY, Origin, card_from_json
from .files import sha256_of_file

_GRAPH, _METADATA, _KEY, _VALUE = 7, 14, 1, 2
"""Fields of ONNX's ModelProto, and of an entry of its metadata."""
_VARINT, _BYTES = 0, 2
"""Protobuf's wire types that a ModelProto has."""


def is_made_of(origin: Origin, path: Path) -> bool:
    """Tell whether a file is the parent that an origin names, certified since or not.

    Raises:
        InputError: the file is a graph whose card is not valid.
    """
    if origin.parent_sha256 == sha256_of_file(path):
        return True
    uncertified = origin.parent_uncertified_sha256
    return uncertified is not None and uncertified == uncertified_sha256(path)


def uncertified_sha256(path: Path) -> str | None:
    """Fingerprint an ONNX file without what `certify` writes into its card; None where the file is no graph.

    Raises:
        InputError: its card is not valid.
    """
    fields = list(_fields(memoryview(path.read_bytes())))
    if _GRAPH not in {number for number, _ in fields}:
        return None
    digest = hashlib.sha256()
    for number, value in fields:
        kept = _without_parity(value, source=str(path)) if number == _METADATA else value
        digest.update(f"{number}: {len(kept)} bytes ".encode())
        digest.update(kept)
    return digest.hexdigest()


def _without_parity(entry: memoryview, *, source: str) -> memoryview | bytes:
    """Take the parity of backends out of an entry of the metadata, where it is the card.

    What a card leaves at its default is left out, so that fields which later cards have change nothing.
    """
    values = {number: bytes(value) for number, value in _fields(entry)}
    if values.get(_KEY) != CARD_KEY.encode():
        return entry
    card = card_from_json(values.get(_VALUE, b"").decode(errors="replace"), source=source)
    return card.model_dump_json(exclude_defaults=True, exclude={"backend_parity"}).encode()


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Give number and bytes of each field of a protobuf message that has any; what is no such message ends it."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key & 7 == _VARINT:
            _, at = _varint(message, at)
        elif key & 7 == _BYTES:
            length, at = _varint(message, at)
            yield key >> 3, message[at : at + length]
            at += length
        else:
            return


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Read a number, seven bits a byte, the lowest first; give it and the place behind it."""
    value = 0
    for shift, byte in enumerate(message[at : at + 10]):
        at += 1
        value |= (byte & 127) << 7 * shift
        if byte < 128:
            break
    return value, at

"""What another program is given: a folder, whole or not at all."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...runtime.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def folder_named(artefact: Path, out: Path, name: str | None) -> Path:
    """Say which folder an artefact is handed over in.

    Args:
        artefact: its file.
        out: the folder in which it is made.
        name: of it; the file's name without its suffix where none is given.

    Raises:
        InputError: the name is not allowed, or taken.
    """
    name = artefact.stem if name is None else name
    if not _NAME.fullmatch(name):
        raise InputError(f"{name}: expected a model name of letters, digits, _, . and -. Choose one by --name.")
    folder = out / name
    if folder.exists():
        raise InputError(f"{folder}: expected no model of that name, got one. Remove it, or choose another by --name.")
    return folder


def write_folder(folder: Path, files: Mapping[str, bytes | str]) -> None:
    """Fill a folder beside the final one and rename it: who watches never sees half a model.

    Args:
        folder: to be made, with its parents.
        files: contents by path in it.

    Raises:
        InputError: it cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
            model = Path(temporary) / folder.name
            for name, content in files.items():
                path = model / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.encode() if isinstance(content, str) else content)
            model.rename(folder)
    except OSError as error:
        raise InputError(f"{folder}: could not be written ({error.strerror}); nothing was changed.") from error


def key_file_text(sections: Mapping[str, Mapping[str, object]]) -> str:
    """Write what GLib reads as a key file."""
    return "\n".join(
        f"[{section}]\n" + "".join(f"{key}={value}\n" for key, value in keys.items())
        for section, keys in sections.items()
    )


def labels_text(class_names: Sequence[str]) -> str:
    """Write one class name a line, in the order of class ids."""
    return "".join(f"{name}\n" for name in class_names)

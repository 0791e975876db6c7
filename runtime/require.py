"""Optional packages are imported through one function, so that a missing one is explained."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from .errors import MissingDependencyError

TRAINING_PYTHON = (3, 11)
"""Everything but training runs on Python 3.10 too."""


def require(module: str, *, extra: str, why: str) -> ModuleType:
    """Import an optional package or say which extra brings it.

    Args:
        module: dotted name of the module.
        extra: the extra of singleshot that installs it.
        why: what needs it, as the subject of "… needs MODULE".

    Raises:
        MissingDependencyError: the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and module.split(".", maxsplit=1)[0] != error.name.split(".")[0]:
            raise
        raise MissingDependencyError(
            f"{why} needs the package {module.split('.', maxsplit=1)[0]!r}, which is not installed. "
            f"pip install 'singleshot[{extra}]' brings it."
        ) from error


def require_training(why: str) -> None:
    """Say what is missing for a training: this Python is too old, or the extra `train` is not installed.

    Raises:
        MissingDependencyError: it is.
    """
    if not can_train():
        python, least = (".".join(map(str, version[:2])) for version in (sys.version_info, TRAINING_PYTHON))
        raise MissingDependencyError(
            f"{why} needs Python {least} or newer, this is {python}. Make an environment of a newer one."
        )
    require("lightning", extra="train", why=why)


def can_train() -> bool:
    """Whether this Python is new enough for training."""
    return sys.version_info >= TRAINING_PYTHON

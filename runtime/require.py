"""Optional packages are imported through one function, so that a missing one is explained."""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import MissingDependencyError


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

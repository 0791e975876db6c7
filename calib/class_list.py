"""Class names as a user gives them, held against a closed list."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from ..runtime.errors import InputError

_NAMED = 20
"""How many of many classes an error names."""


def resolve_listed_class(name: str, class_names: Sequence[str], *, source: str) -> str:
    """Accept a class of a data set that has a closed list of them.

    Raises:
        InputError: it is not in the list; the text names near ones.
    """
    if name in class_names:
        return name
    near = difflib.get_close_matches(name, class_names, n=3)
    more = len(class_names) - _NAMED
    those = ", ".join(class_names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    hint = f"Near: {', '.join(near)}." if near else f"They are {those}."
    raise InputError(f"{name}: expected one of the {len(class_names)} classes of {source}. {hint}")

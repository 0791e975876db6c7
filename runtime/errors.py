"""The one tree of errors that singleshot raises on purpose."""

from __future__ import annotations


class SingleshotError(Exception):
    """Base of every error that is not a bug in singleshot; its text is one line made to be read."""

    exit_code = 2


class InputError(SingleshotError):
    """What the user named cannot be used: a missing file, a broken graph, a wrong option. Exit code 2."""


class MissingDependencyError(InputError):
    """An optional package is needed and not installed; the text names the command that installs it."""


class CheckError(SingleshotError):
    """A check (parity, accuracy) fell short; the text carries the figures. Exit code 1."""

    exit_code = 1

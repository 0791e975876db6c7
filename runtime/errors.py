"""The one tree of errors that singleshot raises on purpose."""

from __future__ import annotations


class SingleshotError(Exception):
    """Base of every error that is not a bug in singleshot; its text is one line made to be read."""

    exit_code = 2


class InputError(SingleshotError):
    """What the user named cannot be used: a missing file, a broken graph, a wrong option. Exit code 2."""


class NotFiniteError(InputError):
    """An artefact computed NaN or infinity: what was converted to fewer bits may not fit into them."""


class MissingDependencyError(InputError):
    """An optional package is needed and not installed; the text names the command that installs it."""


class NoDeviceError(InputError):
    """There is no GPU that could be used; `reason` says how one knows."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"CUDA: expected an NVIDIA GPU with its driver, got none: {reason}. Look at `nvidia-smi`.")


class DeviceError(SingleshotError):
    """The GPU or its driver refused a call: out of memory, a lost device, a broken installation. Exit code 2."""


class CheckError(SingleshotError):
    """A check (parity, accuracy) fell short; the text carries the figures. Exit code 1."""

    exit_code = 1

"""What takes results."""

from __future__ import annotations

from typing import Protocol

from .frame_result import FrameResult


class Sink(Protocol):
    """Takes results in order, in a thread of its own; a subclass has to have `write` alone."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The files or the folder, as far as they are known; none of stdout."""
        return ()

    @property
    def needs_drawing(self) -> bool:
        """Whether `FrameResult.drawn` must be there; asked before each frame is drawn, from any thread."""
        return False

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is missing in what was written, one line each; complete after `close`."""
        return ()

    def write(self, result: FrameResult) -> None:
        """Take one result.

        Raises:
            InputError: it cannot be written; what was written before stays usable.
        """

    def close(self) -> None:
        """Finish what was written, so that it can be used."""

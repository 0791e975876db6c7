"""What frees something when its `with` block ends."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

from typing_extensions import Self


class Closing(Protocol):
    """A context manager that closes itself."""

    @abstractmethod
    def close(self) -> None:
        """Free what is held: threads, a file, a device."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

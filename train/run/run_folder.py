"""The folder of a run: which file is what, and what must hold before a run may write there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ...runtime.errors import InputError
from ...runtime.files import check_can_write


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """Names the files of a run."""

    path: Path

    @property
    def best(self) -> Path:
        """The checkpoint of the best validation."""
        return self.path / "best.ckpt"

    @property
    def last(self) -> Path:
        """The checkpoint of the latest epoch, which a resume starts from."""
        return self.path / "last.ckpt"

    @property
    def metrics(self) -> Path:
        """The table of figures, a row an epoch."""
        return self.path / "metrics.csv"

    @property
    def tensorboard(self) -> Path:
        """The folder that TensorBoard is pointed at."""
        return self.path / "tensorboard"

    @property
    def report(self) -> Path:
        """The page that tells how the run went."""
        return self.path / "report.html"

    @property
    def lock(self) -> Path:
        """What the process that trains there holds; it stays, and means nothing by itself."""
        return self.path / ".lock"

    def check(self, *, resume: bool) -> None:
        """Never write over a run, never resume nothing.

        Raises:
            InputError: there is nothing to resume, a run that is not to be resumed, or no place to write to.
        """
        check_can_write(self.last)
        if resume and not self.last.is_file():
            raise InputError(
                f"{self.last}: expected a checkpoint to resume from, got no such file. Leave out --resume."
            )
        if not resume and self.last.exists():
            raise InputError(
                f"{self.path}: expected a folder without a run, got one with {self.last.name}. "
                f"Go on with it by --resume, or name another folder."
            )

    @contextmanager
    def claimed(self, *, resume: bool) -> Iterator[None]:
        """Make the folder and keep other processes from training in it, until it is left or this process ends.

        Whether it can be written to is found out before training, not after its first epoch.

        Raises:
            InputError: it cannot be written to, another process trains there, or what `check` says of it.
        """
        lock = FileLock(self.lock)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=False)
        except Timeout as error:
            raise InputError(
                f"{self.path}: expected a folder to train in alone, got one in which another process trains now. "
                f"Wait for it, or name another folder."
            ) from error
        except OSError as error:
            raise InputError(
                f"{self.path}: expected a folder that can be written to, got {error.strerror}. Name another by --out."
            ) from error
        try:
            self.check(resume=resume)  # again: another process may have been there since
            yield
        finally:
            lock.release()

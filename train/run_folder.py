"""The folder of a run: which file is what, and what must hold before a run may write there."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..runtime.errors import InputError


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

    def check(self, *, resume: bool) -> None:
        """Never write over a run, never resume nothing.

        Raises:
            InputError: there is nothing to resume, or a run that is not to be resumed.
        """
        if resume and not self.last.is_file():
            raise InputError(
                f"{self.last}: expected a checkpoint to resume from, got no such file. Leave out --resume."
            )
        if not resume and self.last.exists():
            raise InputError(
                f"{self.path}: expected a folder without a run, got one with {self.last.name}. "
                f"Go on with it by --resume, or name another folder."
            )

    def make(self) -> None:
        """Find out before training, not after its first epoch, whether the folder can be written to.

        Raises:
            InputError: it cannot.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise InputError(
                f"{self.path}: expected a folder that can be written to, got {error.strerror}. Name another by --out."
            ) from error

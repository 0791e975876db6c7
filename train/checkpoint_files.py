"""Checkpoints on the disk: a new one takes the old one's place only when it is whole."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO

from ..runtime.errors import InputError
from ..runtime.files import whole_file


class WholeCheckpoints(TorchCheckpointIO):
    """Writes beside the old file, waits for the disk, then replaces.

    Lightning's own way moves a file from the folder for temporary files, which may be another disk: a move that
    breaks off there, on a full disk or by `kill -9`, leaves half a checkpoint under the old name.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None) -> None:
        """Write a checkpoint whole or not at all.

        Raises:
            InputError: the disk is full, or the folder cannot be written to; an earlier checkpoint is as it was.
        """
        content = io.BytesIO()  # first to memory: PyTorch's writer hides the disk's own error
        torch.save(checkpoint, content)
        try:
            with whole_file(Path(path)) as temporary:
                # Not a view of it: Python 3.12 crashes when it collects one that an error's trace still holds.
                temporary.write_bytes(content.getvalue())
        except InputError as error:
            raise InputError(f"{error} Make room there, then go on with --resume.") from error

"""`singleshot demo`: the shipped detector on the shipped clip."""

from __future__ import annotations

from pathlib import Path

from ...runtime.errors import InputError
from ...runtime.shipped import CLIP
from ..terminal.backend_option import BackendFlag
from ..terminal.check_opencv import check_opencv
from ..terminal.detection_run import DetectionOptions, run_detection
from ..terminal.exits import exit_codes

OUT = Path("demo_out")


def demo(backend: BackendFlag = "auto") -> None:
    """Run the shipped detector on the shipped clip; write demo_out/dog.mp4 and demo_out/dog.jsonl.

    Prints both paths, what was found, the frame rate and the stage times.

    Example: singleshot demo
    """
    with exit_codes():
        check_opencv()
        if not CLIP.is_file():
            raise InputError(
                f"{CLIP}: expected the demo's clip, got no such file. `make demo` in a source checkout has it."
            )
        clip = CLIP.relative_to(Path.cwd()) if CLIP.is_relative_to(Path.cwd()) else CLIP
        files = OUT / "dog.mp4", OUT / "dog.jsonl"
        run_detection(DetectionOptions(video=[str(clip)], backend=backend, save=files[0], json=files[1]))

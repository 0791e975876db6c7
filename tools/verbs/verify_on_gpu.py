"""What `tools/verify_on_gpu.sh` runs: executes, compares and times all that needs an NVIDIA GPU."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from ..terminal.exits import exit_codes
from ..terminal.verb import run_alone

NO_GPU = 3
"""Exit code where there is nothing to verify on."""


def verify_on_gpu(
    model: Annotated[Path | None, typer.Option(metavar="GRAPH", help="A detector; the shipped one if none.")] = None,
    int8_model: Annotated[
        Path | None, typer.Option(metavar="GRAPH", help="The same detector, quantized: adds int8 engines.")
    ] = None,
    frames: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="A video, an image, a folder or a glob of images; demo/dog.mp4 if none."),
    ] = None,
    max_frames: Annotated[int, typer.Option(min=1, help="Frames to compare, spread evenly over the source.")] = 30,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="REPORT.md", help="The report; beside it the same as JSON.")
    ] = Path("gpu_report.md"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Build engines, execute them on this machine's GPU, compare them with ONNX Runtime and time everything.

    Exit code 0 when all works and agrees, 1 when something does not (the report is written), 3 without a GPU.

    Examples:
      tools/verify_on_gpu.sh

      tools/verify_on_gpu.sh --model animals.onnx --int8-model animals.int8.onnx --frames clip.mp4
    """
    with exit_codes():
        from ...runtime.engines.open_cuda import open_cuda
        from ...runtime.errors import InputError, NoDeviceError
        from ...runtime.files import whole_file
        from ...runtime.require import require
        from ...runtime.shipped import CLIP, shipped_detector
        from ..gpu.report import gpu_report

        if out.suffix != ".md":
            raise InputError(f"{out}: expected a name that ends in .md, got {out.suffix or 'none'}.")
        try:
            open_cuda().close()
        except NoDeviceError as error:
            print(f"{error} Nothing was verified; graphs run here: singleshot demo", file=sys.stderr)
            raise SystemExit(NO_GPU) from error
        require("onnx", extra="rtx", why="building engines")
        from ..gpu.verification import verify_on_gpu as verify

        with tempfile.TemporaryDirectory(prefix="singleshot-gpu-") as folder:
            verification = verify(
                model or shipped_detector(),
                frames=frames or str(CLIP),
                count=max_frames,
                folder=Path(folder),
                int8_graph=int8_model,
                on_step=lambda name: print(name, file=sys.stderr),
            )
        report, data = gpu_report(verification), json.dumps(verification.to_dict(), indent=1) + "\n"
        with whole_file(out) as markdown, whole_file(out.with_suffix(".json")) as machine:
            markdown.write_text(report, encoding="utf-8")
            machine.write_text(data, encoding="utf-8")
        print(data if as_json else report, end="")
        verification.check()


def main() -> None:
    """Run the command."""
    run_alone("verify_on_gpu.sh", verify_on_gpu)


if __name__ == "__main__":
    main()

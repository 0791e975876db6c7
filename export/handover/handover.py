"""One way to what other programs serve: Triton, DeepStream, GStreamer, Frigate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...runtime.errors import InputError
from ...runtime.files import StrPath
from .deepstream import DEEPSTREAM
from .folder import folder_named, write_folder
from .frigate import FRIGATE
from .gstreamer import GSTREAMER
from .program import Place, Program, prove, read_given
from .triton import write_triton_model

To = Literal["triton", "deepstream", "gstreamer", "frigate"]
"""Who takes an artefact over."""

_PROGRAMS: dict[To, Program] = {"deepstream": DEEPSTREAM, "gstreamer": GSTREAMER, "frigate": FRIGATE}


@dataclass(frozen=True, kw_only=True)
class Handover:
    """What was written.

    Args:
        folder: all of it.
        next_step: what to do with it.
        proof: what was compared; empty where the artefact goes in as it is.
    """

    folder: Path
    next_step: str
    proof: str = ""


def hand_over(
    artefact: StrPath,
    out: StrPath,
    *,
    to: To,
    name: str | None = None,
    max_batch: int | None = None,
    frames: StrPath | None = None,
    trust: bool = False,
) -> Handover:
    """Write OUT/NAME with what another program needs to serve an artefact, or nothing.

    Triton takes the file as it is. For the others the graph's input and outputs are exchanged, and nothing between;
    what they will read is held against the graph's detections first.

    Args:
        artefact: a graph of a detector; for Triton also of a classifier, or an engine of TensorRT.
        out: folder in which the folder is made.
        to: who takes it over.
        name: of the folder; where not given the file's name without its suffix, and but for Triton who takes it over.
        max_batch: most frames that are looked at together, by Triton or DeepStream.
        frames: that the proof runs on: a video, an image, a folder or a glob; None takes what the detector was
            validated on.
        trust: serve an engine although this user did not build it.

    Raises:
        CheckError: the program would see other detections.
        InputError: the artefact cannot be used there, the name is taken or not allowed, or an option does not fit.
    """
    artefact, out = Path(artefact), Path(out)
    if to == "triton":
        if frames is not None:
            raise InputError(f"--frames: expected none with triton, which takes the file as it is, got {frames}.")
        model = write_triton_model(artefact, out, name=name, max_batch=max_batch, trust=trust)
        batch = f"batches of up to {model.max_batch}" if model.max_batch else "its own batch"
        step = f"tritonserver --model-repository {out} serves it as {model.name}, in {batch}"
        return Handover(folder=model.folder, next_step=step)
    program = _PROGRAMS[to]
    if artefact.suffix.lower() == ".engine":
        raise InputError(f"{artefact}: expected a graph (.onnx) for {program.name}, got an engine. Name its graph.")
    folder = folder_named(artefact, out, name or f"{artefact.stem}-{to}")
    given = read_given(artefact)
    program.check(given)
    place = Place(card=given.card, folder=folder, batch=_batch(program, given.batch, max_batch))
    rewritten = program.rewrite(given)
    proof = prove(program, given, rewritten, frames)
    write_folder(folder, {"model.onnx": rewritten.SerializeToString(), **program.files(place)})
    return Handover(folder=folder, next_step=program.next_step(place), proof=proof)


def _batch(program: Program, fixed: int | None, asked: int | None) -> int:
    if asked is not None and not program.takes_batch:
        raise InputError(
            f"--max-batch: expected none with {program.name}, which gives one frame at a time, got {asked}."
        )
    if asked is not None and fixed is not None:
        raise InputError(f"--max-batch: expected none, as the graph takes {fixed} frames at a time, got {asked}.")
    return fixed or asked or 1

"""From what a command line names to what is measured; all that can be wrong with it is looked at here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...runtime.backends import BACKEND_OPTIONS, with_known_precision
from ...runtime.errors import InputError
from ...runtime.files import sha256_of_file
from ...runtime.runners.contract import FRAMES
from ...runtime.runners.onnxruntime_runner import graph_facts, has_card
from ...runtime.shipped import CLIP
from ...runtime.sources.open_source import open_source
from .measure import ALL_MODES, Entry, Plan
from .runs import Mode
from .worker import AS_IT_IS, OPENCV

RUNNERS = (*BACKEND_OPTIONS, OPENCV)
_WITHOUT_CLIP = "synthetic://?objects=5&frames=256"


def entries_for(specs: Sequence[str], backends: Sequence[str], batches: Sequence[int]) -> list[Entry]:
    """List what is measured: every artefact with every backend and size of batch.

    Args:
        specs: `FILE`, or `FILE@BACKEND` for this backend alone.
        backends: of `RUNNERS`, for files that name none.
        batches: frames a call.

    Raises:
        InputError: a backend is unknown, a file is no graph, or it fixes another size of batch.
    """
    chosen = [_known(backend, f"--backend {backend}") for backend in backends]
    entries = []
    for spec in specs:
        name, at, runner = spec.rpartition("@")
        is_whole = not at or Path(spec).exists()
        path = Path(spec if is_whole else name)
        own = chosen if is_whole else [_known(runner, spec)]
        for backend in _backends(path, own, is_named=not is_whole):
            sizes = [1] if backend == AS_IT_IS else batches
            entries += [
                Entry(
                    name=path.name,
                    artefact=str(path),
                    backend=backend,
                    batch=batch,
                    modes=_modes(backend, batch, is_first=batch == sizes[0]),
                )
                for batch in sizes
            ]
    for entry in entries:
        _check_batch(entry)
    return _told_apart(list(dict.fromkeys(entries)))


def read_batches(text: str) -> list[int]:
    """Read `1,4`.

    Raises:
        InputError: it holds something else than numbers from 1.
    """
    try:
        batches = [int(part) for part in text.split(",")]
    except ValueError:
        batches = []
    if not batches or min(batches) < 1:
        raise InputError(f"--batch: expected numbers of frames from 1, as 1,4, got {text!r}.")
    return list(dict.fromkeys(batches))


def plan_on(video: str | None) -> Plan:
    """Look at a clip; where none is named, frames are the demo's, or drawn where an installation has not it.

    Raises:
        InputError: it is no video, or cannot be read.
    """
    clip = video or (str(CLIP) if CLIP.is_file() else _WITHOUT_CLIP)
    with open_source(clip) as source:
        if source.kind != "video":
            raise InputError(f"{clip}: expected a video, got {source.kind}.")
        height, width = next(iter(source)).image.shape[:2]
    sha256 = sha256_of_file(Path(clip)) if Path(clip).is_file() else ""
    return Plan(clip=clip, clip_sha256=sha256, frame_hw=(height, width), has_loop=video is not None)


def _modes(backend: str, batch: int, *, is_first: bool) -> frozenset[Mode]:
    """Leave out what makes no sense: a camera brings one frame at a time, and accuracy is the same in every batch."""
    if backend == AS_IT_IS:
        return frozenset({"back_to_back", "paced"})
    if batch == 1:
        return ALL_MODES if is_first else ALL_MODES - {"accuracy"}
    return frozenset({"back_to_back", "accuracy"} if is_first else {"back_to_back"})


def _known(backend: str, what: str) -> str:
    known = with_known_precision(backend)
    if known not in RUNNERS:
        raise InputError(f"{what}: expected one of {', '.join(RUNNERS)}, got {backend!r}.")
    return known


def _backends(path: Path, chosen: Sequence[str], *, is_named: bool) -> Sequence[str]:
    """Leave an engine to TensorRT, and a graph without a card as it is."""
    if path.suffix.lower() == ".engine" and not is_named:
        return ["auto"]
    if path.suffix.lower() != ".onnx" or has_card(path):
        return chosen
    if is_named:
        raise InputError(
            f"{path}: expected a graph with a card, got one without, which ONNX Runtime times as it is. "
            f"Name it without the backend {chosen[0]}, or `singleshot adapt` it."
        )
    return [AS_IT_IS]


def _check_batch(entry: Entry) -> None:
    path = Path(entry.artefact)
    if path.suffix.lower() != ".onnx" or entry.backend == AS_IT_IS:
        return
    fixed = graph_facts(path).inputs[FRAMES].shape[0]
    if fixed is not None and entry.batch > fixed:
        raise InputError(f"--batch {entry.batch}: expected at most {fixed}, which {path} fixes, got {entry.batch}.")


def _told_apart(entries: list[Entry]) -> list[Entry]:
    """Name files of the same name in several folders by their paths."""
    folders: dict[str, set[str]] = {}
    for entry in entries:
        folders.setdefault(entry.name, set()).add(entry.artefact)
    return [replace(entry, name=entry.artefact) if len(folders[entry.name]) > 1 else entry for entry in entries]

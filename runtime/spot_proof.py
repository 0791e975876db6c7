"""Whether OpenVINO computes an int8 or bf16 graph here as it is written: tried once where no card vouches for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .backends import CERTIFY, is_vouched
from .detection.disagreement import Answer, disagreement
from .errors import CheckError, InputError
from .files import cache_folder, sha256_of_file, whole_file
from .generated_frames import generated_frames
from .machine import processor_kind
from .precision import Precision
from .runners.contract import FRAMES, Outputs, classifications_from_outputs, detections_from_outputs
from .runners.onnxruntime_runner import load_graph

if TYPE_CHECKING:
    from .runners.openvino_runner import OpenVinoRunner

MOST_DISAGREEMENT = 0.35
"""What `quantize` allows a graph, too. Both compute the same numbers here: what is right is within 0.05."""


def check_on_the_spot(path: Path, runner: OpenVinoRunner, tell: Callable[[str], None] | None) -> None:
    """Hold OpenVINO against ONNX Runtime without its optimizer on generated frames.

    Nothing is done in float32, nor where the card vouches for this kind of processor. The result is kept in the user's
    cache folder, by the graph's bytes, OpenVINO's version and the kind of processor.

    Args:
        path: the graph.
        runner: has opened it.
        tell: is given one line the first time.

    Raises:
        CheckError: the answers are too far apart, or there are none to compare.
    """
    kind = processor_kind()
    if runner.computes == Precision.FP32 or is_vouched(runner.card, runner.computes, kind):
        return
    kept = _kept_at(path, runner.computes, kind)
    apart = _read(kept)
    if apart is None:
        apart = _measure(path, runner)
        with suppress(InputError), whole_file(kept) as temporary:  # without a cache it is measured each time
            temporary.write_text(json.dumps({"disagreement": apart}), encoding="utf-8")
        if tell is not None and apart <= MOST_DISAGREEMENT:
            tell(
                f"openvino {runner.computes}: answers as onnxruntime does on this kind of processor "
                f"({kind or 'unknown'}; a disagreement of {apart:.2f} on generated frames); the card does not say so"
            )
    if apart > MOST_DISAGREEMENT:
        got = f"a disagreement of {apart:.2f}" if apart <= 1 else "nothing found to compare"
        raise CheckError(
            f"{path}: expected openvino {runner.computes} to answer as ONNX Runtime does on this kind of processor "
            f"({kind or 'unknown'}), got {got} on generated frames (0 the same, {MOST_DISAGREEMENT} allowed). "
            f"Run it with `--backend onnxruntime`; {CERTIFY} on real frames."
        )


_NOTHING = 2.0
"""Stands for a disagreement where neither found anything."""


def _measure(path: Path, runner: OpenVinoRunner) -> float:
    session = load_graph(path, None, to_run=False)
    names = [item.name for item in session.get_outputs()]
    expected: list[Answer] = []
    found: list[Answer] = []
    for frame in generated_frames(runner.card.input):
        batch = np.repeat(frame[np.newaxis], runner.inputs[FRAMES].shape[0] or 1, axis=0)
        right = dict(zip(names, session.run(names, {FRAMES: batch}), strict=True))
        expected += _answers(path, runner, right)[:1]
        found += _answers(path, runner, runner.infer(batch))[:1]
    return disagreement(expected, found) if any(len(answer) for answer in (*expected, *found)) else _NOTHING


def _answers(path: Path, runner: OpenVinoRunner, outputs: Outputs) -> list[Answer]:
    if runner.card.task == "classifier":
        return [*classifications_from_outputs(runner.card, outputs, source=str(path))]
    return [*detections_from_outputs(runner.card, outputs, source=str(path))]


def _kept_at(path: Path, precision: Precision, kind: str) -> Path:
    machine = "-".join((precision, "openvino", version("openvino"), *kind.split()))
    return cache_folder("proofs") / f"{sha256_of_file(path)}-{machine}.json"


def _read(path: Path) -> float | None:
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["disagreement"])
    except (OSError, ValueError, KeyError, TypeError):
        return None

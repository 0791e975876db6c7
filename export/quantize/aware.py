"""Quantization-aware training: ranges by the calibration of `quantize`; proof that PyTorch rounds as the graph does."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch.overrides import TorchFunctionMode

from ...calib.int8.collect import choose_calibration_images, collect_calibration
from ...calib.int8.image_pool import ImagePool
from ...calib.int8.quantized_graph import quantized_graph
from ...calib.int8.trained_ranges import int8_training, results_of, trained_table
from ...calib.records.answers import answers_to
from ...runtime.card import Card, Int8Training
from ...runtime.detection.disagreement import disagreement
from ...runtime.detection.letterbox import fit_frame
from ...runtime.errors import CheckError, InputError
from ...runtime.progress import Progress, no_progress
from ...runtime.runners.contract import CLASS_LOGITS, HEADS
from ...train.checkpoints.checkpoint import Checkpoint, load_checkpoint
from ...train.distributed import announced_world
from ...train.networks.int8_rounding import is_rounded
from ...train.run.run_folder import RunFolder
from ...train.run.train import TrainingRun
from ..graphs.network_graph import network_graph
from ..graphs.network_part import run_network
from ..parity.raw_heads import TorchHeads
from .calibrated import HELD_OUT, QuantizationSettings

_PROOF_FRAMES = 2
_TIES = 1e-3
"""Of the norm of a result: sums in another order turn a few ties the other way. Measured: 7e-7 and less of
ssd_lite0, ssd_resnet and ssd7; the range of another place gives 1e-2 and more."""


def int8_to_train(run: TrainingRun, *, on_progress: Progress = no_progress) -> Int8Training:
    """Measure on training images what a run is to round; on a resume, read what it rounds.

    The range estimator is the one by which the answers to 64 other training images differ least.

    Args:
        run: its settings are quantization-aware.
        on_progress: called after each image.

    Raises:
        InputError: the run cannot be started, or has too few different images.
        CheckError: PyTorch does not round as the int8 graph.
    """
    folder = RunFolder(path=Path(run.out))
    folder.check(resume=run.resume)
    if run.resume:
        return _resumed(folder.last)
    if (size := announced_world(run.settings.devices).size) > 1:
        raise InputError(f"quantization_aware: expected one process, got {size}. Calibrate and train on one device.")
    network, card = run.starting_point()
    source, settings = str(run.start_from), QuantizationSettings(seed=run.settings.seed)
    model = network_graph(network, card.input, heads=_heads_of(card))
    pool = _training_images(run, card)
    selection = choose_calibration_images(
        model, card, pool, source=source, count=settings.count, seed=settings.seed, on_progress=on_progress
    )
    tables = collect_calibration(model, card, pool, selection, source=source, on_progress=on_progress)
    frames = _held_out(pool, card, set(selection.names), seed=settings.seed)
    start = Checkpoint(network=network, card=card, frames=np.concatenate(frames), epochs=0)
    expected = answers_to(start.session(), frames)
    apart = {}
    for done, table in enumerate(tables.values(), start=1):
        int8 = int8_training(model, table, weight_steps=settings.weight_steps)
        rounded = replace(start, card=card.model_copy(update={"int8": int8}))
        apart[disagreement(expected, answers_to(rounded.as_trained.session(), frames))] = rounded
        on_progress("comparing answers", done, len(tables))
    best = apart[min(apart)]
    check_rounding(best, model, frames, source=source)
    return rounded_to(best)


def check_rounding(
    checkpoint: Checkpoint, model: onnx.ModelProto, frames: Sequence[NDArray[np.uint8]], *, source: str
) -> float:
    """Hold what was trained in PyTorch against the int8 graph, computed as it is written, one step after the other.

    Each convolution and sum is given what the graph's own ones gave before it: a rounding that falls the other way,
    as the last bit of a sum decides, would else be rounded again by every later one.

    Args:
        checkpoint: of a quantization-aware training.
        model: its network as a float32 graph.
        frames: each [1, H, W, 3] uint8 BGR, fitted to the input; the first are looked at.
        source: its name, for the error.

    Returns:
        The largest difference of a convolution's or sum's result, as a share of its norm.

    Raises:
        CheckError: that is more than ties explain.
    """
    int8 = rounded_to(checkpoint)
    table = trained_table(model, checkpoint.card, int8, source=source)
    graph = quantized_graph(model, table, weight_steps=int8.weight_steps)
    names = results_of(graph)
    frames = frames[:_PROOF_FRAMES]
    found = run_network(graph, frames, outputs=names)
    heads = TorchHeads(checkpoint.as_trained.session(), None)
    apart = np.zeros(len(names))
    for number, frame in enumerate(frames):
        with _GivenTheGraphs([of_all[number : number + 1] for of_all in found]) as given:
            heads(frame)
        apart = np.maximum(apart, given.apart)
    worst = int(np.argmax(apart))
    if not apart[worst] <= _TIES:
        raise CheckError(
            f"{source}: expected PyTorch to round as the int8 graph does, got {names[worst]} apart by "
            f"{apart[worst]:.1e} of its norm; ties explain {_TIES:g}. {checkpoint.card.network} cannot be trained so."
        )
    return float(apart[worst])


class _GivenTheGraphs(TorchFunctionMode):
    """Compares each convolution and sum with what a graph computes there, and goes on with the graph's."""

    def __init__(self, results: Sequence[NDArray[np.float32]]) -> None:
        super().__init__()
        self._results = results
        self.apart: list[float] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # whatever the function gives
        """Run a function of PyTorch, and put a graph's result in the place of a convolution's or sum's."""
        result = func(*args, **(kwargs or {}))
        if not is_rounded(func, args):
            return result
        wanted = torch.from_numpy(self._results[len(self.apart)])
        self.apart.append(float((result - wanted).norm() / wanted.norm().clamp_min(torch.finfo(torch.float32).tiny)))
        return wanted


def rounded_to(checkpoint: Checkpoint) -> Int8Training:
    """Return what a checkpoint of a quantization-aware training was rounded to."""
    if checkpoint.card.int8 is None:
        raise RuntimeError(f"{checkpoint.card.network}: no int8 in its card")
    return checkpoint.card.int8


def _resumed(last: Path) -> Int8Training:
    int8 = load_checkpoint(last).card.int8
    if int8 is None:
        raise InputError(
            f"{last}: expected to go on with quantization_aware False, got True. "
            f"Resume with what the run began with, or start another run in another folder."
        )
    return int8


def _training_images(run: TrainingRun, card: Card) -> ImagePool:
    settings = card.origin.settings
    samples = run.data.samples(settings["train_split"], seed=settings["split_seed"])
    paths = [sample.image_path.absolute() for sample in samples]
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    return ImagePool(folder, [path.relative_to(folder).as_posix() for path in paths])


def _held_out(pool: ImagePool, card: Card, used: set[str], *, seed: int) -> list[NDArray[np.uint8]]:
    """Read images that were not calibrated on, where there are any, fitted to the input, each [1, H, W, 3]."""
    others = [name for name in pool.names if name not in used] or list(pool.names)
    sampled = np.random.default_rng(seed).permutation(len(others))[:HELD_OUT]
    images = pool.images([others[index] for index in sampled])
    return [fit_frame(image, card.input)[np.newaxis] for _, image in images]


def _heads_of(card: Card) -> tuple[str, ...]:
    return (CLASS_LOGITS,) if card.task == "classifier" else HEADS

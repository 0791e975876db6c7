"""Quantization-aware training from the outside: what comes out computes what was trained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from typer.testing import Result

from singleshot.calib.int8.collect import choose_calibration_images, collect_calibration
from singleshot.calib.int8.image_pool import ImagePool
from singleshot.calib.int8.quantized_graph import quantized_convolutions, quantized_graph
from singleshot.calib.int8.trained_ranges import int8_training, results_of, trained_table
from singleshot.calib.records.answers import answers_to
from singleshot.export.gate.judge import GateSettings
from singleshot.export.graphs.network_graph import network_graph
from singleshot.export.graphs.network_part import run_network
from singleshot.export.parity.raw_heads import TorchHeads
from singleshot.export.quantize import aware
from singleshot.export.quantize.aware import _GivenTheGraphs, check_rounding, rounded_to
from singleshot.export.quantize.calibrated import QuantizationSettings
from singleshot.export.quantize.gated import gate_int8
from singleshot.runtime.card import Card
from singleshot.runtime.detection.disagreement import disagreement
from singleshot.runtime.detection.letterbox import fit_frame
from singleshot.runtime.errors import CheckError
from singleshot.runtime.image_files import read_image_bgr
from singleshot.runtime.runners.contract import CLASS_LOGITS, HEADS
from singleshot.runtime.session import open_session
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.fixtures.metrics_table import metrics_rows
from singleshot.tests.fixtures.training_run import run_training
from singleshot.tests.fixtures.voc_folder import VocFolder
from singleshot.tests.places import FIXTURES
from singleshot.train.checkpoints.checkpoint import Checkpoint, load_checkpoint, open_checkpoint_session
from singleshot.train.networks.registry import NETWORKS, build_network, input_of, options_of

QUICK = ("--epochs", 1, "--batch-size", 4, "--workers", 0, "--config")
SAME = 1e-5
"""Of the norm of a convolution's or sum's result: sums are taken in another order. Measured: 7e-7."""
TIES = 3
"""Values of a map that may be rounded to the other step, as the last bit of an activation function decides."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real pictures, labelled as a thing each; a detector of 64 pixels after an epoch; settings."""
    root = tmp_path_factory.mktemp("aware")
    data = VocFolder(root=root / "data")
    for number, path in enumerate(sorted((FIXTURES / "imagenet25").rglob("*.JPEG"))[:36]):
        image = read_image_bgr(path)
        data.add(
            f"{number:02d}",
            [("thing", (8, number, 40 + number % 24, 56)), ("other", (1, 1, 9, 9))],
            split="val" if number % 3 == 2 else "train",
            image=image,
        )
    run_training(data.root, root / "start", network="ssd7", classes=("thing",), pretrained=False, frozen_stages=0)
    (root / "small.toml").write_text("height = 64\nwidth = 64\n")
    return root


def train(folder: Path, out: Path, *further: object) -> Result:
    start = ("ssd7", "--data", folder / "data", "--classes", "thing", "-o", out, *QUICK, folder / "small.toml")
    return run_verb("train", *start, "--quantization-aware", *further)


@pytest.fixture(scope="module")
def tuned(folder: Path) -> tuple[Path, Result]:
    """The checkpoint of a quantization-aware run, and what it said."""
    result = train(folder, folder / "run", "--from", folder / "start" / "best.ckpt")
    assert result.exit_code == 0, result.stderr
    return folder / "run" / "best.ckpt", result


@pytest.fixture(scope="module")
def exported(folder: Path, tuned: tuple[Path, Result]) -> tuple[Path, Result]:
    """Its float32 graph, and what was said of it."""
    out = folder / "tuned.onnx"
    result = run_verb("export", tuned[0], "-o", out)
    assert result.exit_code == 0, result.stderr
    return out, result


@pytest.fixture(scope="module")
def quantized(folder: Path, exported: tuple[Path, Result]) -> tuple[Path, Result]:
    """Its int8 graph, and what was said of it."""
    out = folder / "tuned.int8.onnx"
    result = run_verb("quantize", exported[0], "--images", FIXTURES / "imagenet25", "-o", out)
    assert result.exit_code == 0, result.stderr
    return out, result


def card_of(graph: Path) -> Card:
    with open_session(graph, backend="onnxruntime") as session:
        return session.card


def test_the_int8_graph_computes_what_was_trained(tuned: tuple[Path, Result], quantized: tuple[Path, Result]) -> None:
    checkpoint, graph = load_checkpoint(tuned[0]), onnx.load(str(quantized[0]))
    int8 = checkpoint.card.int8
    assert int8 is not None
    assert len(quantized_convolutions(graph)) == sum(limit is not None for limit in int8.limits) == 11
    found = run_network(graph, [frame[np.newaxis] for frame in checkpoint.frames], outputs=results_of(graph))
    with _GivenTheGraphs(found) as given, checkpoint.as_trained.session() as session:
        session.heads(checkpoint.frames)  # type: ignore[union-attr]  # of a detector
    assert len(given.apart) == len(int8.limits) == 15
    assert max(given.apart) <= SAME


def test_answers_are_those_of_what_was_trained(tuned: tuple[Path, Result], quantized: tuple[Path, Result]) -> None:
    """End to end, where a tie that falls the other way is rounded again by every later step."""
    frames = [frame[np.newaxis] for frame in load_checkpoint(tuned[0]).frames]
    with open_session(quantized[0], backend="onnxruntime") as graph, open_checkpoint_session(tuned[0]) as trained:
        assert disagreement(answers_to(trained, frames), answers_to(graph, frames)) <= 0.05


def test_what_is_said_on_the_way(
    tuned: tuple[Path, Result], exported: tuple[Path, Result], quantized: tuple[Path, Result]
) -> None:
    int8 = load_checkpoint(tuned[0]).card.int8
    assert int8 is not None
    ranges = f"ranges by {int8.method} on 24 images of the training split"
    assert f"int8: {ranges}; PyTorch rounds as the int8 graph does\n" in tuned[1].stderr
    assert (
        f"float32; trained for int8, {ranges}: `singleshot quantize {exported[0]} --images DIR` makes the int8 graph "
        f"that was trained\n"
    ) in exported[1].stderr
    said = f"with the ranges that the network was trained with ({int8.method}); nothing was calibrated\n"
    assert said in quantized[1].stdout


def test_the_card_says_what_it_was_trained_with(tuned: tuple[Path, Result], quantized: tuple[Path, Result]) -> None:
    trained, card = load_checkpoint(tuned[0]).card, card_of(quantized[0])
    assert trained.origin.settings["quantization_aware"] is True
    assert (trained.origin.settings["learning_rate"], trained.origin.settings["precision"]) == (1e-4, "fp32")
    settings = card.origin.settings
    assert trained.int8 is not None
    assert (settings["quantization_aware"], settings["images"]) == (True, 24)
    assert (settings["method"], settings["table_sha256"]) == (trained.int8.method, trained.int8.table_sha256)
    assert card.int8 is None
    assert card.origin.ancestors_sha256[-1] == trained.origin.parent_sha256


def test_weights_learn_and_norms_keep_their_statistics(folder: Path, tuned: tuple[Path, Result]) -> None:
    before, after = (load_checkpoint(path).network.state_dict() for path in (folder / "start" / "best.ckpt", tuned[0]))
    apart = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert "trunk.layers.0.conv.weight" in apart
    assert not {name for name in apart if "running_" in name}


def test_validation_measures_what_evaluate_does(folder: Path, tuned: tuple[Path, Result]) -> None:
    (row,) = metrics_rows(tuned[0].parent)
    result = run_verb("evaluate", tuned[0], "--data", folder / "data", "--split", "val", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["result"]["mean"]["ap50_95"] == pytest.approx(float(row["val_ap50_95"]), abs=1e-5)


def test_a_resumed_run_rounds_as_it_began(folder: Path, tuned: tuple[Path, Result], tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(tuned[0].parent, out)
    result = train(folder, out, "--from", folder / "start" / "best.ckpt", "--resume", "--validate-every", 1)
    assert result.exit_code == 0, result.stderr
    assert load_checkpoint(out / "last.ckpt").card.int8 == load_checkpoint(tuned[0]).card.int8


@pytest.mark.parametrize(
    ("further", "message"),
    [
        pytest.param(
            (),
            "--from: expected a trained ssd7 to go on from with --quantization-aware, got none. Train it first, "
            "then name its best.ckpt by --from.",
            id="nothing to start from",
        ),
        pytest.param(
            ("--from", "{start}", "--precision", "bf16"),
            "quantization_aware: expected false unless precision is fp32, got True.",
            id="another precision",
        ),
        pytest.param(
            ("--from", "{start}", "--fit-default-boxes"),
            "quantization_aware: expected false unless default_boxes is network, got True.",
            id="other default boxes",
        ),
        pytest.param(
            ("--from", "{start}", "--classes", "thing,other"),
            "{start}: expected a ssd7 of the classes thing, other to go on from with --quantization-aware, got a "
            "ssd7 of thing. Train from it without --quantization-aware first.",
            id="other classes",
        ),
        pytest.param(
            ("--from", "{start}", "--resume", "-o", "{folder}/start"),
            "{folder}/start/last.ckpt: expected to go on with quantization_aware False, got True. Resume with what the "
            "run began with, or start another run in another folder.",
            id="a run that was not",
        ),
    ],
)
def test_what_cannot_be_is_said_first(folder: Path, tmp_path: Path, further: tuple[str, ...], message: str) -> None:
    names = {"start": folder / "start" / "best.ckpt", "folder": folder}
    result = train(folder, tmp_path / "run", *(item.format(**names) for item in further))
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == f"error: {message.format(**names)}"
    assert not (tmp_path / "run").exists()


def test_several_devices_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text("devices = 2\n")
    result = train(
        folder, tmp_path / "run", "--from", folder / "start" / "best.ckpt", "--config", tmp_path / "two.toml"
    )
    assert result.exit_code == 2
    error = "quantization_aware: expected one process, got 2. Calibrate and train on one device."
    assert result.stderr.splitlines()[-1] == f"error: {error}"


@pytest.mark.parametrize(
    ("further", "option", "got"),
    [
        pytest.param(("--method", "{other}"), "--method", "{other}", id="another estimator"),
        pytest.param(("--weight-range", "{range}"), "--weight-range", "{range}", id="another range of the weights"),
    ],
)
def test_trained_ranges_are_not_told_others(
    exported: tuple[Path, Result], tmp_path: Path, further: tuple[str, ...], option: str, got: str
) -> None:
    int8 = card_of(exported[0]).int8
    assert int8 is not None
    names = {
        "other": "minmax" if int8.method != "minmax" else "mse",
        "range": "half" if int8.weight_steps == 127 else "full",
    }
    told = [item.format(**names) for item in further]
    images = ("--images", FIXTURES / "imagenet25")
    result = run_verb("quantize", exported[0], *images, "-o", tmp_path / "a.onnx", *told)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        f"error: {option}: expected none for {exported[0]}, which was trained for int8 with ranges of its own "
        f"({int8.method}), got {got.format(**names)}. Leave it out."
    )


def test_an_export_that_would_be_rounded_otherwise_is_not_written(
    tuned: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aware, "_TIES", 0.0)
    result = run_verb("export", tuned[0], "-o", tmp_path / "a.onnx")
    assert result.exit_code == 1
    error = result.stderr.splitlines()[-1]
    assert error.startswith(f"error: {tuned[0]}: expected PyTorch to round as the int8 graph does, got conv2d")
    assert error.endswith(" of its norm; ties explain 0. ssd7 cannot be trained so.")
    assert not (tmp_path / "a.onnx").exists()


def test_a_range_of_another_place_shows(
    tuned: tuple[Path, Result], exported: tuple[Path, Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, model = load_checkpoint(tuned[0]), onnx.load(str(exported[0]))
    frames = [frame[np.newaxis] for frame in checkpoint.frames]
    assert check_rounding(checkpoint, model, frames, source="it") <= SAME
    right = trained_table(model, checkpoint.card, rounded_to(checkpoint), source="it")
    names = list(right.ranges)
    wrong = {**right.ranges, names[2]: right.ranges[names[3]], names[3]: right.ranges[names[2]]}
    monkeypatch.setattr(aware, "trained_table", lambda *_, **__: right.model_copy(update={"ranges": wrong}))
    with pytest.raises(CheckError):
        check_rounding(checkpoint, model, frames, source="it")


@pytest.mark.slow
def test_the_gate_judges_what_was_trained(
    folder: Path, tuned: tuple[Path, Result], exported: tuple[Path, Result], tmp_path: Path
) -> None:
    gated = gate_int8(
        exported[0],
        images=FIXTURES / "imagenet25",
        data=folder / "data",
        settings=QuantizationSettings(),
        gate_settings=GateSettings(max_drop=100, replicates=20),
    )
    int8 = rounded_to(load_checkpoint(tuned[0]))
    assert (gated.result.data.judging, gated.result.trainable) == (12, None)
    made = gated.save(tmp_path / "a.int8.onnx")
    assert (made.method, made.selection) == (int8.method, None)
    assert made.card.origin.settings["table_sha256"] == int8.table_sha256


class _GivenTheMaps(_GivenTheGraphs):
    """Gives convolutions what the graph's own ones read, too, and counts what PyTorch rounded to another step."""

    def __init__(self, results: Sequence[NDArray[np.float32]], maps: Sequence[NDArray[np.float32]]) -> None:
        super().__init__(results)
        self._maps = iter(maps)
        self.ties: list[int] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is torch.conv2d:
            read = torch.from_numpy(next(self._maps))
            if read.shape == args[0].shape:  # not padded before
                self.ties.append(int(((args[0] - read).abs() > 1e-4 * read.abs().max()).sum()))
                args = [read, *args[1:]]
        return super().__torch_function__(func, types, args, kwargs)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "resnet50"])  # refused: its norms stay apart
def test_every_network_rounds_as_its_graph(name: str) -> None:
    """Sums, padding, norms of others, dense layers: each network has something that the next has not."""
    torch.manual_seed(0)
    known = NETWORKS[name]
    spec = input_of(name, max(known.least_side, 96), max(known.least_side, 96))
    card = Card(kind="checkpoint", task=known.task, network=name, class_names=("a", "b", "c"), input=spec)
    network = build_network(name, options_of(card)).eval()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.load_state_dict({name: torch.rand(it.shape) + 0.5 for name, it in part.state_dict().items()})
    model = network_graph(network, spec, heads=(CLASS_LOGITS,) if known.task == "classifier" else HEADS)
    pool = ImagePool(FIXTURES / "imagenet25")
    chosen = choose_calibration_images(model, card, pool, source=name, count=16, seed=0)
    table = collect_calibration(model, card, pool, chosen, source=name)["mse"]
    frames = [fit_frame(image, spec)[np.newaxis] for _, image in pool.images(pool.names[:2])]
    rounded = card.model_copy(update={"int8": int8_training(model, table, weight_steps=127)})
    checkpoint = Checkpoint(network=network, card=rounded, frames=np.concatenate(frames), epochs=0)
    check_rounding(checkpoint, model, frames, source=name)
    table = trained_table(model, rounded, rounded_to(checkpoint), source=name)
    graph = quantized_graph(model, table, weight_steps=127)
    reads = [node.input[0] for node in graph.graph.node if node.op_type == "Conv"]
    for frame in frames:
        results, maps = (run_network(graph, [frame], outputs=names) for names in (results_of(graph), reads))
        with _GivenTheMaps(results, maps) as given:
            TorchHeads(checkpoint.as_trained.session(), None)(frame)
        assert max(given.ties) <= TIES
        assert max(given.apart) <= SAME

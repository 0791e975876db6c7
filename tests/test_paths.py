"""Whatever a user calls with a path takes a str as well."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import singleshot
from singleshot.calib.accuracy.evaluate import open_dataset_for
from singleshot.data.cache.building import open_image_cache
from singleshot.data.class_choice import chosen_classes
from singleshot.data.dataset import open_dataset
from singleshot.data.readers.find_reader import find_layout
from singleshot.data.writers.convert import convert_data
from singleshot.export.checkpoint.export import export_checkpoint
from singleshot.export.engine.build import build_engine
from singleshot.export.engine.rebuild import rebuild_stale
from singleshot.export.foreign.adapt import adapt_detector
from singleshot.export.gate.judge import GateSettings
from singleshot.export.graphs.graph_file import save_graph
from singleshot.export.handover.handover import hand_over
from singleshot.export.inspection.inspect_artefact import inspect_artefact
from singleshot.export.parity.certify import certify
from singleshot.export.parity.verify import verify
from singleshot.export.quantize.calibrated import QuantizationSettings
from singleshot.export.quantize.gated import gate_fp16, gate_int8
from singleshot.export.quantize.quantize import convert_to_fp16, quantize
from singleshot.runtime.errors import InputError
from singleshot.runtime.image_files import image_hw, read_image_bgr
from singleshot.runtime.sinks.open_sinks import open_json_lines, open_recording
from singleshot.runtime.sources.open_source import open_source
from singleshot.tests.fixtures.small_detector import CARD, small_detector_graph
from singleshot.tests.imports import imports_of, modules
from singleshot.tests.places import CLIP, FIXTURES, GRAPHS, PHOTOS, VOC_ROOT
from singleshot.tools.paper.report import write_paper_report
from singleshot.train.checkpoints.checkpoint import open_checkpoint_session
from singleshot.train.configuration import load_settings
from singleshot.train.run.train import TrainingRun, train
from singleshot.train.settings import train_settings
from singleshot.train.tuning.study import make_study

DOG = str(PHOTOS / "2010_000276.jpg")
QUARTERS = str(GRAPHS / "quarters.onnx")
QUICK = QuantizationSettings(method="minmax", count=8)

OUR_OWN = {"singleshot.train.run.run_folder.RunFolder"}
"""Names the files of a run, for whoever has a `Path`."""


def small(folder: Path) -> str:
    path = folder / "small.onnx"
    save_graph(small_detector_graph(), CARD, path)
    return str(path)


def settings_file(folder: Path) -> str:
    path = folder / "settings.toml"
    path.write_text("epochs = 1\n")
    return str(path)


def called_by_verbs() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Give the functions and classes of the lower floors that a verb calls, errors that it raises left out."""
    for package, path in modules():
        if package != "tools.verbs":
            continue
        source = path.read_text(encoding="utf-8")
        calls = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
        called = {function.id for function in calls if isinstance(function, ast.Name)}
        for dotted in imports_of(source, package):
            module, _, name = dotted.rpartition(".")
            if name in called and re.match(r"singleshot\.(?!tools\.|runtime\.errors)", module):
                yield dotted, getattr(importlib.import_module(module), name)


def public() -> dict[str, Callable[..., Any]]:
    """Give what the package exports and what its verbs call."""
    exported = {name: getattr(singleshot, name) for name in singleshot.__all__ if name != "__version__"}
    return {**exported, **dict(called_by_verbs())}


def test_nothing_public_wants_a_path_object() -> None:
    wanting = [
        f"{name}: {parameter}"
        for name, function in public().items()
        if name not in OUR_OWN
        for parameter in inspect.signature(function).parameters.values()
        if re.search(r"\bPath\b", str(parameter.annotation))
    ]
    assert wanting == []


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda _: singleshot.open_session(QUARTERS).close(), id="open_session"),
        pytest.param(lambda _: open_source(str(CLIP)).close(), id="open_source, a video"),
        pytest.param(lambda _: open_source(str(PHOTOS)).close(), id="open_source, a folder"),
        pytest.param(lambda _: read_image_bgr(DOG), id="read_image_bgr"),
        pytest.param(lambda _: image_hw(DOG), id="image_hw"),
        pytest.param(lambda out: open_recording(f"{out}/x.mp4", open_source(CLIP)).close(), id="open_recording"),
        pytest.param(lambda out: open_json_lines(f"{out}/x", open_source(DOG)).close(), id="open_json_lines"),
        pytest.param(lambda _: find_layout(str(VOC_ROOT)), id="find_layout"),
        pytest.param(lambda _: open_dataset(str(VOC_ROOT)), id="open_dataset"),
        pytest.param(lambda _: chosen_classes("2", str(VOC_ROOT)), id="chosen_classes"),
        pytest.param(lambda out: convert_data(open_dataset(VOC_ROOT), "coco", f"{out}/coco"), id="convert_data"),
        pytest.param(
            lambda out: open_image_cache(open_dataset(VOC_ROOT), "train", input_hw=(32, 32), folder=f"{out}/cache"),
            id="open_image_cache",
        ),
        pytest.param(lambda _: inspect_artefact(QUARTERS), id="inspect_artefact"),
        pytest.param(lambda _: verify(QUARTERS, QUARTERS, frames=str(PHOTOS), count=1), id="verify"),
        pytest.param(lambda out: certify(QUARTERS, f"{out}/x.onnx", frames=DOG, count=1), id="certify"),
        pytest.param(lambda out: convert_to_fp16(small(out), f"{out}/x.onnx"), id="convert_to_fp16"),
        pytest.param(lambda out: hand_over(QUARTERS, str(out), to="triton"), id="hand_over"),
        pytest.param(lambda out: write_paper_report(str(out)), id="write_paper_report"),
        pytest.param(lambda out: make_study("ssd_lite0", str(out), train_settings(), trials=1), id="make_study"),
        pytest.param(lambda out: load_settings(settings_file(out)), id="load_settings"),
        pytest.param(
            lambda out: quantize(
                small(out),
                f"{out}/x.onnx",
                images=str(FIXTURES / "imagenet25"),
                settings=QUICK,
                save_table_to=f"{out}/table.json",
            ),
            id="quantize",
        ),
    ],
)
def test_a_str_will_do(call: Callable[[Path], object], tmp_path: Path) -> None:
    call(tmp_path)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda missing, _: open_checkpoint_session(missing), id="open_checkpoint_session"),
        pytest.param(
            lambda missing, _: train(
                TrainingRun(
                    network="ssd_lite0",
                    data=open_dataset(VOC_ROOT),
                    out=missing,
                    settings=train_settings(),
                    resume=True,
                )
            ),
            id="train",
        ),
        pytest.param(export_checkpoint, id="export_checkpoint"),
        pytest.param(adapt_detector, id="adapt_detector"),
        pytest.param(lambda missing, out: build_engine(missing, f"{out}.engine"), id="build_engine"),
        pytest.param(lambda missing, _: rebuild_stale(missing), id="rebuild_stale"),
        pytest.param(lambda missing, _: open_dataset_for(CARD, missing), id="open_dataset_for"),
        pytest.param(
            lambda missing, out: gate_fp16(missing, out, data=missing, gate_settings=GateSettings()), id="gate_fp16"
        ),
        pytest.param(
            lambda missing, _: gate_int8(
                missing, images=missing, data=missing, settings=QUICK, gate_settings=GateSettings()
            ),
            id="gate_int8",
        ),
    ],
)
def test_a_str_is_refused_as_a_path_is(call: Callable[[str, str], object], tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    with pytest.raises(InputError, match=re.escape(missing)):
        call(missing, str(tmp_path / "out.onnx"))
    assert list(tmp_path.iterdir()) == []

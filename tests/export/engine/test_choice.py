"""Which engine is written: what runs is compared and timed, what is judged has to pass, else nothing is left.

Engines are compiled by TensorRT-RTX; where one is to run, its typed graph in ONNX Runtime stands in for the GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from singleshot.export.engine import build, prove, stage
from singleshot.export.engine.build import build_engine
from singleshot.export.engine.compile import Gpu
from singleshot.export.engine.plan import BatchProfile, CompilerSettings
from singleshot.export.engine.rebuild import rebuild_stale
from singleshot.export.engine.stage import Checks
from singleshot.export.inspection.engines import inspect_engine
from singleshot.export.parity import artefact
from singleshot.export.parity.certify import write_parities
from singleshot.export.quantize.quantize import quantize
from singleshot.runtime.card import Card, Measurement
from singleshot.runtime.engines.engine_checks import card_path_of, load_engine_card
from singleshot.runtime.engines.ledger import is_in_ledger
from singleshot.runtime.errors import CheckError, InputError
from singleshot.runtime.files import sha256_of_file
from singleshot.runtime.precision import Precision
from singleshot.runtime.session import Session, open_session
from singleshot.tests.export.engine.test_matrix import graph_of
from singleshot.tests.runtime.test_uncertified import PARITY
from singleshot.tools.pages.inspection_facts import facts_of

GPU = Gpu(name="NVIDIA RTX 4070", driver="590.1", compute_capability="8.9")


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setattr(build, "find_gpu", lambda: None)
    monkeypatch.setattr("singleshot.export.engine.rebuild.find_gpu", lambda: None)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures that differ: coarse patches of colour."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(40):
        patches = rng.integers(0, 256, (6, 6, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(patches, (96, 96), interpolation=cv2.INTER_NEAREST))
    return folder


@pytest.fixture
def graph(tmp_path: Path, small_detector: Path) -> Path:
    path = tmp_path / "small.onnx"
    path.write_bytes(small_detector.read_bytes())
    return path


class StandIn:
    """A session over an engine: computed by the typed graph that was staged beside it."""

    def __init__(self, engine: Path) -> None:
        self._session = open_session(engine.with_name("typed.onnx"), backend="onnxruntime")
        self.card: Card = load_engine_card(engine)
        self.backend = "stand-in"

    def __getattr__(self, name: str) -> Any:  # the rest of a session
        return getattr(self._session, name)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a GPU in the machine on which INT8 is the faster."""

    def opened(path: Path, **options: Any) -> Any:
        return StandIn(path) if path.suffix == ".engine" else open_session(path, **options)

    def latencies(sessions: Sequence[Session], frames: Sequence[Any]) -> list[float]:
        records = [session.card.engine for session in sessions]
        return [1.0 if record is not None and record.precision == "int8" else 2.0 for record in records]

    monkeypatch.setattr(build, "find_gpu", lambda: GPU)
    monkeypatch.setattr(build, "why_not_executed", lambda _target: None)
    monkeypatch.setattr(artefact, "open_session", opened)
    monkeypatch.setattr(stage, "open_session", opened)
    monkeypatch.setattr(prove, "latencies_ms", latencies)


def gate_that_accepts(name: str | None) -> Any:
    """Give a gate that has judged already."""

    def judge(_graph: Path, staged: Sequence[Any], checks: Checks, _on_progress: Any) -> Any:
        if checks.data is None:
            return None

        def check(out: Path) -> Any:
            if name is None:
                raise CheckError(f"{out}: expected a graph within 0.5 points, got less")
            return SimpleNamespace(candidate=SimpleNamespace(name=name))

        measured = (
            Measurement(metric="AP50:95", value=0.5, data="judged"),
            Measurement(metric="latency, parent's divided by own", value=2, data="a processor"),
        )
        return SimpleNamespace(check=check, measurements=lambda: measured)

    return judge


def metrics(card: Card) -> dict[str, Measurement]:
    return {item.metric: item for item in card.measurements}


def test_without_a_gpu_the_typed_graph_is_compared_and_the_card_says_so(graph: Path, dog_clip: Path) -> None:
    built = build_engine(graph, checks=Checks(frames=str(dog_clip)))
    matched = metrics(built.card)["parity: detections matched one to one"]
    assert matched.value > 100
    assert matched.data == "16 frames of dog.mp4, the fp16 graph in ONNX Runtime, not the plan"
    assert built.notes == ("not executed: no NVIDIA GPU was at hand",)
    assert built.card.engine is not None
    assert (built.card.engine.deserialised, built.card.engine.executed) == (False, False)
    assert is_in_ledger(built.card.engine.plan_sha256)


def test_best_without_a_gpu_is_fp16_and_says_why(graph: Path, photos: Path) -> None:
    built = build_engine(graph, precision="best", calib_images=photos)
    assert built.path.name == "small.fp16.engine"
    assert built.notes[0] == (
        "best is FP16 where engines cannot be timed; TensorRT-RTX fuses nothing into INT8 convolutions"
    )


@pytest.mark.slow
def test_int8_is_calibrated_on_the_way_and_its_graph_is_kept(graph: Path, photos: Path, tmp_path: Path) -> None:
    built = build_engine(graph, precision="int8", calib_images=photos)
    kept = tmp_path / "small.int8.onnx"
    assert kept in built.written
    assert all(path.is_file() for path in built.written)
    assert built.card.engine is not None
    assert (built.card.engine.graph, built.card.engine.precision) == ("small.int8.onnx", "int8")
    origin = built.card.origin
    assert (origin.parent_sha256, origin.ancestors_sha256) == (sha256_of_file(kept), (sha256_of_file(graph),))
    with pytest.raises(
        InputError, match=r"small\.int8\.onnx: expected no such file, .* `singleshot build .*int8\.onnx`"
    ):
        build_engine(graph, precision="int8", calib_images=photos)


def test_blocks_stay_in_float_by_name(graph: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--keep-float nothing: expected part of the name of one of "):
        build_engine(graph, precision="int8", calib_images=photos, keep_float="nothing")
    built = build_engine(graph, precision="int8", calib_images=photos, keep_float="conv_box")
    with open_session(tmp_path / "small.int8.onnx", backend="onnxruntime") as session:
        assert session.card.origin.settings["kept_float"] == ["conv_box"]
    assert built.card.engine is not None
    assert (built.card.engine.plan_convolutions or {})["int8"] == 2


def test_images_that_calibrated_do_not_judge_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(stage, "gate", lambda *_, **options: asked.update(options))
    monkeypatch.setattr(stage, "_candidate", lambda item: item)
    set_aside = object()
    made, given = (
        SimpleNamespace(source=SimpleNamespace(gated=gated)) for gated in (SimpleNamespace(images=set_aside), None)
    )
    for staged, images in (([given, made], set_aside), ([given], None)):
        stage.judge(tmp_path, staged, Checks(data=tmp_path), lambda *_: None)  # type: ignore[arg-type]  # what is read
        assert asked["set_aside"] is images


@pytest.mark.slow
def test_best_with_a_gpu_is_the_faster(gpu: None, graph: Path, dog_clip: Path, photos: Path, tmp_path: Path) -> None:
    built = build_engine(graph, precision="best", calib_images=photos, checks=Checks(frames=str(dog_clip)))
    assert built.path == tmp_path / "small.int8.engine"
    assert "best of int8 1.00 ms, fp16 2.00 ms" in built.notes
    assert built.card.engine is not None
    assert (built.card.engine.deserialised, built.card.engine.executed) == (True, True)
    latency = metrics(built.card)["latency of a run of 1 frames, ms, from host to host, median"]
    assert (latency.value, latency.data) == (1.0, "stand-in")
    assert not (tmp_path / "small.fp16.engine").exists()


@pytest.mark.slow
def test_best_is_the_faster_that_passes_the_gate(
    gpu: None, graph: Path, dog_clip: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "judge", gate_that_accepts("fp16 engine"))
    monkeypatch.setattr(  # the real gate on labelled images is tested where it lives
        build, "_calibrated", lambda order, out, images: (quantize(order.graph, out, images=images), None)
    )
    monkeypatch.setattr(build, "check_gate_takes", lambda *_: None)  # as there is no labelled image either
    checks = Checks(frames=str(dog_clip), data=tmp_path)
    built = build_engine(graph, precision="best", calib_images=photos, checks=checks)
    assert built.path.name == "small.fp16.engine"
    assert metrics(built.card)["AP50:95"].note.startswith("the engine; ")
    assert not any(metric.startswith("latency, parent's") for metric in metrics(built.card))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "small.fp16.engine",
        "small.fp16.engine.json",
        "small.onnx",
    ]


def test_gate_that_nothing_passes_leaves_nothing(graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "judge", gate_that_accepts(None))
    monkeypatch.setattr(build, "check_gate_takes", lambda *_: None)
    with pytest.raises(CheckError, match=r"small\.fp16\.engine: expected a graph within 0\.5 points"):
        build_engine(graph, checks=Checks(data=tmp_path))
    assert list(tmp_path.iterdir()) == [graph]


def test_engine_that_says_something_else_than_its_graph_is_not_written(
    gpu: None, graph: Path, dog_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        StandIn,
        "run",
        lambda self, frames: [item.where(item.scores < 0.5) for item in self._session.run(frames)],
        raising=False,
    )
    with pytest.raises(
        CheckError,
        match=r"^(?!.*singleshot-build).*small\.fp16\.engine: expected the same detections .*--frames",
    ):
        build_engine(graph, checks=Checks(frames=str(dog_clip)))
    assert list(tmp_path.iterdir()) == [graph]


def test_engine_whose_scores_no_rounding_explains_is_not_written(
    gpu: None, graph: Path, dog_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def a_little_low(self: StandIn, frames: Any) -> Any:
        return [replace(item, scores=item.scores * np.float32(0.99)) for item in self._session.run(frames)]

    monkeypatch.setattr(StandIn, "run", a_little_low, raising=False)
    with pytest.raises(CheckError, match=r"no rounding explains the difference: score moves by .* bits"):
        build_engine(graph, checks=Checks(frames=str(dog_clip)))
    assert list(tmp_path.iterdir()) == [graph]


def test_engine_of_a_fixed_batch_is_shown_each_frame_as_often(gpu: None, graph: Path, dog_clip: Path) -> None:
    settings = CompilerSettings(batch=BatchProfile(least=4, best=4, most=4))
    built = build_engine(graph, settings=settings, checks=Checks(frames=str(dog_clip)))
    assert metrics(built.card)["parity: detections matched one to one"].value > 100
    assert "latency of a run of 4 frames, ms, from host to host, median" in metrics(built.card)


def test_classifier_is_compared_too(gpu: None, tmp_path: Path, dog_clip: Path) -> None:
    path, _ = graph_of(tmp_path, "classifier", Precision.FP16)
    built = build_engine(path, checks=Checks(frames=str(dog_clip)))
    assert metrics(built.card)["parity: first classes matched one to one"].value == 16


def test_rebuilding_takes_the_settings_of_the_card(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = CompilerSettings(
        batch=BatchProfile(least=1, best=2, most=4), compute_capabilities=(86, 120), workspace_mib=64
    )
    engine = build_engine(graph, precision="fp32", settings=settings).path
    assert rebuild_stale(engine).built is None
    write_parities(graph, [PARITY], graph)  # as `certify` does
    assert rebuild_stale(engine).built is None
    before = load_engine_card(engine).engine
    graph.write_bytes(graph.read_bytes() + b"")
    card, unknown = load_engine_card(engine), {"parent_uncertified_sha256": None}
    stale = card.model_copy(update={"origin": card.origin.model_copy(update={"parent_sha256": "0" * 64, **unknown})})
    card_path_of(engine).write_text(stale.to_json())
    found = rebuild_stale(engine)
    assert found.reason is not None
    assert found.reason.startswith(f"expected {graph} as it was built from, sha256 000000000000…, got ")
    after = load_engine_card(engine).engine
    assert before is not None
    assert after is not None
    same = ("precision", "batch", "compute_capabilities", "workspace_mib", "graph", "compiler")
    assert all(getattr(before, name) == getattr(after, name) for name in same)
    monkeypatch.setattr("singleshot.export.engine.rebuild.find_gpu", lambda: GPU)
    monkeypatch.setattr(build, "find_gpu", lambda: GPU)
    assert rebuild_stale(engine).reason == (
        "expected a GPU of compute capability 8.6, 12.0, got NVIDIA RTX 4070 of 8.9"
    )
    for_this = load_engine_card(engine).engine
    assert for_this is not None
    assert for_this.compute_capabilities == ("8.9",)
    engine.write_bytes(b"x")
    graph.unlink()
    with pytest.raises(
        InputError, match=r"Expected the graph that it was built from at .*small\.onnx, got no such file"
    ):
        rebuild_stale(engine)


def test_inspection_tells_ancestry_and_what_does_not_fit(graph: Path) -> None:
    engine = build_engine(graph).path
    found = inspect_engine(engine)
    assert (found.kind, found.precision, found.card_problem) == ("engine", "fp16", "")
    assert str(found.inputs[0]) == "frames uint8 [1, 64, 64, 3]"
    assert [item.name for item in found.outputs][-1] == "exact"
    assert dict(found.operators)["convolution, half"] == 4
    assert found.parameters is not None
    sections = {section.title: dict(section.rows) for section in facts_of(found)}
    assert sections["Ancestry"]["made from"] == sha256_of_file(graph)
    assert sections["Engine"]["executed"] == "never"
    graph.unlink()
    assert inspect_engine(engine).parameters is None
    engine.write_bytes(b"x")
    assert inspect_engine(engine).card_problem.startswith("valid, but it does not fit: expected the plan of its card")

"""The calls that TensorRT 10 and 11 get. Neither was at hand: a recording fake stands in, and nothing is executed."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from singleshot.export.engine import build, tensorrt_api
from singleshot.export.engine.build import build_engine
from singleshot.export.engine.compile import Gpu
from singleshot.export.engine.plan import BatchProfile, CompilerSettings
from singleshot.export.engine.tensorrt_api import TensorRt
from singleshot.runtime.errors import CheckError, InputError
from singleshot.runtime.precision import Precision
from singleshot.tests.export.engine.fake_tensorrt import Recorder, fake_tensorrt
from singleshot.tests.export.engine.test_matrix import graph_of

GPU = Gpu(name="NVIDIA H100 80GB HBM3", driver="590.1", compute_capability="9.0")
EVERYTHING = CompilerSettings(
    workspace_mib=512,
    is_hardware_compatible=True,
    is_version_compatible=True,
    batch=BatchProfile(least=1, best=4, most=8),
)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(params=["10.0.1", "10.16.1", "11.4.0"])
def version(request: pytest.FixtureRequest, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put the fake in TensorRT's place, and a GPU in the machine."""
    chosen = str(request.param)
    module = fake_tensorrt(chosen, recorder)
    monkeypatch.setattr(build, "find_gpu", lambda: GPU)
    monkeypatch.setattr(build, "find_tensorrt", lambda *_args, **_options: TensorRt(module=module))
    return chosen


def test_calls_in_order(version: str, recorder: Recorder, small_detector: Path, tmp_path: Path) -> None:
    built = build_engine(small_detector, tmp_path / "x.engine", settings=EVERYTHING)
    shapes = tuple((count, 64, 64, 3) for count in (1, 4, 8))
    assert recorder.calls == [
        ("network", 1 << 1),  # strongly typed
        ("parse", True),
        ("memory", "MemoryPoolType.WORKSPACE", 512 << 20),
        ("flag", "BuilderFlag.VERSION_COMPATIBLE"),
        ("no flag", "BuilderFlag.TF32"),
        ("shape", "frames", *shapes),
        ("profile",),
        ("cache", b"", False, True),
        ("build", "HardwareCompatibilityLevel.AMPERE_PLUS"),
    ]
    assert built.path.read_bytes() == b"plan"
    record = built.card.engine
    assert record is not None
    assert (record.compiler, record.version, record.compute_capabilities) == ("tensorrt", version, ("9.0",))
    assert (record.gpu, record.driver) == (GPU.name, GPU.driver)
    assert (record.network_convolutions, record.plan_convolutions) == ({"half": 1}, None)
    assert (record.deserialised, record.executed) == (False, False)
    assert (record.workspace_mib, record.hardware_compatible, record.version_compatible) == (512, True, True)


def test_int8_is_what_reads_a_dequantization(
    version: str, recorder: Recorder, small_detector: Path, tmp_path: Path
) -> None:
    path, _ = graph_of(tmp_path, "detector", Precision.INT8)
    recorder.convolution_reads = "dequantized"
    record = build_engine(path).card.engine
    assert record is not None
    assert (record.precision, record.network_convolutions) == ("int8", {"int8": 1})
    recorder.convolution_reads = "frames"
    with pytest.raises(CheckError, match="expected int8, all convolutions of the network in int8, got 1 half"):
        build_engine(path)


def test_timing_cache_has_its_place_by_version_and_gpu(
    version: str, recorder: Recorder, small_detector: Path, tmp_path: Path, own_folders: Path
) -> None:
    build_engine(small_detector, tmp_path / "x.engine")
    cache = own_folders / "cache" / "singleshot" / "timings" / f"tensorrt-{version}-sm90-NVIDIA-H100-80GB-HBM3.cache"
    assert cache.read_bytes() == b"timings"


def test_timing_cache_is_kept_from_build_to_build(
    version: str, recorder: Recorder, small_detector: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "timings"
    settings = CompilerSettings(timing_cache=cache)
    build_engine(small_detector, tmp_path / "x.engine", settings=settings)
    assert cache.read_bytes() == b"timings"
    build_engine(small_detector, tmp_path / "x.engine", settings=settings)
    assert [call for call in recorder.calls if call[0] == "cache"] == [
        ("cache", b"", False, True),
        ("cache", b"timings", False, True),
    ]


def test_timing_cache_of_another_gpu_is_not_used(
    version: str, recorder: Recorder, small_detector: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "timings"
    cache.write_bytes(b"foreign")
    recorder.accepts_cache = False
    build_engine(small_detector, tmp_path / "x.engine", settings=CompilerSettings(timing_cache=cache))
    assert [call for call in recorder.calls if call[0] == "cache"] == [
        ("cache", b"foreign", False, False),
        ("cache", b"", False, True),
    ]


def test_failures_are_one_line(version: str, recorder: Recorder, small_detector: Path, tmp_path: Path) -> None:
    recorder.plan = None
    with pytest.raises(InputError, match=f"that TensorRT {version} can build, but it failed: no kernel found"):
        build_engine(small_detector, tmp_path / "x.engine")
    recorder.accepts_profile = False
    with pytest.raises(InputError, match=f"TensorRT {version}: refused the batch profile"):
        build_engine(small_detector, tmp_path / "x.engine", settings=EVERYTHING)
    with pytest.raises(InputError, match=f"--sm: expected none with TensorRT {version}, .* got 86"):
        build_engine(small_detector, tmp_path / "x.engine", settings=CompilerSettings(compute_capabilities=(86,)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("protocol", "name"),
    [
        pytest.param(tensorrt_api.BuilderApi, "Builder", id="Builder"),
        pytest.param(tensorrt_api.ConfigApi, "IBuilderConfig", id="IBuilderConfig"),
        pytest.param(tensorrt_api.NetworkApi, "INetworkDefinition", id="INetworkDefinition"),
        pytest.param(tensorrt_api.ParserApi, "OnnxParser", id="OnnxParser"),
        pytest.param(tensorrt_api.ParserErrorApi, "ParserError", id="ParserError"),
        pytest.param(tensorrt_api.ProfileApi, "IOptimizationProfile", id="IOptimizationProfile"),
        pytest.param(tensorrt_api.TimingCacheApi, "ITimingCache", id="ITimingCache"),
        pytest.param(tensorrt_api.LayerApi, "ILayer", id="ILayer"),
        pytest.param(tensorrt_api.TensorApi, "ITensor", id="ITensor"),
    ],
)
def test_protocols_name_what_the_bindings_have(protocol: type, name: str) -> None:
    bound = getattr(pytest.importorskip("tensorrt_rtx"), name)
    methods = {key for key, _ in inspect.getmembers(protocol, inspect.isfunction) if not key.startswith("_")}
    wanted = methods | set(inspect.get_annotations(protocol))
    assert wanted
    assert {key for key in wanted if not hasattr(bound, key)} == set()

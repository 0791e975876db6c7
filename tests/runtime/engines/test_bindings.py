"""What is called of TensorRT's runtime is what its bindings have, and the fake has nothing that they lack."""

from __future__ import annotations

import inspect

import pytest

from singleshot.runtime.engines import bindings

from . import fake_tensorrt_runtime as fake
from .fake_cuda import FakeGpu

BOUND = {
    "RuntimeApi": "Runtime",
    "EngineApi": "ICudaEngine",
    "InspectorApi": "EngineInspector",
    "ContextApi": "IExecutionContext",
    "RuntimeConfigApi": "IRuntimeConfig",
    "RuntimeCacheApi": "IRuntimeCache",
}
FAKES = {
    "RuntimeApi": fake.Runtime,
    "EngineApi": fake.Engine,
    "InspectorApi": fake.Inspector,
    "ContextApi": fake.Context,
    "RuntimeConfigApi": fake.RuntimeConfig,
    "RuntimeCacheApi": fake.RuntimeCache,
}
RTX_ALONE = {"is_stream_capturable", "create_runtime_config"}
"""Known to be asked of RTX only; TensorRT 10.3 has neither."""


def names_of(protocol: str) -> tuple[set[str], set[str]]:
    """Methods and attributes that a protocol names."""
    api = getattr(bindings, protocol)
    methods = {name for name, _ in inspect.getmembers(api, inspect.isfunction) if not name.startswith("_")}
    return methods, set(inspect.get_annotations(api))


@pytest.mark.parametrize("protocol", BOUND)
def test_protocols_name_what_the_bindings_have(protocol: str) -> None:
    bound = getattr(pytest.importorskip("tensorrt_rtx"), BOUND[protocol])
    methods, attributes = names_of(protocol)
    assert {name for name in methods if not callable(getattr(bound, name, None))} == set()
    assert {name for name in attributes if not isinstance(getattr(bound, name, None), property)} == set()


@pytest.mark.parametrize("protocol", BOUND)
def test_parameters_are_those_of_the_bindings(protocol: str) -> None:
    """The bindings' signatures are in their docstrings."""
    bound = getattr(pytest.importorskip("tensorrt_rtx"), BOUND[protocol])
    api = getattr(bindings, protocol)
    for method in names_of(protocol)[0] - {"create_execution_context"}:  # overloaded: strategy or runtime_config
        wanted = list(inspect.signature(getattr(api, method)).parameters)[1:]
        text = getattr(bound, method).__doc__
        assert [name for name in wanted if f"{name}:" not in text] == [], method


@pytest.mark.parametrize("protocol", BOUND)
def test_the_fake_is_no_wider_than_the_protocol(protocol: str) -> None:
    methods, attributes = names_of(protocol)
    offered = {name for name in vars(FAKES[protocol]) if not name.startswith("_")} - {"handle", "plan", "state"}
    assert offered - {"strategy", "cache"} <= methods | attributes


@pytest.mark.parametrize("name", ["ExecutionContextAllocationStrategy", "DynamicShapesKernelSpecializationStrategy"])
def test_enumerations(name: str) -> None:
    bound = getattr(pytest.importorskip("tensorrt_rtx"), name)
    member = {"ExecutionContextAllocationStrategy": "USER_MANAGED"}.get(name, "EAGER")
    assert getattr(bound, member).name == member


def test_types_and_modes_are_named_as_here() -> None:
    bound = pytest.importorskip("tensorrt_rtx")
    assert {member.name for member in fake.DataType} <= set(bound.DataType.__members__)
    assert {member.name for member in fake.TensorIOMode} == set(bound.TensorIOMode.__members__)


def test_rtx_alone_is_asked_for_what_rtx_alone_has() -> None:
    methods = names_of("EngineApi")[0] | names_of("ContextApi")[0]
    assert methods >= RTX_ALONE
    state = fake.TensorRtState(gpu=FakeGpu())
    engine = fake.Engine(state, {"tensors": {}, "profiles": []})
    with pytest.raises(AssertionError):
        engine.create_runtime_config()


def test_the_log_keeps_errors_alone() -> None:
    bound = pytest.importorskip("tensorrt_rtx")
    log = bindings.logger_of(bound)
    log.log(bound.ILogger.Severity.WARNING, "warning")  # type: ignore[attr-defined]
    log.log(bound.ILogger.Severity.ERROR, "two\n  lines")  # type: ignore[attr-defined]
    assert log.errors == ["two lines"]

"""Reading what a package asks for."""

from __future__ import annotations

import pytest

from singleshot.tools.terminal import requirements
from singleshot.tools.terminal.requirements import Requirement, extras_of, read_requirement


@pytest.mark.parametrize(
    ("line", "requirement"),
    [
        pytest.param("numpy>=1.26", Requirement(name="numpy", least="1.26", extra=""), id="base"),
        pytest.param(
            'onnx>=1.17; extra == "export"', Requirement(name="onnx", least="1.17", extra="export"), id="extra"
        ),
        pytest.param("torch ; extra == 'train'", Requirement(name="torch", least="", extra="train"), id="any version"),
        pytest.param(
            'singleshot[evaluate,export]; extra == "train"',
            Requirement(name="singleshot", least="", extra="train", includes=("evaluate", "export")),
            id="includes extras",
        ),
        pytest.param("@ not a requirement", None, id="another form"),
    ],
)
def test_requirements_are_read(line: str, requirement: Requirement | None) -> None:
    assert read_requirement(line) == requirement


def test_an_extra_takes_in_what_it_includes() -> None:
    lines = ('onnx; extra == "export"', 'singleshot[export]; extra == "train"', 'torch; extra == "train"', "numpy")
    requirements = [item for line in lines if (item := read_requirement(line)) is not None]
    extras = extras_of(requirements)
    assert {name: [item.name for item in items] for name, items in extras.items()} == {
        "export": ["onnx"],
        "train": ["onnx", "torch"],
    }


def test_extras_that_include_each_other_end() -> None:
    lines = ('singleshot[b]; extra == "a"', 'singleshot[a]; extra == "b"', 'onnx; extra == "b"')
    requirements = [item for line in lines if (item := read_requirement(line)) is not None]
    assert [item.name for item in extras_of(requirements)["a"]] == ["onnx"]


@pytest.mark.parametrize(
    ("installed", "least", "is_met"),
    [
        pytest.param("1.18.0", "1.18", True, id="trailing zero"),
        pytest.param("1.9", "1.18", False, id="numbers, not letters"),
        pytest.param("2.0rc1", "1.18", True, id="a candidate"),
        pytest.param("2.1+cpu", "2.1", True, id="a local build"),
        pytest.param(None, "", False, id="absent"),
    ],
)
def test_versions_that_fit(monkeypatch: pytest.MonkeyPatch, installed: str | None, least: str, is_met: bool) -> None:
    monkeypatch.setattr(requirements, "version_of", lambda _: installed)
    assert Requirement(name="any", least=least, extra="").is_met is is_met

"""Imports run down only, between parts they are relative, and what is deployed never needs torch or onnx."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Set
from graphlib import CycleError, TopologicalSorter

import pytest

from singleshot.tests.imports import FLOORS, imports_of, modules
from singleshot.tests.places import ROOT

TRAINING = {"torch", "torchvision", "lightning", "onnxscript", "onnx"}
PAGES = {"jinja2", "matplotlib"}
NEVER = {
    "runtime": TRAINING | PAGES,
    "data": TRAINING | PAGES,
    "calib": TRAINING - {"onnx"} | PAGES,
    "train": PAGES,
    "export": PAGES,
}
LATE = {"calib": {"onnx"}}
"""What a part may import inside functions alone, because most of it is used where the package is not installed."""


def absolute_imports_of(source: str) -> Iterator[str]:
    """Give the dotted module of each import that is not relative."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def early_imports_of(source: str) -> set[str]:
    """Give the first names of the imports that run when the module is loaded."""
    found = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").split(".")[0])
    return found


def wrong_imports(source: str, package: str) -> list[str]:
    """Say what is wrong with the imports of one module of a package, a line each."""
    part = package.split(".", maxsplit=1)[0]
    wrong = [
        f"{name} is absolute: import it relatively"
        for name in absolute_imports_of(source)
        if name.split(".")[0] in {"singleshot", *FLOORS}
    ]
    wrong += [
        f"{part} imports {name} inside functions alone" for name in early_imports_of(source) & LATE.get(part, set())
    ]
    for name in imports_of(source, package):
        first, *rest = name.split(".")
        if first in NEVER.get(part, set()):
            wrong.append(f"{part} never imports {first}")
        if first == "singleshot" and rest and rest[0] in FLOORS and FLOORS.index(rest[0]) > FLOORS.index(part):
            wrong.append(f"{part} is below {rest[0]}")
    return wrong


def test_modules_keep_to_their_floors() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {line}"
        for package, path in modules()
        for line in wrong_imports(path.read_text(encoding="utf-8"), package)
    ]
    assert wrong == []


def import_graph() -> dict[str, set[str]]:
    """Give each module with the modules that it imports when it runs: `runtime.session`."""
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for _, path in modules()}
    known = {name.removesuffix(".__init__") for name in names.values()}
    graph = {}
    for package, path in modules():
        imported = imports_of(path.read_text(encoding="utf-8"), package, for_types=False)
        dotted = [name.removeprefix("singleshot.") for name in imported if name.startswith("singleshot.")]
        # The last name is a module's, or a name in it.
        found = {name if name in known else name.rpartition(".")[0] for name in dotted}
        graph[names[path].removesuffix(".__init__")] = found & known
    return graph


def package_graph(graph: Mapping[str, Set[str]]) -> dict[str, set[str]]:
    """Put packages in place of their modules; a module that stands directly on a floor stays by itself."""
    packages: dict[str, set[str]] = {}
    for module, imported in graph.items():
        package = package_of(module)
        packages.setdefault(package, set()).update({package_of(other) for other in imported} - {package})
    return packages


def package_of(module: str) -> str:
    """Give `export.gate` of `export.gate.judge`, and `runtime.session` of itself."""
    return ".".join(module.split(".")[:2])


def circle_in(graph: Mapping[str, Set[str]]) -> list[str]:
    """Give one circle, its first name at its end once more; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle_in(import_graph()) == []


def test_no_packages_import_each_other_in_a_circle() -> None:
    assert circle_in(package_graph(import_graph())) == []


def test_imports_are_seen() -> None:
    graph = import_graph()
    assert "runtime.errors" in graph["runtime.session"]
    assert "runtime.runners.openvino_runner" in graph["runtime.session"]  # inside a function
    for_types_alone = "if TYPE_CHECKING:\n    from .card import Card\nfrom .errors import InputError"
    assert list(imports_of(for_types_alone, "runtime", for_types=False)) == ["singleshot.runtime.errors.InputError"]


@pytest.mark.parametrize(
    ("graph", "circle"),
    [
        pytest.param({"calib.a": {"calib.b"}, "calib.b": set()}, set(), id="one way"),
        pytest.param({"calib.a": {"calib.b"}, "calib.b": {"calib.a"}}, {"calib.a", "calib.b"}, id="modules of a floor"),
        pytest.param(
            {"calib.x.a": {"calib.y.b"}, "calib.y.c": {"calib.x.d"}}, {"calib.x", "calib.y"}, id="packages alone"
        ),
        pytest.param(
            {"calib.a": {"calib.x.b"}, "calib.x.c": {"calib.a"}}, {"calib.a", "calib.x"}, id="a module and a package"
        ),
        pytest.param({"calib.x.a": {"calib.x.b"}, "calib.x.b": set()}, set(), id="within a package"),
    ],
)
def test_circles_by_hand(graph: dict[str, set[str]], circle: set[str]) -> None:
    assert set(circle_in(package_graph(graph))) == circle


@pytest.mark.parametrize(
    ("source", "package", "wrong"),
    [
        pytest.param("from ..runtime.card import Card", "calib", [], id="down"),
        pytest.param("from .card import Card", "runtime", [], id="within a part"),
        pytest.param("from .. import __version__", "runtime", [], id="the version"),
        pytest.param("from ...runtime.card import Card", "export.gate", [], id="down, three dots"),
        pytest.param("from ..engine.plan import Plan", "export.gate", [], id="beside, two dots"),
        pytest.param("from ...tools import cli", "export.gate", ["export is below tools"], id="up, three dots"),
        pytest.param("from ..runtime.card import Card", "data", [], id="data stands on the runtime"),
        pytest.param("from ..calib.records import x", "data", ["data is below calib"], id="data is below calib"),
        pytest.param("from ..train.ssd import SSD", "calib", ["calib is below train"], id="up"),
        pytest.param("from .. import export", "train", ["train is below export"], id="up by name"),
        pytest.param("def f():\n    from ..tools import cli", "export", ["export is below tools"], id="up, late"),
        pytest.param("import torch.nn", "runtime", ["runtime never imports torch"], id="torch"),
        pytest.param("from onnx import helper", "runtime", ["runtime never imports onnx"], id="onnx"),
        pytest.param(
            "def f():\n    from matplotlib.figure import Figure",
            "train",
            ["train never imports matplotlib"],
            id="a figure",
        ),
        pytest.param(
            "from onnx import helper", "calib", ["calib imports onnx inside functions alone"], id="onnx, early"
        ),
        pytest.param("def f():\n    from onnx import helper", "calib", [], id="onnx, late"),
        pytest.param("import onnxruntime", "runtime", [], id="onnxruntime is not onnx"),
        pytest.param(
            "from singleshot.runtime import card",
            "tools",
            ["singleshot.runtime is absolute: import it relatively"],
            id="absolute",
        ),
        pytest.param("import train.ssd", "tools", ["train.ssd is absolute: import it relatively"], id="a stray copy"),
    ],
)
def test_rule_by_hand(source: str, package: str, wrong: list[str]) -> None:
    assert wrong_imports(source, package) == wrong


def test_no_file_bears_the_name_of_a_dependency_or_a_standard_module() -> None:
    dependencies = {"av", "cv2", "lightning", "numpy", "pydantic", "rich", "typer", "onnxruntime", *TRAINING}
    names = {path.stem for _, path in modules()} - {"__init__"}
    assert names & (dependencies | set(sys.stdlib_module_names)) == set()

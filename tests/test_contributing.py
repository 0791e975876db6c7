"""The recipes for contributors name files and names that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from singleshot.tests.places import ROOT
from singleshot.tests.test_architecture import missing_paths

PAGES = ("CONTRIBUTING.md", "SECURITY.md", "docs/releasing.md", "docs/testing.md")


def names_bound(source: str) -> set[str]:
    """Give what a module defines at its top, and the fields of its classes."""
    bound: set[str] = set()
    for node in ast.parse(source).body:
        bound |= _bound_by(node)
        if isinstance(node, ast.ClassDef):
            bound |= {name for inner in node.body for name in _bound_by(inner)}
    return bound


def _bound_by(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def unknown_names(item: str, root: Path = ROOT) -> list[str]:
    """Give the names in code that no Python file named in the same item of a list defines."""
    files = re.findall(r"`([\w/]+\.py)`", item)
    bound = {name for file in files for name in names_bound((root / file).read_text(encoding="utf-8"))}
    named = re.findall(r"`([A-Z]\w*[a-z]\w*|[A-Z]+_?[A-Z]+|[a-z]+(?:_[a-z]+)+)`", item)
    return [name for name in named if name not in bound]


def items_of(markdown: str) -> list[str]:
    return re.split(r"^(?:\d\. |- )|^\n", markdown, flags=re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_paths_exist(page: str) -> None:
    assert missing_paths((ROOT / page).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "item", [item for item in items_of((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")) if ".py`" in item]
)
def test_names_are_defined_in_the_files_named_with_them(item: str) -> None:
    assert unknown_names(item) == []


def test_every_kind_of_part_has_a_recipe() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for kind in ("network", "backend", "source", "sink", "label layout", "command"):
        (recipe,) = re.findall(rf"^## A {kind}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
        assert re.findall(r"^1\. ", recipe, re.MULTILINE), kind
        assert "`tests/" in recipe, kind


@pytest.mark.parametrize(
    ("item", "unknown"),
    [
        pytest.param("a `Runner` of `runtime/runners/runner.py`", [], id="a class"),
        pytest.param("`least_side` of `train/networks/registry.py`", [], id="a field of a class"),
        pytest.param("`LAYOUTS` of `data/readers/find_reader.py`", [], id="a table"),
        pytest.param("`Runner` of `runtime/session.py`", ["Runner"], id="one that is only imported there"),
        pytest.param("`open_sessions` of `runtime/session.py`", ["open_sessions"], id="one that was renamed"),
        pytest.param("`train` and `make check` of `runtime/session.py`", [], id="words that are no names"),
    ],
)
def test_check_by_hand(item: str, unknown: list[str]) -> None:
    assert unknown_names(item) == unknown

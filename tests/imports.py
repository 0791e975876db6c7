"""What the project's modules import, read from their source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from singleshot.tests.places import ROOT

FLOORS = ("runtime", "data", "calib", "train", "export", "tools")
"""From the lowest to the highest."""


def modules() -> list[tuple[str, Path]]:
    """Give every module's file with the package that it is in, such as `export.gate`."""
    return [
        (".".join(path.relative_to(ROOT).parts[:-1]), path)
        for floor in FLOORS
        for path in sorted((ROOT / floor).rglob("*.py"))
    ]


def imports_of(source: str, package: str, *, for_types: bool = True) -> Iterator[str]:
    """Give the dotted name of each import, late ones as well, relative ones as `singleshot.…`.

    Args:
        source: of a module.
        package: that it is in, such as `export.gate`.
        for_types: include those that type checkers alone see.
    """
    parents = ["singleshot", *package.split(".")]
    for node in _nodes(ast.parse(source), for_types):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parents[: len(parents) + 1 - node.level] if node.level else []
            dotted = ".".join([*base, *([node.module] if node.module else [])])
            # `from .. import runtime` names a part among the names, not in the module.
            yield from (f"{dotted}.{alias.name}" for alias in node.names)


def _nodes(node: ast.AST, for_types: bool) -> Iterator[ast.AST]:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not for_types:
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _nodes(child, for_types)

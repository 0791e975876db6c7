"""The page on architecture names every package, and nothing that is not there."""

from __future__ import annotations

import re

import pytest

from singleshot.tests.imports import FLOORS
from singleshot.tests.places import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def mapped_packages(markdown: str) -> list[str]:
    """Give the first column of the table of packages, in its order."""
    (table,) = re.findall(r"^\| package \|.*\n\|---.*\n((?:\|.*\n)+)", markdown, re.MULTILINE)
    return re.findall(r"^\| `([^`]+)/` \|", table, re.MULTILINE)


def missing_paths(markdown: str) -> list[str]:
    """Give the paths from the root that are named and not there; of a file that has one too, its name alone will do."""
    named = re.findall(rf"`((?:{'|'.join((*FLOORS, 'tests', 'docs'))})/[^`\s]*)`", markdown)
    return [path for path in named if not (ROOT / path).exists()]


def test_every_package_stands_in_the_map_once() -> None:
    packages = [
        path.parent.relative_to(ROOT).as_posix() for floor in FLOORS for path in (ROOT / floor).rglob("__init__.py")
    ]
    assert sorted(mapped_packages(PAGE)) == sorted(packages)


def test_floors_stand_in_the_table_of_floors_from_the_top() -> None:
    (table,) = re.findall(r"^\| floor \|.*\n\|---.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert re.findall(r"^\| `(\w+)/`", table, re.MULTILINE) == list(reversed(FLOORS))


def test_paths_exist() -> None:
    assert missing_paths(PAGE) == []


@pytest.mark.parametrize(
    ("markdown", "missing"),
    [
        pytest.param("see `runtime/session.py` and `export/gate/`", [], id="both there"),
        pytest.param("see `runtime/sessions.py`", ["runtime/sessions.py"], id="a file that was renamed"),
        pytest.param("`a/b` is a fraction, `git show 1:x/y` a command", [], id="no path of ours"),
    ],
)
def test_check_by_hand(markdown: str, missing: list[str]) -> None:
    assert missing_paths(markdown) == missing

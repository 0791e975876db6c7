"""All but training runs on the oldest Python that can be installed on; training needs a newer one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement

from singleshot.runtime import require
from singleshot.runtime.errors import MissingDependencyError
from singleshot.tests.imports import FLOORS
from singleshot.tests.places import ROOT
from singleshot.tools.terminal import examination

# A float's `is_integer` is taken for an int's.
VERMIN = (
    sys.executable,
    "-c",
    "import vermin; vermin.main()",
    "--violations",
    "--no-tips",
    "-vvv",
    "--exclude",
    "int.is_integer",
)


def newer_than_oldest(*paths: Path) -> str:
    """Name the grammar and the names of the standard library that came after the oldest Python; empty for none."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest = project["requires-python"].removeprefix(">=")
    done = subprocess.run(
        [*VERMIN, f"--target={oldest}-", *map(str, paths)], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_all_but_training_keeps_to_the_oldest_python() -> None:
    assert newer_than_oldest(*(ROOT / floor for floor in FLOORS if floor != "train")) == ""


@pytest.mark.parametrize(
    ("source", "name"),
    [
        pytest.param("try:\n    f()\nexcept* ValueError:\n    pass", "`except*` requires", id="grammar"),
        pytest.param("import tomllib", "'tomllib' module", id="a module"),
        pytest.param("from typing import Self", "'typing.Self' member", id="a name that is imported"),
        pytest.param(
            "import itertools\nitertools.batched(x, 2)", "'itertools.batched' member", id="a name of a module"
        ),
        pytest.param("def f():\n    raise ExceptionGroup('', [])", "'ExceptionGroup' member", id="a builtin"),
        pytest.param("from __future__ import annotations\nmatch x:\n    case int() | None: pass", "", id="of 3.10"),
    ],
)
def test_check_by_hand(source: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(source)
    found = newer_than_oldest(tmp_path)
    assert (found == "") == (name == "")
    assert name in found


def test_training_on_an_old_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    require.require_training("training")
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
    with pytest.raises(MissingDependencyError, match=r"^training needs Python 3\.11 or newer, this is 3\.10\."):
        require.require_training("training")


def test_doctor_says_where_training_needs_a_newer_python(monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = [Requirement(f'x>=1; extra == "{extra}"') for extra in ("train", "export")]
    monkeypatch.setattr(require, "TRAINING_PYTHON", (sys.version_info[0], sys.version_info[1] + 1))
    export, train = examination.extras_findings(requirements, ("train", "export"))
    assert train.advice == "pip install 'singleshot[train]' in Python 3.11 or newer"
    assert export.advice == "pip install 'singleshot[export]'"
    (python,) = (item for item in examination.examine() if item.name == "Python")
    assert python.advice == "Training alone needs Python 3.11 or newer."

"""What is installed is exactly the package: every module once, the shipped files, nothing of the root."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
import tomli
from packaging.requirements import Requirement

import singleshot
from singleshot.tests.places import ROOT

PARTS = ("train", "export", "runtime", "data", "calib", "tools")
ROOT_FILES = {"__init__.py", "__main__.py", "py.typed"}
SCRIPTS = {
    "singleshot = singleshot.tools.cli:main",
    "rt-detect = singleshot.tools.rt_detect:main",
    "export-engine = singleshot.tools.export_engine:main",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of a copy: a build in place would leave folders behind, and take up what an older one left."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "singleshot-source"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", *ROOT_FILES):
        shutil.copy(ROOT / name, copy)
    for name in (*PARTS, "tests", "demo"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def info_file(wheel: zipfile.ZipFile, name: str) -> str:
    (path,) = (entry for entry in wheel.namelist() if entry.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def test_contents_are_exact(wheel: zipfile.ZipFile) -> None:
    modules = {path.relative_to(ROOT).as_posix() for part in PARTS for path in (ROOT / part).rglob("*.py")}
    folders = (ROOT / "runtime/shipped", ROOT / "runtime/live/page", ROOT / "tools/pages/templates")
    shipped = {path.relative_to(ROOT).as_posix() for folder in folders for path in folder.iterdir()}
    expected = {f"singleshot/{name}" for name in ROOT_FILES | modules | shipped}
    actual = [name for name in wheel.namelist() if ".dist-info/" not in name]
    assert sorted(actual) == sorted(expected)


def test_metadata(wheel: zipfile.ZipFile) -> None:
    metadata = Parser().parsestr(info_file(wheel, "METADATA"))
    assert metadata["Name"] == "singleshot"
    assert metadata["Version"] == singleshot.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    scripts = info_file(wheel, "entry_points.txt").splitlines()
    assert {line for line in scripts if "=" in line} == SCRIPTS


def test_the_base_alone_brings_no_training(wheel: zipfile.ZipFile) -> None:
    required = Parser().parsestr(info_file(wheel, "METADATA")).get_all("Requires-Dist", [])
    base = {line.split(">")[0] for line in required if "extra ==" not in line}
    assert base == {
        "av",
        "filelock",
        "jinja2",
        "numpy",
        "onnxruntime",
        "opencv-python",
        "packaging",
        "pydantic",
        "pyyaml",
        "rich",
        "tomli",
        "typer",
        "typing-extensions",
    }


def test_opencv_is_left_to_jetpack_on_a_jetson(wheel: zipfile.ZipFile) -> None:
    required = Parser().parsestr(info_file(wheel, "METADATA")).get_all("Requires-Dist", [])
    (opencv,) = (item for line in required if (item := Requirement(line)).name == "opencv-python")
    assert opencv.marker is not None
    assert not opencv.marker.evaluate({"extra": "", "platform_release": "5.15.148-tegra"})
    assert opencv.marker.evaluate({"extra": "", "platform_release": "6.8.0-45-generic"})


def test_the_readme_names_what_is_needed_beside_an_opencv_of_ones_own() -> None:
    base = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    names = sorted({Requirement(line).name for line in base} - {"opencv-python"})
    assert f"pip install {' '.join(names)}\npip install --no-deps .\n" in (ROOT / "docs" / "install.md").read_text(
        encoding="utf-8"
    )


def test_root_holds_no_stray_module() -> None:
    assert {path.name for path in ROOT.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_no_module_is_loaded_twice() -> None:
    """A second copy of a module has its own classes, and `except InputError` misses the other's."""
    for name in ("errors", "card", "runners.onnxruntime_runner"):
        importlib.import_module(f"singleshot.runtime.{name}")
    importlib.import_module("singleshot.tools.cli")
    names_by_file: dict[Path, set[str]] = {}
    for name, module in list(sys.modules.items()):
        path = Path(getattr(module, "__file__", None) or "none").resolve()
        if any(path.is_relative_to(ROOT / part) for part in PARTS):
            names_by_file.setdefault(path, set()).add(name)
    assert ROOT / "runtime/errors.py" in names_by_file
    assert {path.name: names for path, names in names_by_file.items() if len(names) > 1} == {}

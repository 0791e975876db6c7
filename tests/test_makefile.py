"""What `make` does while it sets up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from singleshot.tests.places import ROOT

PYTHON = f"""#!{sys.executable}
import shutil, sys
from pathlib import Path

log = Path("calls")
if sys.argv[1] == "-c":
    exec(sys.argv[2])
elif sys.argv[2] == "venv":
    log.write_text((log.read_text() if log.exists() else "") + "venv ")
    folder = Path(sys.argv[-1])
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "bin").mkdir(parents=True)
    shutil.copy(sys.argv[0], folder / "bin/python")
else:
    log.write_text(log.read_text() + "pip ")
    sys.exit(Path("cut_short").exists())
"""
"""Stands in for an interpreter: it makes no environment and installs nothing, and says what it was asked for."""


def environment() -> dict[str, str]:
    """Give what a shell has in which no `make` runs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}


def test_a_set_up_that_was_cut_short_starts_anew(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "cut_short").touch()
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    ready = f".venv/.ready-{sys.version_info.major}.{sys.version_info.minor}"
    command = ["make", f"PYTHON={python}", ready]
    assert subprocess.run(command, check=False, cwd=tmp_path, env=environment(), capture_output=True).returncode
    assert not (tmp_path / ready).exists()
    (tmp_path / "cut_short").unlink()
    for _ in range(2):  # the second time there is nothing to do
        subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, check=True)
    assert (tmp_path / "calls").read_text() == "venv pip venv pip "
    an_hour_on = time.time() + 3600
    os.utime(tmp_path / "pyproject.toml", (an_hour_on, an_hour_on))
    subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, check=True)
    assert (tmp_path / "calls").read_text() == "venv pip venv pip pip "  # what is whole is added to


def test_what_is_installed_does_not_shadow_the_checkout(tmp_path: Path) -> None:
    """`pip install '.[openvino]'` into .venv leaves a copy there that grows old and lacks the demo's clip."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    venv = tmp_path / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (site_packages,) = venv.glob("lib/*/site-packages")
    (venv / f".ready-{sys.version_info.major}.{sys.version_info.minor}").touch()
    for folder, said in ((tmp_path, "the checkout"), (site_packages / "singleshot", "the installed copy")):
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").touch()
        (folder / "__main__.py").write_text(f"print({said!r})")
    command = ["make", f"PYTHON={sys.executable}", "demo"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "the checkout"


def test_messages_of_the_set_up_leave_no_file(tmp_path: Path) -> None:
    """A package's lower bound has a `>` in it."""
    planned = subprocess.run(
        ["make", "--dry-run", "--always-make", "demo", "test"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    messages = [line for line in planned.stdout.splitlines() if line.startswith("echo ")]
    assert any("pytest>=8" in message for message in messages)
    for message in messages:
        subprocess.run(["sh", "-c", message], cwd=tmp_path, capture_output=True, check=True)
    assert list(tmp_path.iterdir()) == []

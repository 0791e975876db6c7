"""`make check-arm64` says what it lacks before it makes anything; its whole course takes an emulator and minutes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from singleshot.tests.places import ROOT

SCRIPT = ROOT / "tools" / "check_arm64.sh"
BASH = shutil.which("bash") or "bash"


def test_its_grammar() -> None:
    subprocess.run([BASH, "-n", SCRIPT], check=True)


@pytest.mark.parametrize(
    ("user", "programs", "message"),
    [
        pytest.param(
            1000,
            ("debootstrap", "qemu-aarch64-static"),
            "check-arm64: expected root, who may change roots, got another user. sudo make check-arm64 is.",
            id="somebody who may not",
        ),
        pytest.param(
            0,
            ("qemu-aarch64-static",),
            "check-arm64: expected debootstrap, got none. apt-get install debootstrap qemu-user-static brings it.",
            id="nothing that makes a root",
        ),
        pytest.param(
            0,
            ("debootstrap",),
            "check-arm64: expected qemu-aarch64-static, got none. "
            "apt-get install debootstrap qemu-user-static brings it.",
            id="no emulator",
        ),
    ],
)
def test_what_it_lacks_is_said_and_nothing_made(
    tmp_path: Path, user: int, programs: tuple[str, ...], message: str
) -> None:
    (tmp_path / "tools").mkdir()
    shutil.copy(SCRIPT, tmp_path / "tools")
    path = tmp_path / "bin"
    path.mkdir()
    for name, does in {"id": f"echo {user}", **dict.fromkeys(programs, "exit 3")}.items():
        (path / name).write_text(f"#!{BASH}\n{does}\n")
        (path / name).chmod(0o755)
    done = subprocess.run(
        [BASH, tmp_path / "tools" / SCRIPT.name],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message + "\n")
    assert not (tmp_path / "build").exists()

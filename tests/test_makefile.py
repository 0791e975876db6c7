"""What `make` says while it sets up goes to the terminal and nowhere else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_messages_of_the_set_up_leave_no_file(tmp_path: Path) -> None:
    """A package's lower bound has a `>` in it."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"
    }
    planned = subprocess.run(
        ["make", "--dry-run", "--always-make", "demo", "test"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    messages = [line for line in planned.stdout.splitlines() if line.startswith("echo ")]
    assert any("pytest>=8" in message for message in messages)
    for message in messages:
        subprocess.run(["sh", "-c", message], cwd=tmp_path, capture_output=True, check=True)
    assert list(tmp_path.iterdir()) == []

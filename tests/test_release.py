"""What a release and a hosting site read: versions, the check of the wheel, hooks, forms for issues."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import singleshot
from singleshot.tests.places import ROOT

INTERPRETER = """#!/usr/bin/env bash
if [[ "$1" == --version ]]; then echo Python 3.x; exit; fi
if [[ "$2" == pip ]]; then exit; fi
bin="${@: -1}/bin"
mkdir -p "$bin"
cp "$0" "$bin/python"
printf '#!/bin/sh\\n%s\\n' 'test "$1" = doctor && exit $DOCTOR; echo singleshot $VERSION' >"$bin/singleshot"
printf '#!/bin/sh\\n%s\\n' 'seq $LINES_FOUND >found.jsonl; touch found.mp4' >"$bin/rt-detect"
chmod +x "$bin"/*
"""
"""Stands in for one whose environments hold a singleshot that behaves as the test's variables say."""


def load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return content


def test_versions_agree() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, *earlier = re.findall(r"^## (.*)$", changelog, re.MULTILINE)
    assert first == "Unreleased" or re.fullmatch(r"\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)", first)
    released = earlier if first == "Unreleased" else [first]
    assert all(heading.startswith(f"{singleshot.__version__} (") for heading in released[:1])
    assert load("CITATION.cff")["version"] == singleshot.__version__


@pytest.mark.parametrize(
    ("version", "lines", "doctor", "message"),
    [
        pytest.param("1.2.3", "10", "0", "", id="as it should be"),
        pytest.param("1.2.2", "10", "0", "expected singleshot 1.2.3, 10 lines", id="another copy runs"),
        pytest.param("1.2.3", "9", "0", "got singleshot 1.2.3, 9 lines", id="a frame is missing"),
        pytest.param("1.2.3", "10", "1", "", id="doctor finds something broken"),
    ],
)
def test_check_of_the_wheel(tmp_path: Path, version: str, lines: str, doctor: str, message: str) -> None:
    python = tmp_path / "python"
    python.write_text(INTERPRETER)
    python.chmod(0o755)
    wheel = tmp_path / "singleshot-1.2.3-py3-none-any.whl"
    wheel.touch()
    done = subprocess.run(
        [ROOT / "tools/check_dist.sh", wheel, python, python],
        env={"PATH": "/usr/bin:/bin", "VERSION": version, "LINES_FOUND": lines, "DOCTOR": doctor},
        capture_output=True,
        text=True,
        check=False,
    )
    is_sound = (version, lines, doctor) == ("1.2.3", "10", "0")
    assert (done.returncode == 0) == is_sound, done.stderr
    assert done.stdout.count("Python 3.x: singleshot 1.2.3, 10 lines for 10 frames\n") == 2 * is_sound
    assert message in done.stderr


def test_the_hook_before_a_commit_is_what_ci_runs() -> None:
    ((hook,),) = (repository["hooks"] for repository in load(".pre-commit-config.yaml")["repos"])
    assert hook["entry"] in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert not hook["pass_filenames"]


@pytest.mark.parametrize("name", ["fault.yml", "wish.yml"])
def test_forms_for_issues_ask_for_the_machine(name: str) -> None:
    form = load(f".github/ISSUE_TEMPLATE/{name}")
    assert form["name"]
    assert form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)
    assert any("singleshot doctor --json" in field["attributes"]["label"] for field in fields)

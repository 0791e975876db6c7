"""What no tool checks: nothing of one developer's machine, nothing left to do, proportions."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

from singleshot.tests.places import ROOT

LONGEST_FILE = 500
LONGEST_FUNCTION = 60
TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".sh", ".json", ""}
BANNED = {
    "a machine's path": re.compile(r"(?<![\w.])/(?:home|root|Users|work)/\w"),
    "a package index": re.compile(r"(?:extra-)?index-url"),
    "something left to do": re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XXX)\b"),
}


def project_files() -> list[Path]:
    """Give what git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in sorted(set(listed.split("\0")) - {""}) if (path := ROOT / name).is_file()]


def modules() -> list[Path]:
    return [path for path in project_files() if path.suffix == ".py"]


def test_text_has_nothing_that_is_banned() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {what}"
        for path in project_files()
        if path.suffix in TEXT_SUFFIXES and path.name != "LICENSE"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for what, pattern in BANNED.items()
        if pattern.search(line) and not path.samefile(__file__)
    ]
    assert found == []


def test_proportions() -> None:
    outliers = []
    for path in modules():
        source = path.read_text(encoding="utf-8")
        if (lines := len(source.splitlines())) > LONGEST_FILE:
            outliers.append(f"{path.relative_to(ROOT)}: {lines} lines")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    outliers.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {length} lines")
    assert outliers == []

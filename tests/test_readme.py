"""What the documents tell a reader to type exists: verbs, flags, make targets, files linked to; their Python runs."""

from __future__ import annotations

import ast
import functools
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib
import typer.core
import typer.main

from singleshot.runtime.shipped import shipped_detector
from singleshot.tests.places import CLIP, PHOTOS, ROOT
from singleshot.tools.cli import VERBS, app
from singleshot.tools.site.pages import GENERATED

DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
ALIASES = {"rt-detect": "rt-detect", "export-engine": "build"}
"""Console scripts and the verb that each is."""


STAND_INS = {".onnx": shipped_detector(), ".mp4": CLIP, ".jpg": PHOTOS / "2010_000276.jpg"}
"""What a file that a Python block names is while the block runs, by its suffix."""


def python_blocks_in(markdown: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)


def run_block(block: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a Python block in a folder that holds the files it names."""
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            stand_in = STAND_INS.get(Path(node.value).suffix)
            if stand_in is not None:
                shutil.copy(stand_in, folder / node.value)
    return subprocess.run([sys.executable, "-c", block], cwd=folder, capture_output=True, text=True, check=False)


def commands_in(markdown: str) -> list[str]:
    """Give each line of the fenced shell blocks, continued lines joined, prompts and comments taken off."""
    blocks = re.findall(r"^```(?:sh|bash|console|shell)\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ") for line in map(str.strip, lines) if line and not line.startswith("#")]


@functools.cache
def verbs() -> dict[str, typer.core.TyperCommand]:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    context = group.make_context("singleshot", ["--help"], resilient_parsing=True)
    found = {name: group.get_command(context, name) for name in VERBS}
    return {name: verb for name, verb in found.items() if isinstance(verb, typer.core.TyperCommand)}


def parsing_problem(verb: str, arguments: list[str]) -> str | None:
    """Let the command line itself read what is typed, without running it."""
    try:
        verbs()[verb].make_context(verb, arguments)
    except Exception as error:
        if hasattr(error, "format_message"):  # click's, or typer's copy of it
            return f"{verb}: {error.format_message()}"
        if type(error).__name__ == "Exit":  # --help was asked for
            return None
        raise
    return None


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def words_of(command: str) -> list[str]:
    """Give what a shell hands to a program: no comment, nothing from the first redirection, pipe or substitution on."""
    words = shlex.split(command, comments=True)
    ends = [at for at, word in enumerate(words) if word in {"|", "&&", ";"} or word.startswith((">", "2>", "$("))]
    return words[: ends[0]] if ends else words


def problems_of(command: str) -> list[str]:
    """Say what of one command does not exist or cannot be; a command of another program has no problems."""
    words = words_of(command)
    if "singleshot" in words[1:] and words[words.index("singleshot") - 1] == "-m":  # torchrun ... -m singleshot
        words = words[words.index("singleshot") :]
    program = Path(words[0]).name
    if program == "make":
        targets = [word for word in words[1:] if "=" not in word]
        return [f"make has no target {target}" for target in targets if target not in make_targets()]
    if program == "singleshot":
        if len(words) < 2 or words[1].startswith("--"):
            return [f"singleshot has no option {word}" for word in words[1:] if word not in {"--help", "--version"}]
        verb, arguments = words[1], words[2:]
    elif program in ALIASES:
        verb, arguments = ALIASES[program], words[1:]
    else:
        return []
    if verb not in verbs():
        return [f"singleshot has no verb {verb}"]
    problem = parsing_problem(verb, arguments)
    return [problem] if problem else []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(document: Path) -> None:
    commands = commands_in(document.read_text(encoding="utf-8"))
    assert [problem for command in commands for problem in problems_of(command)] == []


def test_every_extra_stands_once_among_those_to_install() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`pip install[^|]*)\|", page, re.MULTILINE)
    named = [extra for row in rows for extra in re.findall(r"\.\[([\w-]+)\]", row)]
    assert sorted(named) == sorted(set(project["optional-dependencies"]) - {"dev", "docs"})


PYTHON_BLOCKS = [
    pytest.param(block, id=f"{document.name} {number}")
    for document in DOCUMENTS
    for number, block in enumerate(python_blocks_in(document.read_text(encoding="utf-8")), start=1)
]


@pytest.mark.parametrize("block", PYTHON_BLOCKS)
def test_python_blocks_run(block: str, tmp_path: Path) -> None:
    done = run_block(block, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout  # a block shows what it found


def test_the_quickstart_shows_python() -> None:
    assert python_blocks_in((ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8"))


def test_the_readme_is_one_screen() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 55


@pytest.mark.parametrize(
    ("block", "error"),
    [
        pytest.param("import cv2\nprint(cv2.imread('photo.jpg').shape)", "", id="a file that stands in"),
        pytest.param("print(open('notes.txt').read())", "FileNotFoundError", id="a file that nothing stands in for"),
        pytest.param("import singleshot\nsingleshot.fly()", "AttributeError", id="a function that is not there"),
    ],
)
def test_blocks_by_hand(block: str, error: str, tmp_path: Path) -> None:
    done = run_block(block, tmp_path)
    assert (done.returncode == 0) == (not error)
    assert error in done.stderr


def test_readme_shows_the_first_commands() -> None:
    programs = {command.split()[0] for command in commands_in((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert {"make", "singleshot", "rt-detect"} <= programs


def test_contributing_shows_what_every_change_must_pass() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = {command.split("#")[0].strip() for command in commands_in(page)}
    passed = re.findall(r"^make .*$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)
    assert passed
    assert [command for command in passed if command not in shown] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_linked_files_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text) + re.findall(r'(?:src|href)="([^":#]+)"', text)
    assert [target for target in targets if not (document.parent / target).exists() and target not in GENERATED] == []


@pytest.mark.parametrize(
    ("command", "problems"),
    [
        pytest.param("singleshot --help", [], id="help"),
        pytest.param("singleshot fly --to moon", ["singleshot has no verb fly"], id="no such verb"),
        pytest.param("rt-detect --video 0 --speed 3", ["rt-detect: No such option: --speed"], id="no such option"),
        pytest.param("rt-detect --video dog.mp4 --score dog=0.4", [], id="an option with a value"),
        pytest.param("rt-detect --video a --threads few", ["rt-detect: Invalid value for '--threads'"], id="no number"),
        pytest.param("singleshot export x.ckpt", ["export: Missing option"], id="something is missing"),
        pytest.param("singleshot train ssd7 --print-config > my.toml", [], id="a redirection"),
        pytest.param("torchrun --nnodes 2 -m singleshot fly", ["singleshot has no verb fly"], id="by torchrun"),
        pytest.param("make PYTHON=python3.12 tests", ["make has no target tests"], id="no such target"),
        pytest.param("pip install 'singleshot[train]'", [], id="another program"),
    ],
)
def test_check_by_hand(command: str, problems: list[str]) -> None:
    found = problems_of(command)
    assert len(found) == len(problems)
    assert all(told.startswith(problem) for told, problem in zip(found, problems, strict=True))


def test_commands_are_found() -> None:
    markdown = "```sh\n# a comment\n$ singleshot train \\\n  --data x\n```\ntext\n```python\nsingleshot = 1\n```\n"
    assert [" ".join(line.split()) for line in commands_in(markdown)] == ["singleshot train --data x"]

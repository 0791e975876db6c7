"""Every command of the documents is run by a test here, or left out with a reason that still holds for something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from singleshot.tests.fixtures.doc_runs import INSTEAD, LEFT_OUT, PARTS, left_out, script_of
from singleshot.tests.fixtures.documented import PAGES, Block, blocks_of, lines_of, pictures_of, text_of

EVERY_PAGE = (*PAGES, "commands.md")
LINES = [
    line
    for page in EVERY_PAGE
    for block in blocks_of(text_of(page))
    for line in (lines_of(block.text) if block.language == "sh" else [block.text])
]


def test_pages_with_something_to_run_are_run_once() -> None:
    with_commands = {page for page in EVERY_PAGE if any(map(script_of, blocks_of(text_of(page))))}
    run = [page for pages in PARTS.values() for page in pages]
    assert sorted(run) == sorted(with_commands)


@pytest.mark.parametrize("pattern", LEFT_OUT)
def test_what_is_left_out_is_there(pattern: str) -> None:
    assert [line for line in LINES if re.search(pattern, line)]


@pytest.mark.parametrize("pattern", [pattern for pattern, *_ in INSTEAD])
def test_what_is_run_instead_is_there(pattern: str) -> None:
    assert [line for line in LINES if left_out(line) is None and re.search(pattern, line, re.MULTILINE)]


def test_each_picture_is_named_by_a_command_of_a_page_that_shows_it() -> None:
    shown: dict[Path, str] = {}
    for page in EVERY_PAGE:
        for picture in pictures_of(page):
            shown[picture] = shown.get(picture, "") + text_of(page)
    assert shown
    for picture, text in shown.items():
        commands = "".join(block.text for block in blocks_of(text))
        assert picture.as_posix() in commands or picture.parent.as_posix() in commands, picture


@pytest.mark.parametrize(
    ("markdown", "commands"),
    [
        pytest.param("```sh\n# a comment\nmake demo\n```\n", ["make demo"], id="a block"),
        pytest.param("```sh\na \\\n  b\nc\n```\n", ["a \\\n  b", "c"], id="a line that goes on"),
        pytest.param(
            "```sh\ncat > x <<'END'\n# kept\n\ny\nEND\nz\n```\n", ["cat > x <<'END'\n# kept\n\ny\nEND", "z"], id="text"
        ),
        pytest.param(
            "`singleshot quantize a.onnx --fp16` and `singleshot quantize`",
            ["singleshot quantize a.onnx --fp16"],
            id="a command, and a verb",
        ),
        pytest.param(
            "`singleshot export\nmine.ckpt -o a.onnx`", ["singleshot export mine.ckpt -o a.onnx"], id="over two lines"
        ),
        pytest.param("`singleshot inspect FILE` `singleshot tune --storage postgresql://…`", [], id="forms"),
        pytest.param("```toml\nmodel = 1\n```\n", [], id="a block of something else"),
    ],
)
def test_commands_by_hand(markdown: str, commands: list[str]) -> None:
    assert [line for block in blocks_of(markdown) for line in lines_of(block.text)] == commands


@pytest.mark.parametrize(
    ("line", "script"),
    [
        pytest.param(
            "rt-detect --video cam0 --show", "rt-detect --video 'synthetic://?frames=40'\n", id="a camera and a window"
        ),
        pytest.param(
            "rt-detect --video cam0 --live 8080",
            "rt-detect --video 'synthetic://?frames=40' --live 127.0.0.1:0\n",
            id="a page",
        ),
        pytest.param(
            "singleshot train ssd7 --data x --epochs 40",
            "singleshot train ssd7 --epochs 1 --config 96.toml --data x --epochs 1\n",
            id="epochs",
        ),
        pytest.param("pip install .", "", id="left out"),
    ],
)
def test_scripts_by_hand(line: str, script: str) -> None:
    assert script_of(Block(language="sh", text=f"{line}\n")) == script

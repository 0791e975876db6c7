"""The page of commands has what the command line has."""

from __future__ import annotations

import pytest

from singleshot.tools.cli import VERBS
from singleshot.tools.site.commands import commands_page

PAGE = commands_page()


def part_of(verb: str) -> str:
    return PAGE.split(f"\n## {verb}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_part(verb: str) -> None:
    assert f"| [`{verb}`](#{verb}) |" in PAGE
    assert f"singleshot {verb} " in part_of(verb)
    assert "| option | what it is |" in part_of(verb)


def test_options_have_their_words_and_defaults() -> None:
    part = part_of("handover")
    assert "deepstream&#124;gstreamer&#124;frigate" in part
    assert "| Who takes it over. | required |" in part
    assert "-o, --out DIR" in part
    assert "```sh\nsingleshot handover animals.onnx --to triton -o models\n```" in part


def test_nothing_of_a_cell_breaks_the_table() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    assert rows
    assert {line.count("|") for line in rows} == {3, 4}  # two columns in the list of verbs, three in each part

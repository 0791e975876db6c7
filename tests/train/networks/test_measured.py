"""What is told of networks is what the documentation says was measured."""

from __future__ import annotations

import re

import pytest

from singleshot.tests.places import ROOT
from singleshot.train.networks.measured import LAUNCHES, REACHED, Reached
from singleshot.train.networks.registry import NETWORKS

SHIPPED_ROWS = ("| **mean of the five animals** |", "| of 320 x 320 |")
"""Of `ssd_lite0`, in the section of the shipped detector, which does not name it in each row."""


def sections(text: str) -> dict[str, str]:
    """Split a page into what stands under each of its headings, down to the next of any level."""
    parts = re.split(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_launches_are_those_of_the_table() -> None:
    text = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| \d+ \| [\d.]* ?\| [^|]*\\\|[^|]*\| (\d+) ", text, flags=re.MULTILINE)
    assert {name: int(count) for name, count in rows} == LAUNCHES
    assert set(LAUNCHES) == set(NETWORKS)


@pytest.mark.parametrize(
    ("name", "reached"),
    [pytest.param(name, one, id=f"{name}, {one.value}") for name, several in REACHED.items() for one in several],
)
def test_what_was_reached_stands_in_its_section(name: str, reached: Reached) -> None:
    assert name in NETWORKS
    text = sections((ROOT / "docs" / "results.md").read_text(encoding="utf-8"))[reached.section]
    rows = [line for line in text.splitlines() if line.startswith((f"| `{name}` |", *SHIPPED_ROWS))]
    figures = (f"{reached.value:.3f}", f"{100 * reached.value:.1f} %")
    assert any(figure in row for row in rows for figure in figures)


def test_a_line_says_what_was_measured_on_what() -> None:
    reached = REACHED["ssd_resnet"][0]
    assert reached.line.startswith("AP50 (VOC) 0.372 on IMAGENET25, seeded-val (2,500 images), at 64 x 64: the modern")
    assert reached.short == "AP50"

"""Figures say what they were given, in the page's own colour of text, the same each time."""

from __future__ import annotations

from singleshot.tests.fixtures.parsed_page import ParsedPage
from singleshot.tools.pages.figure import BLUE, ORANGE, bars, lines


def texts_of(figure: str) -> list[str]:
    return ParsedPage(figure).figure_texts


def test_bars_have_names_values_and_shares() -> None:
    drawn = bars("objects", ["cat", "dog", "cow"], [4, 2, 0], parts=[1, 2, 0])
    assert texts_of(drawn) == ["cat", "dog", "cow", "4 (25%)", "2 (100%)", "0", "objects"]
    assert drawn.count(f"fill: {BLUE}") == drawn.count(f"fill: {ORANGE}") == 3


def test_bars_of_the_same_name_stay_apart() -> None:
    assert texts_of(bars("importance", ["a", "a"], [0.5, 0.25], form=".2f")) == ["a", "a", "0.50", "0.25", "importance"]


def test_no_bars_are_a_title() -> None:
    assert texts_of(bars("objects", [], [], parts=[])) == ["objects"]


def test_what_is_validated_has_its_counterpart_s_colour_and_is_dotted() -> None:
    series = {"loss": ([0, 1, 2], [3.0, 2.0, 1.0]), "box_loss": ([0, 1], [1.0, 0.5]), "val_loss": ([2], [1.5])}
    drawn = lines("loss", series)
    assert {"loss", "box_loss", "val_loss", "epoch"} <= set(texts_of(drawn))
    assert drawn.count("stroke-dasharray") >= 1
    assert "#2ca02c" not in drawn, "two colours are enough for two pairs"


def test_a_figure_follows_the_page_s_colours_and_is_the_same_each_time() -> None:
    drawn = bars("objects", ["cat"], [1])
    assert drawn == bars("objects", ["cat"], [1])
    assert "currentColor" in drawn
    assert "#000000" not in drawn
    assert ' id="figure_1"' not in drawn, "numbers begin anew in each figure of a page"
    assert "http" not in drawn

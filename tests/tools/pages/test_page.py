"""A page is one file, and names stay text in it, whatever they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from jinja2 import UndefinedError

from singleshot.runtime.errors import InputError
from singleshot.tests.fixtures.parsed_page import ParsedPage
from singleshot.tools.pages.figure import bars, lines
from singleshot.tools.pages.page import page_text, save_page, shrunk

HOSTILE = [
    pytest.param("<script>alert(1)</script>", id="a script"),
    pytest.param("</svg></style></title><b>", id="ends of what it stands in"),
    pytest.param("\"' onload='alert(1)' x=\"", id="quotes"),
    pytest.param("&lt;b&gt; &amp;", id="what is escaped already"),
    pytest.param("{{ title }}{% raw %}", id="a template"),
    pytest.param("a$\\frac{$b_{", id="half a formula"),
    pytest.param("猫", id="a letter that matplotlib lacks"),
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_stays_text(name: str, recwarn: pytest.WarningsRecorder) -> None:
    figures = [bars(name, [name], [2], parts=[1]), lines(name, {name: ([0, 1], [2, 3]), "val_x": ([0], [1])})]
    page = ParsedPage(
        page_text(
            "tuning",
            title=name,
            trials=[[name, "0.5"]],
            best=_Best(),
            history=figures[0],
            importances=figures[1],
            slices=figures,
            heads=["trial", "value"],
            settings=name,
        )
    )
    assert page.title == name
    assert page.tables == [[{"trial": name, "value": "0.5"}]]
    assert page.figures == [name] * 4
    assert page.figure_texts.count(name) >= 4
    assert page.text.endswith(name)
    assert {"script", "b"}.isdisjoint(page.tags)
    assert not recwarn.list


class _Best:
    value, number = 0.5, 3


def test_a_value_that_the_template_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'sections' is undefined"):
        page_text("inspection", title="one", inspection={"kind": "graph", "size_bytes": 1, "precision": "fp32"})


def test_nothing_is_written_where_the_page_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(UndefinedError):
        save_page(tmp_path / "page.html", "tuning", title="one")
    with pytest.raises(InputError, match=r"page: expected a name that ends in \.html, got none\."):
        save_page(tmp_path / "page", "tuning", title="one")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("side_px", [pytest.param(50, id="smaller"), pytest.param(400, id="larger")])
def test_the_longer_side_gets_the_size_that_was_asked_for(side_px: int) -> None:
    small, scale = shrunk(np.zeros((100, 200, 3), np.uint8), side_px)
    assert small.shape == (side_px // 2, side_px, 3)
    assert scale == side_px / 200

"""Names are drawn in letters that OpenCV has, and told apart where it has none of theirs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from singleshot.runtime.sinks import lettering
from singleshot.runtime.sinks.overlay import draw_detections
from singleshot.tests.fixtures.found import detections


@pytest.fixture
def only_ascii(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As OpenCV 4."""
    monkeypatch.setattr(lettering, "_can_draw", str.isascii)
    for cached in (lettering.drawable, lettering._shown_names):
        cached.cache_clear()
    yield
    for cached in (lettering.drawable, lettering._shown_names):
        cached.cache_clear()


@pytest.mark.usefixtures("only_ascii")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("traffic light", "traffic light", id="ASCII"),
        pytest.param("Größe", "Grosse", id="marks and a letter of its own"),
        pytest.param("N\u0303andu\u0301", "Nandu", id="marks that stand alone"),
        pytest.param("Đặng Łódź", "Dang Lodz", id="letters with strokes"),
        pytest.param("кошка", "class 0", id="letters that have no ASCII form"),
        pytest.param("tab\tand\nline", "tab and line", id="no letters at all"),
        pytest.param("", "class 0", id="nothing"),
    ],
)
def test_where_ascii_alone_can_be_drawn(name: str, shown: str) -> None:
    assert lettering.shown_names([name]) == (shown,)


@pytest.mark.usefixtures("only_ascii")
def test_names_that_would_look_the_same_go_by_their_numbers() -> None:
    assert lettering.shown_names(["Ñu", "Nu", "кот", "dog"]) == ("class 0", "class 1", "class 2", "dog")


@pytest.mark.parametrize("name", ["Größe", "кошка", "猫", "ไทย", "كلب", "dog"])
def test_no_name_is_drawn_as_question_marks(name: str) -> None:
    (shown,) = lettering.shown_names([name])
    assert "?" not in shown
    image, box = np.zeros((120, 240, 3), np.uint8), (0.9, 0, [0.2, 0.5, 0.8, 0.9])
    marks = "?" * len(name), "?" * len(name.encode())
    drawn = draw_detections(image, detections(box), [name])
    assert not any(np.array_equal(drawn, draw_detections(image, detections(box), [each])) for each in marks)


def test_right_to_left_letters_are_not_drawn_unjoined() -> None:
    assert lettering.shown_names(["dog", "كلب"]) == ("dog", "class 1")

"""Each message that the code can raise stands on the page of messages, under an anchor of its own."""

from __future__ import annotations

import re

import pytest

from singleshot.tests.messages import PAGE, messages_in, page


def test_the_page_is_as_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m singleshot.tests.messages"


def test_anchors_are_there_and_differ() -> None:
    text = PAGE.read_text(encoding="utf-8")
    anchors = re.findall(r'^- <a id="([\w-]+)"></a>', text, re.MULTILINE)
    assert len(anchors) > 400
    assert len(anchors) == len(set(anchors)) == text.count("\n- ")


@pytest.mark.parametrize(
    ("source", "messages"),
    [
        pytest.param(
            'raise InputError(f"{path}: expected {len(a)} rows, got {self._count!r}.")',
            ["*path*: expected … rows, got *count*."],
            id="names stay, what is computed is a gap",
        ),
        pytest.param('raise InputError("a: " + mend)', ["a: …"], id="texts put together"),
        pytest.param('return f"expected the plan, got {it}"', ["expected the plan, got *it*"], id="half of a message"),
        pytest.param('raise InputError(f"{path}: {error}.")', ["*path*: *error*."], id="the words of another"),
        pytest.param("raise InputError(text)", [], id="a text that stands elsewhere"),
        pytest.param('"""A: expected nothing here."""', [], id="a docstring"),
        pytest.param('raise InputError("--a_b: expected <C>")', [r"--a\_b: expected \<C>"], id="signs of Markdown"),
    ],
)
def test_messages_by_hand(source: str, messages: list[str]) -> None:
    assert list(messages_in(source)) == messages

"""A token is asked for beyond this machine, and is told only where the run made it."""

from __future__ import annotations

import pytest

from singleshot.runtime.errors import InputError
from singleshot.runtime.live.tokens import VARIABLE, token_for


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.7", "localhost", "::1"])
def test_this_machine_needs_none(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert token_for(host, None) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "door.example", "::"])
def test_elsewhere_one_is_made(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    made = [token_for(host, None), token_for(host, None)]
    texts = {token.text for token in made if token is not None and token.is_made}
    assert len(texts) == 2
    assert all(len(text) >= 20 for text in texts)


def test_the_environment_may_hold_it_and_no_repr_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "what the environment says")
    token = token_for("127.0.0.1", None)
    assert token is not None
    assert (token.text, token.is_made) == ("what the environment says", False)
    assert token.text not in repr(token)
    assert token.is_equal("what the environment says")
    assert not token.is_equal("what the environment sayß")
    assert not token.is_cookie(token.text)
    told = token_for("0.0.0.0", "what the file says")
    assert told is not None
    assert told.text == "what the file says"


def test_one_that_can_be_guessed_is_refused_without_being_shown() -> None:
    with pytest.raises(InputError, match=r"^live_token: expected at least 16 characters, got 6\.") as refused:
        token_for("0.0.0.0", "secret")
    assert "secret" not in str(refused.value)

"""Strangers, other sites and other names of this machine are kept out; the token is in no address."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("starlette")

from starlette.testclient import TestClient, WebSocketDenialResponse

from singleshot.runtime.live.access import Door
from singleshot.runtime.live.app import live_app
from singleshot.runtime.live.hub import Hub
from singleshot.runtime.live.tokens import Token
from singleshot.tests.fixtures.live_page import GivenRun

HERE = "http://127.0.0.1:8080"
THERE = "http://10.0.0.5:8080"
TOKEN = Token(text="a-token-of-some-length", is_made=False)


def client(token: Token | None, url: str) -> Iterator[TestClient]:
    with Hub(["door", "yard"]) as hub:
        app = live_app(GivenRun().state(hub), Door(token=token, port=8080))
        with TestClient(app, base_url=url, follow_redirects=False) as made:
            yield made


@pytest.fixture
def here() -> Iterator[TestClient]:
    yield from client(None, HERE)


@pytest.fixture
def there() -> Iterator[TestClient]:
    yield from client(TOKEN, THERE)


@pytest.mark.parametrize("path", ["/", "/static/live.js", "/access", "/nothing"])
def test_browsers_are_told_what_to_refuse(here: TestClient, path: str) -> None:
    headers = here.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        pytest.param("127.0.0.1:8080", 200, id="by its number"),
        pytest.param("localhost:9000", 200, id="by its name, through a tunnel"),
        pytest.param("[::1]:8080", 200, id="by its newer number"),
        pytest.param("evil.example:8080", 403, id="a site that gave its name this machine's address"),
        pytest.param("127.0.0.1.evil.example", 403, id="a name that begins like it"),
        pytest.param("[", 403, id="no name at all"),
    ],
)
def test_without_a_token_the_page_has_this_machines_names_alone(here: TestClient, host: str, status: int) -> None:
    assert here.get("/", headers={"host": host}).status_code == status


def test_who_has_the_token_gets_a_cookie_and_an_address_without_it(there: TestClient) -> None:
    assert there.get("/").status_code == 401
    answer = there.get(f"/?token={TOKEN.text}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN.text not in cookie
    assert there.get("/").status_code == 200
    assert there.get("/access").status_code == 204


def test_the_form_takes_the_token_too(there: TestClient) -> None:
    wrong = there.post("/enter", data={"token": "wrong"}, headers={"origin": THERE})
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
    right = there.post("/enter", data={"token": TOKEN.text}, headers={"origin": THERE})
    assert right.status_code == 303
    assert there.get("/").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        pytest.param("GET", "/?token=wrong", {}, 401, id="a wrong token"),
        pytest.param("GET", "/?token=", {}, 401, id="an empty token"),
        pytest.param("GET", "/?token=%C3%A4%00", {}, 401, id="a token of odd bytes"),
        pytest.param("GET", "/static/live.js", {}, 401, id="a file without a token"),
        pytest.param(
            "GET", "/access", {"headers": {"cookie": "singleshot-8080=x"}}, 401, id="a cookie of one's making"
        ),
        pytest.param(
            "GET", "/access", {"headers": {"cookie": f"singleshot-8080={TOKEN.text}"}}, 401, id="the token as a cookie"
        ),
        pytest.param("GET", "/static/style.css", {}, 200, id="the look of the form"),
        pytest.param("POST", "/enter", {"data": {"token": TOKEN.text}}, 403, id="a form of nowhere"),
        pytest.param(
            "POST",
            "/enter",
            {"data": {"token": TOKEN.text}, "headers": {"origin": "http://evil.example"}},
            403,
            id="a form of another site",
        ),
        pytest.param(
            "POST", "/enter", {"content": b"x" * 5000, "headers": {"origin": THERE}}, 413, id="a form without end"
        ),
    ],
)
def test_strangers_are_refused(
    there: TestClient, method: str, path: str, options: dict[str, object], status: int
) -> None:
    answer = there.request(method, path, **options)  # type: ignore[arg-type]
    assert answer.status_code == status
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("origin", "cookie", "status"),
    [
        pytest.param("http://evil.example", True, 403, id="another site, with the browser's cookie"),
        pytest.param("http://10.0.0.5:9999", True, 403, id="another port of this machine"),
        pytest.param("", True, 403, id="no site at all"),
        pytest.param(THERE, False, 401, id="this page without its cookie"),
    ],
)
def test_nobody_else_opens_a_connection(there: TestClient, origin: str, cookie: bool, status: int) -> None:
    if cookie:
        there.get(f"/?token={TOKEN.text}")
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        there.websocket_connect("ws://10.0.0.5:8080/viewer", headers={"origin": origin}),
    ):
        pass
    assert refused.value.status_code == status

"""The page in a browser: it shows what runs, sets what is set, keeps strangers out and comes back by itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tomli

from singleshot.runtime.live.tokens import VARIABLE
from singleshot.tests.fixtures.mjpeg_camera import jpeg, mjpeg_camera
from singleshot.tests.fixtures.running import running
from singleshot.tests.places import GRAPHS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "singleshot.tools.rt_detect"]
STARTED_WITHIN_S = 60.0
SEEN_WITHIN_MS = 15_000
SHOWN_WITHIN_S = 5.0

CAMERAS = f"""# every corner has something in it
model = "{(GRAPHS / "quarters.onnx").as_posix()}"
live = 0
score = 0.06

[cameras.door]
source = "synthetic://?paced=1&fps=15"  # by the door

[cameras.yard]
source = "synthetic://?paced=1&fps=15&seed=1"
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    pytest.importorskip("starlette")
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed (tests/apt.txt lists it)")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def served(config: Path, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start a run; give the address of its page, as it prints it."""
    said = config.with_suffix(".err")
    variables = {key: value for key, value in os.environ.items() if key != VARIABLE} | environment
    with said.open("w") as stderr, running([*COMMAND, "--config", config], stderr=stderr, env=variables) as process:
        deadline_s = time.monotonic() + STARTED_WITHIN_S
        while not (lines := [line for line in said.read_text().splitlines() if line.startswith("live: ")]):
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < deadline_s, said.read_text()
            time.sleep(0.1)
        yield lines[0].removeprefix("live: ").partition(",")[0], process


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("live") / "cameras.toml"
    path.write_text(CAMERAS)
    return path


@pytest.fixture(scope="module")
def url(config: Path, browser: Browser) -> Iterator[str]:
    with served(config) as (address, _):
        yield address


@contextmanager
def looked_at(browser: Browser, url: str, **context: object) -> Iterator[Page]:
    """Open the page; nothing may go wrong in it, and nothing be asked of elsewhere."""
    opened = browser.new_context(**context)  # type: ignore[arg-type]
    page = opened.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(url.partition("?")[0]) else wrong.append(asked.url))
    page.goto(url)
    page.wait_for_selector("[data-state=connected]", state="attached")
    yield page
    assert wrong == []
    opened.close()


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    with looked_at(browser, url, viewport={"width": 1280, "height": 900}) as opened:
        yield opened


def picture(page: Page, camera: str) -> str:
    data: str = page.evaluate("name => document.querySelector(`[data-name=${name}] canvas`).toDataURL()", camera)
    return data


def until(is_so: Callable[[], bool], within_s: float = SEEN_WITHIN_MS / 1e3) -> float:
    """Wait; give how long it took, in seconds."""
    started_s = time.monotonic()
    while not is_so():
        assert time.monotonic() < started_s + within_s, "it never was so"
        time.sleep(0.05)
    return time.monotonic() - started_s


def test_pictures_move_and_figures_come(page: Page) -> None:
    for camera in ("door", "yard"):
        page.wait_for_selector(f"[data-name={camera}] .state[data-state=live]")
        seen = {picture(page, camera)}
        until(lambda camera=camera, seen=seen: len(seen | {picture(page, camera)}) > 1)  # type: ignore[misc]
    until(lambda: page.inner_text("[data-name=door] [data-figure=p95]").endswith(" ms"))
    assert float(page.inner_text("[data-name=door] [data-figure=rate]")) > 1
    assert page.inner_text("#summary").startswith("2 cameras · ")


def test_a_paused_page_stands_still(page: Page) -> None:
    page.click("#pause")
    page.wait_for_timeout(1000)
    before = picture(page, "door")
    page.wait_for_timeout(1000)
    assert picture(page, "door") == before
    page.click("#pause")
    until(lambda: picture(page, "door") != before)


def test_the_slider_acts_by_keyboard_and_everybody_sees_it(page: Page, browser: Browser, url: str) -> None:
    door = page.locator("[data-name=door]")
    door.locator(".class.is-here").first.wait_for()
    with looked_at(browser, url) as other:
        slider = door.locator("input[type=range]")
        slider.focus()
        page.keyboard.press("End")
        page.keyboard.press("ArrowLeft")
        assert door.locator("output").inner_text() == "0.99"
        until(lambda: door.locator(".class.is-here").count() == 0)
        until(lambda: other.locator("[data-name=door] output").inner_text() == "0.99")
        assert other.locator("[data-name=yard] output").inner_text() == "0.06"
        other.locator("[data-name=door] .reset").click()
        door.locator(".class.is-here").first.wait_for()
        until(lambda: door.locator("output").inner_text() == "0.06")


def test_a_class_is_left_out(page: Page) -> None:
    yard = page.locator("[data-name=yard]")
    chip = yard.locator(".class.is-here").first
    chip.wait_for()
    name = chip.evaluate("chip => chip.firstChild.textContent")
    chip = yard.locator(".class").filter(has_text=name).first
    chip.click()
    until(lambda: not chip.inner_text().removeprefix(name).strip())
    assert chip.get_attribute("aria-pressed") == "false"
    yard.locator(".reset").click()
    until(lambda: bool(chip.inner_text().removeprefix(name).strip()))


def test_a_zone_is_drawn_with_the_mouse_and_a_line_by_keyboard(page: Page, config: Path) -> None:
    pytest.importorskip("trackers")
    door = page.locator("[data-name=door]")
    door.locator(".places summary").click()
    door.locator(".draw-zone").click()
    box = door.locator("canvas").bounding_box()
    assert box is not None
    corners = [(0.1, 0.2), (0.6, 0.2), (0.6, 0.8), (0.1, 0.8)]
    for x, y in corners:
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    door.locator(".drawing input").fill("entry")
    door.locator(".save").click()
    until(lambda: "entry" in config.read_text(), within_s=60)  # the trackers are imported
    door.locator(".draw-line").click()
    for key in ("Shift+ArrowLeft", "Shift+ArrowLeft", "Space", "Shift+ArrowDown", "Shift+ArrowDown", "Space"):
        page.keyboard.press(key)
    door.locator("li[data-name=entry]").wait_for()
    door.locator(".drawing input").fill("entry")
    page.keyboard.press("Enter")
    assert door.locator(".drawing").is_visible()  # another has this name
    door.locator(".drawing input").fill("gate")
    page.keyboard.press("Enter")
    until(lambda: "gate" in config.read_text())
    text = config.read_text()
    kept = tomli.loads(text)["cameras"]["door"]
    for drawn, meant in zip(kept["zones"]["entry"], corners, strict=True):
        assert drawn == pytest.approx(meant, abs=0.01)
    assert kept["lines"]["gate"] == [[0.4, 0.5], [0.4, 0.6]]
    assert "# by the door" in text
    door.locator("li[data-name=entry]").wait_for()
    door.get_by_role("button", name="Remove line gate").click()
    until(lambda: "gate" not in config.read_text())


def test_a_zone_that_crosses_itself_is_refused(page: Page, config: Path) -> None:
    yard = page.locator("[data-name=yard]")
    yard.locator(".places summary").click()
    yard.locator(".draw-zone").click()
    box = yard.locator("canvas").bounding_box()
    assert box is not None
    for x, y in [(0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9)]:
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    yard.locator(".save").click()
    page.wait_for_selector("#notice:not([hidden])")
    assert "expected edges that do not cross" in page.inner_text("#notice")
    assert "zones" not in tomli.loads(config.read_text())["cameras"]["yard"]
    yard.locator(".sketch polygon").wait_for()  # to be mended, not drawn again
    assert yard.locator(".sketch .corner").count() == 4
    assert yard.locator(".drawing input").input_value() == "zone1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_light_and_dark(browser: Browser, url: str, scheme: str) -> None:
    with looked_at(browser, url, viewport={"width": 360, "height": 740}, color_scheme=scheme) as page:
        page.wait_for_selector("[data-name=yard]")
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 20, 19)"
        assert dark == (scheme == "dark")
        page.select_option("#theme", "light" if scheme == "dark" else "dark")
        assert (page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 20, 19)") != dark


def test_every_control_is_reached_by_keyboard_and_has_a_name(page: Page) -> None:
    page.wait_for_selector("[data-name=yard]")
    controls = page.locator("button:visible, input:visible, select:visible, summary:visible")
    nameless = controls.evaluate_all(
        "all => all.filter(e => !(e.getAttribute('aria-label') || e.labels?.[0]?.textContent || e.textContent).trim())"
        ".map(e => e.outerHTML)"
    )
    assert nameless == []
    enabled = sum(control.is_enabled() for control in controls.all())
    reached = set()
    for _ in range(3 * enabled):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
    assert len(reached) >= enabled


def test_a_wrong_token_is_refused(browser: Browser, tmp_path: Path) -> None:
    path, token = tmp_path / "cameras.toml", "a token for this test"
    path.write_text(CAMERAS)
    with served(path, **{VARIABLE: token}) as (url, _):
        context = browser.new_context()
        page = context.new_page()
        for wrong in (url, f"{url}?token=wrong"):
            answer = page.goto(wrong)
            assert answer is not None
            assert answer.status == 401
            assert page.locator("#cameras").count() == 0
        page.fill("#token", "wrong as well")
        page.click("button")
        page.wait_for_selector("#wrong:not([hidden])")
        assert page.locator("#cameras").count() == 0
        page.fill("#token", token)
        page.click("button")
        page.wait_for_selector("[data-name=door]")
        assert page.url == url
        (cookie,) = context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        context.close()
        with looked_at(browser, f"{url}?token={token}") as page:
            page.wait_for_selector("[data-name=door]")
            assert page.url == url


def test_a_run_that_goes_away_is_said_and_found_again(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "cameras.toml"
    path.write_text(CAMERAS)
    page = browser.new_context().new_page()
    with served(path) as (url, process):
        page.goto(url)
        page.wait_for_selector("[data-name=yard]")
        process.kill()
        page.wait_for_selector("#connection[data-state=lost]", timeout=SEEN_WITHIN_MS)
        assert "does not answer" in page.inner_text("#connection")
    port = url.rstrip("/").rpartition(":")[2]
    path.write_text(CAMERAS.replace("live = 0", f"live = {port}").replace("yard", "attic"))
    with served(path):
        page.wait_for_selector("[data-name=attic]", timeout=SEEN_WITHIN_MS)
        page.wait_for_selector("#connection[data-state=connected]", state="attached")
        assert page.locator("[data-name=yard]").count() == 0
    page.context.close()


def test_a_camera_that_dies_is_shown_within_five_seconds_and_comes_back(browser: Browser, tmp_path: Path) -> None:
    """It closes its connection, and later says nothing any more; its password is nowhere."""
    does = "live"

    def send(_connection: int, number: int) -> bytes | None:
        time.sleep(0.05)
        return {"live": jpeg(64 + 2 * (number % 8)), "closed": b"", "silent": None}[does]

    path = tmp_path / "cameras.toml"
    with mjpeg_camera(send) as source:
        path.write_text(CAMERAS.replace('synthetic://?paced=1&fps=15"', f'{source}"'))
        with served(path) as (url, _), looked_at(browser, url) as page:
            door = page.locator("[data-name=door]")
            for death in ("closed", "silent"):
                door.locator(".veil").wait_for(state="hidden", timeout=STARTED_WITHIN_S * 1e3)
                does = death
                took_s = until(lambda: door.locator(".veil").is_visible())
                assert took_s < SHOWN_WITHIN_S
                assert door.locator(".state").inner_text() in ("stalled", "lost")
                assert page.locator("[data-name=yard] .veil").is_hidden()
                does = "live"
            door.locator(".veil").wait_for(state="hidden", timeout=STARTED_WITHIN_S * 1e3)
            before = picture(page, "door")
            until(lambda: picture(page, "door") != before)
            assert "geheim" not in page.content()

"""Pictures are encoded once, only while somebody waits, and only the newest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from singleshot.runtime.live import pictures
from singleshot.runtime.live.pictures import Pictures, encode_jpeg

Encoded = list[int]


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Encoded:
    """The grey of each picture that was encoded."""
    greys: Encoded = []

    def encode(image: NDArray[np.uint8], **_: object) -> tuple[bytes, int, int]:
        greys.append(int(image[0, 0, 0]))
        return b"jpeg", image.shape[1], image.shape[0]

    monkeypatch.setattr(pictures, "encode_jpeg", encode)
    return greys


def offer(to: Pictures, grey: int, camera: str = "door") -> None:
    to.offer(camera, np.full((4, 8, 3), grey, np.uint8), pixel_aspect=Fraction(1), captured_s=None)


@pytest.fixture
def busy() -> Iterator[tuple[Pictures, threading.Event, threading.Semaphore]]:
    """An encoder that stands still after each picture until it may go on."""
    go_on, done = threading.Event(), threading.Semaphore(0)
    clock = iter(range(10_000))

    def on_new(_camera: str) -> None:
        done.release()
        go_on.wait(5)

    with Pictures(on_new, clock=lambda: float(next(clock))) as made:
        yield made, go_on, done
        go_on.set()


def test_nothing_is_encoded_while_nobody_looks(encoded: Encoded) -> None:
    with Pictures() as made:
        assert not made.is_wanted("door")
        offer(made, 1)
        made.want({"yard": 1})
        offer(made, 2)
    assert (encoded, made.newest("door")) == ([], None)


def test_what_waits_is_replaced_by_the_newest(
    encoded: Encoded, busy: tuple[Pictures, threading.Event, threading.Semaphore]
) -> None:
    made, go_on, done = busy
    made.want({"door": 1, "yard": 50})
    offer(made, 1)
    assert done.acquire(timeout=5)
    for grey in (2, 3, 4):
        offer(made, grey)
    offer(made, 9, camera="yard")
    go_on.set()
    assert done.acquire(timeout=5)
    assert done.acquire(timeout=5)
    newest = made.newest("door")
    assert newest is not None
    assert (encoded, newest.number) == ([1, 4, 9], 2)


@pytest.mark.parametrize(
    ("wanted", "pause_s"),
    [
        pytest.param({"door": 1}, 0.03, id="thirty a second for one viewer"),
        pytest.param({"door": 50}, 0.225, id="four a second for fifty"),
        pytest.param({"door": 25, "yard": 25}, 0.225, id="all cameras count together"),
    ],
)
def test_more_viewers_get_fewer_pictures(encoded: Encoded, wanted: dict[str, int], pause_s: float) -> None:
    now_s = 0.0
    with Pictures(clock=lambda: now_s) as made:
        made.want(wanted)
        offer(made, 1)
        now_s = pause_s - 0.001
        assert not made.is_wanted("door")
        now_s = pause_s + 0.001
        assert made.is_wanted("door")


@pytest.mark.parametrize(
    ("size", "aspect", "shown"),
    [
        pytest.param((640, 360), Fraction(1), (640, 360), id="as it is"),
        pytest.param((3840, 2160), Fraction(1), (1280, 720), id="no wider than a page shows"),
        pytest.param((720, 576), Fraction(64, 45), (1024, 576), id="wide pixels become square"),
        pytest.param((720, 480), Fraction(8, 9), (720, 540), id="narrow pixels become square"),
        pytest.param((1, 1), Fraction(1), (1, 1), id="one pixel"),
    ],
)
def test_a_picture_as_it_is_shown(size: tuple[int, int], aspect: Fraction, shown: tuple[int, int]) -> None:
    jpeg, width, height = encode_jpeg(np.zeros((size[1], size[0], 3), np.uint8), widest=1280, pixel_aspect=aspect)
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert (width, height) == shown == decoded.shape[1::-1]

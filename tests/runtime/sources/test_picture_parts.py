"""Pictures are put together from RTP's parts, and given as soon as they are whole once that can be told."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from singleshot.runtime.sources.picture_parts import SLICES, PictureParts

START = b"\x00\x00\x00\x01"
DELIMITER, SLICE = b"\x09", b"\x41"
MTU = 1400


def unit(header: bytes, size: int) -> list[bytes]:
    """A unit of H.264 as FFmpeg takes it from RTP: cut into fragments of 1400 bytes."""
    data = START + header + b"\x80" * (size - 5)
    return [data[at : at + MTU] for at in range(0, size, MTU)]


def picture(*sizes: int) -> list[bytes]:
    """A picture of slices of so many bytes."""
    return [START + DELIMITER, *(part for size in sizes for part in unit(SLICE, size))]


def given_after(parts: PictureParts, pictures: Sequence[list[bytes]], first: int = 0) -> list[tuple[int, int, int]]:
    """Feed pictures; say of each that came out: its number, of which it was when it came out, its bytes."""
    return [
        (whole.pts or 0, number, len(whole.data))
        for number, of_picture in enumerate(pictures, first)
        for part in of_picture
        for whole in parts.add(part, number, number / 25)
    ]


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param((300,), id="a slice in one part"),
        pytest.param((5000,), id="a slice in fragments"),
        pytest.param((5000, 3000), id="two slices"),
        pytest.param((1500, 20), id="the last one is short"),
    ],
)
def test_picture_is_given_with_its_last_part_once_that_has_held_fifty_times(sizes: tuple[int, ...]) -> None:
    parts = PictureParts(SLICES["h264"])
    list(parts.add(bytes(MTU), -1, 0))  # a long part, so that the longest is known
    given = given_after(parts, [picture(*sizes)] * 60)[1:]
    assert [number for number, _, _ in given] == list(range(60))
    late = [number for number, when, _ in given if when > number]
    assert late == list(range(51))
    assert {size for _, _, size in given} == {5 + sum(sizes)}
    assert parts.cut_short == 0


@pytest.mark.parametrize(
    "pictures",
    [
        pytest.param([picture(2800)] * 99, id="fragments of equal size do not show which is the last"),
        pytest.param([picture(*[900] * (1 + number % 3)) for number in range(99)], id="now more slices, now less"),
        pytest.param([[*picture(900), *unit(b"\x06", 40)]] * 99, id="something follows the slices"),
    ],
)
def test_picture_whose_end_cannot_be_told_is_given_whole_when_the_next_begins(pictures: list[list[bytes]]) -> None:
    parts = PictureParts(SLICES["h264"])
    list(parts.add(bytes(MTU), -1, 0))
    given = given_after(parts, pictures)[1:]
    assert given == [(number, number + 1, sum(map(len, pictures[number]))) for number in range(98)]
    assert [whole.pts for whole in parts.end()] == [98]
    assert list(parts.end()) == []


def test_end_that_was_none_is_counted_and_doubted_for_long() -> None:
    parts = PictureParts(SLICES["h264"])
    list(parts.add(bytes(MTU), -1, 0))
    usual, longer = picture(300), picture(300, 200)
    given = given_after(parts, [usual] * 60 + [longer] + [usual] * 600)[1:]
    assert (60, 60, 5 + 300) in given
    assert parts.cut_short == 1
    late = [number for number, when, _ in given if when > number]
    assert late[51:] == list(range(61, 611))


def test_parts_whose_times_are_almost_the_same_are_of_one_picture() -> None:
    parts = PictureParts(SLICES["h264"], apart=450)
    first, *rest = picture(5000)
    assert list(parts.add(first, 9000, 0)) == []
    assert [whole for part in rest for whole in parts.add(part, 9003, 0)] == []
    (whole,) = parts.add(first, 12600, 0)
    assert (whole.pts, len(whole.data)) == (9000, 5005)


def test_slices_of_hevc_are_known() -> None:
    of_hevc = SLICES["hevc"]
    assert [of_hevc(kind << 1) for kind in (0, 1, 19, 21, 32, 33, 34, 39)] == [True] * 4 + [False] * 4


def test_picture_with_a_lost_part_is_given_when_the_next_begins() -> None:
    parts = PictureParts(SLICES["h264"])
    list(parts.add(bytes(MTU), -1, 0))
    whole, cut = picture(5000), picture(5000)[:-1]
    given = given_after(parts, [whole] * 60 + [cut] + [whole] * 3)
    assert (60, 61, 5 + 4200) in given
    assert given[-1][:2] == (63, 63)
    assert parts.cut_short == 0

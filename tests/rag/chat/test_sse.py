"""Events of a server, however their bytes were cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.chat.sse import MAX_EVENT, Events

STREAM = (
    b"\xef\xbb\xbf: a comment\n\n"
    b"data: one\n\n"
    b"event: x\r\nid: 7\r\ndata:two\r\ndata:  and more\r\n\r\n"
    b"data\n\n"
    b"retry: 10\n\n"
    b"data: \xe2\x80\xa8 \xf0\x9f\x9b\xa5\r\r"
    b"data: [DONE]\n\n"
    b"data: never ended"
)
EVENTS = [b"one", b"two\n and more", "\u2028 🛥".encode(), b"[DONE]"]


def all_of(pieces: list[bytes]) -> list[bytes]:
    events = Events()
    return [data for piece in pieces for data in events.feed(piece)]


def test_events_by_hand() -> None:
    assert all_of([STREAM]) == EVENTS


def test_byte_by_byte() -> None:
    assert all_of([bytes([byte]) for byte in STREAM]) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_cut_anywhere(places: list[int]) -> None:
    cuts = [0, *sorted(places), len(STREAM)]
    pieces = [STREAM[first:last] for first, last in zip(cuts, cuts[1:], strict=False)]
    assert all_of(pieces) == EVENTS


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
def test_anything_gives_the_same_however_it_is_cut(stream: bytes, places: list[int]) -> None:
    cuts = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    pieces = [stream[first:last] for first, last in zip(cuts, cuts[1:], strict=False)]
    assert all_of(pieces) == all_of([stream])


def test_an_event_without_end_is_not_kept_for_ever() -> None:
    events = Events()
    with pytest.raises(ValueError, match="too long"):
        for _ in range(MAX_EVENT // 1000 + 2):
            list(events.feed(b"x" * 1000))
    events = Events()
    with pytest.raises(ValueError, match="too long"):
        for _ in range(MAX_EVENT // 900 + 2):
            list(events.feed(b"data: " + b"x" * 900 + b"\n"))

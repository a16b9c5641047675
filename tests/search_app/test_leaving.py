"""Askers who leave or read slowly, at the web server of production, with a model that writes slowly."""

import time
from collections.abc import Iterator

import pytest

from search_app import seats
from tests.faults.writer import Writer
from tests.readers import SlowReaders, lateness, leave, p50, search_ms
from tests.served import ROOT, Served, prepared

ENDED = """
from search_app.models import TraceRecord
for body in TraceRecord.objects.values_list("body", flat=True):
    print((body.get("answer") or {}).get("finish_reason"))
"""
TEXT = ["The handbook says that this is so. [1] "] * 40


@pytest.fixture(scope="module")
def writer() -> Iterator[Writer]:
    with Writer(say=lambda body: TEXT) as running:
        yield running


@pytest.fixture(scope="module")
def served(writer: Writer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    data = tmp_path_factory.mktemp("served") / "data"
    pages = [ROOT / "docs" / name for name in ("asking.md", "security.md")]
    with prepared(data, writer.url, {"handbook": pages}) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wait_for", "first_s"), [(b"event: passages", 20.0), (b"event: answer", 0.2)], ids=["before", "amid"]
)
def test_who_leaves_ends_the_writing(served: Served, writer: Writer, wait_for: bytes, first_s: float) -> None:
    writer.first_s, writer.gap_s = first_s, 0.5
    writer.asked.clear()
    gone = leave(served.url, range(30), wait_for=wait_for)
    assert all(one.saw for one in gone)
    until = time.monotonic() + 5
    while writer.open and time.monotonic() < until:
        time.sleep(0.1)
    late = lateness(gone, writer.asked)
    assert len(late) == 30 and writer.open == 0
    assert p50(late) < 1.0 and max(late) < 5.0, late  # the bound of the worst is one of a busy machine
    if first_s < 1:
        assert served.shell(ENDED).split().count("stopped") == 30


@pytest.mark.slow
def test_slow_readers_take_no_thread_from_a_search(served: Served, writer: Writer) -> None:
    """More answers are on their way than requests may compute at once; a search has its turn nevertheless."""
    writer.first_s, writer.gap_s = 0.1, 2.0
    writer.asked.clear()
    with SlowReaders(served.url, seats.SEATS + 16) as crowd:
        until = time.monotonic() + 60
        while writer.open < seats.SEATS + 16 and time.monotonic() < until:
            crowd.read()
            time.sleep(0.1)
        assert writer.open == seats.SEATS + 16
        took = search_ms(served.url, 10, crowd)
        assert writer.open > seats.SEATS  # none had to end for it
    assert max(took) < 10_000


def test_a_seat_is_given_back_and_taken_again() -> None:
    free = seats._free._value
    with seats.taken():
        assert seats._free._value == free - 1
        with seats.taken(), seats.left():
            assert seats._free._value == free
        assert seats._free._value == free - 1
    assert seats._free._value == free
    with seats.left():
        assert seats._free._value == free

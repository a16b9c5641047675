import threading
import time
from collections.abc import Iterator

import pytest

from search_app.ahead import Ahead


def test_items_come_in_order_through_two_stages() -> None:
    with (
        Ahead((n * 2 for n in range(100)), 3) as first,
        Ahead((n + 1 for n in first), 5) as second,
    ):
        assert list(second) == [n * 2 + 1 for n in range(100)]


def test_it_runs_at_most_so_far_ahead() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for n in range(50):
            made.append(n)
            yield n

    with Ahead(items(), 3) as ahead:
        reader = iter(ahead)
        assert next(reader) == 0
        time.sleep(0.1)
        assert len(made) <= 6  # one read, three waiting, one in the hand, one being made


def test_an_error_comes_where_its_item_would_have() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no second")

    got = []
    with Ahead(items(), 3) as ahead, pytest.raises(ValueError, match="no second"):
        for item in ahead:
            got.append(item)
    assert got == [1]


def test_leaving_early_ends_all_threads() -> None:
    before = threading.active_count()
    with Ahead(iter(range(10**9)), 3) as first, Ahead((n for n in first), 3) as second:
        assert next(iter(second)) == 0
    assert threading.active_count() == before

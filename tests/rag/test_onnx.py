import threading
import time

import pytest

from rag.onnx import batches, in_parallel, plain


def test_batches_hold_the_budget_with_padding() -> None:
    lengths = [5, 100, 7, 30, 28, 300, 1]
    cut = batches(lengths, 64)
    assert sorted(index for batch in cut for index in batch) == list(range(len(lengths)))
    assert cut == [[5], [1], [3, 4], [2, 0, 6]]
    assert batches([], 64) == []
    assert batches([3, 9], 1) == [[1], [0]]


def test_work_is_begun_in_order_and_done_once() -> None:
    begun: list[int] = []
    in_parallel(begun.append, 100, threads=4)
    assert sorted(begun) == list(range(100))
    in_parallel(begun.append, 0, threads=4)
    in_order: list[int] = []
    in_parallel(in_order.append, 50, threads=1)
    assert in_order == list(range(50))


def test_work_goes_on_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=10)
    in_parallel(lambda _: together.wait() and None, 3, threads=3)


def test_an_error_ends_the_work_and_is_raised() -> None:
    done: list[int] = []

    def work(item: int) -> None:
        if item == 3:
            raise ValueError("the third")
        time.sleep(0.001)
        done.append(item)

    with pytest.raises(ValueError, match="the third"):
        in_parallel(work, 1000, threads=2)
    assert len(done) < 20


def test_halves_of_pairs_are_replaced_one_by_one() -> None:
    assert plain("a\ud800b\udfff") == "a?b?"
    assert plain("naïve 👍") == "naïve 👍"

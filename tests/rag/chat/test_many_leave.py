"""Five hundred askers who leave in the middle: the server stops for each, and nothing is left here."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.contracts.chat import MESSAGES
from tests.faults.proxy import Exchange, Proxy
from tests.rag.chat.test_openai import until
from tests.rag.chat.writer import LIMITS, Writer, chat_on

ASKERS, AT_ONCE = 500, 50


class Timed(Writer):
    """Notes how long after the asker left it had seen that."""

    def __call__(self, exchange: Exchange) -> None:
        super().__call__(exchange)
        if exchange.closed:
            self.left_after_s.append(time.monotonic())


def sockets() -> int:
    return sum(
        os.readlink(link).startswith("socket:")
        for link in Path("/proc/self/fd").iterdir()
        if link.is_symlink()
    )


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
def test_five_hundred_who_leave_in_the_middle() -> None:
    server = Timed(words=["word "] * 90, first_s=0.2, pause_s=0.1)
    with Proxy("http://127.0.0.1:9") as proxy:
        proxy.on(server)
        chat = chat_on(proxy, cache_salt=False)

        def ask(number: int) -> float:
            """Some leave before the first token, some in the middle. When they left."""
            writing = chat.stream(MESSAGES, LIMITS, deadline=time.monotonic() + 60, salt=str(number))
            for _ in range(number % 3 + 1):
                next(writing)
            left = time.monotonic()
            writing.close()
            assert time.monotonic() - left < 1
            return left

        with ThreadPoolExecutor(AT_ONCE) as askers:
            list(askers.map(ask, range(AT_ONCE)))
            until(lambda: server.writing == 0, 1)
            before = (sockets(), resident())
            server.left_after_s.clear()
            left = list(askers.map(ask, range(ASKERS)))
            until(lambda: server.writing == 0, 1)
        assert len(server.left_after_s) == ASKERS
        late = [seen - gone for seen, gone in zip(sorted(server.left_after_s), sorted(left), strict=True)]
        assert max(late) < 1
        until(lambda: not [one for one in threading.enumerate() if one.name == "stream"], 1)
        until(lambda: sockets() <= before[0] + 2, 2)
        assert resident() - before[1] < 20_000_000
        assert all(replica.at_work == 0 for replica in chat._replicas.all)
        assert len(server.asked) == ASKERS + AT_ONCE

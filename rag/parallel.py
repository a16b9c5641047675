"""Threads of one call, and how many cores there are for them."""

import math
import os
import threading
from collections.abc import Callable
from pathlib import Path


def in_parallel(work: Callable[[int], None], items: int, threads: int) -> None:
    """Call `work(0) … work(items - 1)`, begun in this order, on up to `threads` threads.

    The caller's thread is one of them. Each call has threads of its own, so that callers share the cores
    instead of standing in line. The first exception ends the work and is raised.
    """
    lock = threading.Lock()
    waiting = iter(range(items))
    raised: list[BaseException] = []

    def loop() -> None:
        while not raised:
            with lock:
                item = next(waiting, None)
            if item is None:
                return
            try:
                work(item)
            except BaseException as error:
                raised.append(error)

    helpers = [threading.Thread(target=loop, daemon=True) for _ in range(min(threads, items) - 1)]
    for helper in helpers:
        helper.start()
    loop()
    for helper in helpers:
        helper.join()
    if raised:
        raise raised[0]


def cores() -> int:
    """Cores this process may use: those it may run on, and no more than its container is given."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(own, container_cores() or own)


def container_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Cores' worth of time that the container is given, rounded up; None where it has no limit.

    A container sees all cores of its machine: with a thread for each it would stand still most of the time.
    """
    try:
        if (limit := cgroup / "cpu.max").exists():
            quota, period = limit.read_text().split()
        else:  # version 1
            quota, period = ((cgroup / "cpu" / f"cpu.cfs_{n}_us").read_text() for n in ("quota", "period"))
        return max(1, math.ceil(int(quota) / int(period))) if int(quota) > 0 else None
    except (OSError, ValueError):  # no such files, or "max"
        return None

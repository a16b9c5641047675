"""Transactions that outlive a power cut."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def durable() -> Iterator[None]:
    """A transaction that is on the disk when it ends.

    SQLite's other commits wait for no disk: a power cut may take the last of them. What was promised to
    somebody who uploads, and what lets an old version leave the index, must not be among those.
    """
    # SQLite refuses to be told inside a transaction.
    waits = connection.vendor == "sqlite" and not connection.in_atomic_block
    if waits:
        _synchronous("FULL")
    try:
        with transaction.atomic():
            yield
    finally:
        if waits:
            _synchronous("NORMAL")


def _synchronous(mode: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA synchronous={mode}")

"""A cache of scores around a reranker: what was scored once for this question and text is looked up.

A key is a keyed hash of the model's fingerprint, the question and the text: whoever reads the store learns
neither, and whoever may not read a passage cannot ask for its score, since nothing but the text itself
leads to it. Kept are finite scores and nothing else. Scores that are places in one list, `ordinal`, are
kept for that list as a whole.
"""

import math
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Protocol, get_args

from rag.errors import RerankUnavailable
from rag.rerank.base import ByText, TextReranker
from rag.types import Passage, ScoreKind, Scores, Spent

KINDS: Mapping[bytes, ScoreKind] = {kind.encode(): kind for kind in get_args(ScoreKind)}
KEY_BYTES = 16


class ScoreStore(Protocol):
    """Where scores are kept: bounded, and never an error. What it lost is scored again. Threads share it."""

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The entry of each key, in the order given."""
        ...

    def put(self, entries: Mapping[bytes, bytes]) -> None: ...


class MemoryScores:
    """At most `most` entries of this process; the one that was not asked for the longest goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, bytes] = OrderedDict()

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with self._lock:
            for key in keys:
                if key in self._entries:
                    self._entries.move_to_end(key)
            return [self._entries.get(key) for key in keys]

    def put(self, entries: Mapping[bytes, bytes]) -> None:
        with self._lock:
            for key, entry in entries.items():
                self._entries[key] = entry
                self._entries.move_to_end(key)
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)


class CachedReranker(ByText):
    """The same scores as those of `inner`, which is asked only for those that are not in the store."""

    def __init__(self, inner: TextReranker, store: ScoreStore, secret: bytes) -> None:
        """`secret` keeps keys from being guessed; processes that share a store share it, too."""
        self.inner = inner
        self.fingerprint = inner.fingerprint
        self._store, self._secret = store, secret

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        """One score per text, in the order given: those known and those scored now, up to the first text
        there was no time for. Raises `RerankUnavailable` where some are not known and none can be scored.
        """
        began = time.monotonic()
        keys, whole = self._keys(query, texts)
        kind, values = _known(self._store.get([whole, *keys]), len(texts))
        cached = sum(value is not None for value in values)
        if cached == len(texts) and kind is not None:
            return Scores(kind, tuple(values), (time.monotonic() - began) * 1000, Spent(cached=cached))

        missing = [index for index, value in enumerate(values) if value is None]
        asked = time.monotonic()
        fresh = self.inner.score_texts(query, [texts[index] for index in missing], deadline=deadline)
        if cached and fresh.kind != kind:  # what is kept is on another scale: score all of them on this one
            missing = list(range(len(texts)))
            fresh = self.inner.score_texts(query, texts, deadline=deadline)
        waited_ms = max(0.0, (time.monotonic() - asked) * 1000 - fresh.compute_ms)
        if len(fresh.values) != len(missing):
            raise RerankUnavailable("The model gave scores that cannot be used.")
        for index, value in zip(missing, fresh.values, strict=True):
            values[index] = value
        if fresh.kind == "ordinal":
            if all(_finite(value) for value in values):
                self._store.put({whole: _entry(fresh.kind, values)})
        else:
            given = zip(missing, fresh.values, strict=True)
            self._store.put({keys[at]: _entry(fresh.kind, [value]) for at, value in given if _finite(value)})

        scored = values.index(None) if None in values else len(values)
        prefix = values[:scored] + [None] * (len(values) - scored)
        used = scored - sum(index < scored for index in missing)
        spent = replace(fresh.spent, cached=fresh.spent.cached + used)
        return Scores(fresh.kind, tuple(prefix), (time.monotonic() - began) * 1000 - waited_ms, spent)

    def known(self, query: str, passages: Sequence[Passage]) -> list[bool]:
        """For each passage whether its score is kept, in the order given."""
        keys, _ = self._keys(query, [passage.search_text for passage in passages])
        return [_read(entry, 1) is not None for entry in self._store.get(keys)]

    def _keys(self, query: str, texts: Sequence[str]) -> tuple[list[bytes], bytes]:
        """A key for each text, and one for all of them in this order."""
        asked = f"{len(self.fingerprint)}:{self.fingerprint}{query}"
        of_query = blake2b(_bytes(asked), key=self._secret, digest_size=32).digest()
        keys = [blake2b(_bytes(text), key=of_query, digest_size=KEY_BYTES).digest() for text in texts]
        return keys, blake2b(b"list" + b"".join(keys), key=of_query, digest_size=KEY_BYTES).digest()


def _known(found: Sequence[bytes | None], number: int) -> tuple[ScoreKind | None, list[float | None]]:
    """What the store gave for the whole list and for each text: kind, and one value a text.

    Entries that cannot be read, and those of another kind than the first, count as not there.
    """
    whole, *single = found
    if (read := _read(whole, number)) is not None:
        return read[0], list(read[1])
    kind: ScoreKind | None = None
    values: list[float | None] = []
    for entry in single:
        read = _read(entry, 1)
        kind = kind or (read[0] if read else None)
        values.append(read[1][0] if read and read[0] == kind else None)
    return kind, values


def _entry(kind: ScoreKind, values: Sequence[float | None]) -> bytes:
    return struct.pack(f"<{len(values)}d", *values) + kind.encode()


def _read(entry: bytes | None, number: int) -> tuple[ScoreKind, tuple[float, ...]] | None:
    if entry is None or (kind := KINDS.get(entry[8 * number :])) is None:
        return None
    values = struct.unpack(f"<{number}d", entry[: 8 * number])
    return (kind, values) if all(map(math.isfinite, values)) else None


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")

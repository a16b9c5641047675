"""BM25 by tantivy, one index a language, so that its statistics are those of one kind of terms.

k1 is 1.2 and b .75, tantivy's own and fixed. It leaves the factor (k1 + 1) = 2.2 in its scores, which Lucene
dropped in version 8; scores given here are divided by it. The text itself is not kept in here, only the
slot of the passage and the number of its collection. Deleted passages count in the statistics until
their segment is merged, as in Lucene.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tantivy
from numpy.typing import NDArray

from rag.encode.base import Floats
from rag.errors import IndexUnavailable
from rag.index.analyzers import analyzer, prepare, terms
from rag.index.embedded.vectors import Slots

MAX_CHARACTERS = 20_000
MAX_TERMS = 256
"""Of a longer question the first characters, and of those the first distinct terms, are searched."""

_DAMAGE = (OSError, ValueError, TypeError, OverflowError)
_LUCENE = 2.2
_HEAP_BYTES = 48_000_000
_DECIMALS = 4
"""Equal passages may differ in the last bit of their sums; rounded, they tie."""

BROAD, SPARE = 0.5, 50
"""From this share of all passages on, collections are filtered after a search for some more than needed."""

Found = tuple[Slots, Floats]

_SCHEMA = (
    tantivy.SchemaBuilder()
    .add_text_field("text", tokenizer_name="language", index_option="freq")
    .add_unsigned_field("slot", indexed=True, fast=True)
    .add_unsigned_field("collection", indexed=True)
    .build()
)


def _open(directory: Path, language: str) -> tantivy.Index:
    path = directory / f"text-{language}"
    path.mkdir(exist_ok=True)
    index = tantivy.Index(_SCHEMA, str(path))
    index.register_tokenizer("language", analyzer(language))
    index.config_reader("manual")  # else every open index opens the files of every commit in the background
    return index


def languages_in(directory: Path) -> list[str]:
    """Languages that this version has a text index for."""
    return sorted(
        path.name.removeprefix("text-") for path in directory.glob("text-*") if (path / "meta.json").exists()
    )


class TextWriter:
    """Adds and deletes in all languages; nothing counts before `commit`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._writers: dict[str, tantivy.IndexWriter] = {}
        self._changed: set[str] = set()

    def add(self, language: str, slot: int, collection: int, text: str) -> None:
        document = tantivy.Document()
        document.add_text("text", prepare(text, language))
        document.add_unsigned("slot", slot)
        document.add_unsigned("collection", collection)
        self._writer(language).add_document(document)

    def delete(self, slots: Iterable[int]) -> None:
        slots = list(slots)
        if slots:
            # by query: `delete_documents_by_term` takes a number as signed and deletes nothing (0.27)
            query = tantivy.Query.term_set_query(_SCHEMA, "slot", slots)
            for language in languages_in(self._directory):
                self._writer(language).delete_documents_by_query(query)

    def commit(self) -> None:
        for language in sorted(self._changed):
            self._writers[language].commit()
        self._changed.clear()

    def rollback(self) -> None:
        for language in sorted(self._changed):
            self._writers[language].rollback()
            self._writers[language].garbage_collect_files()
        self._changed.clear()

    def close(self) -> None:
        """Let merges end and give up the locks."""
        while self._writers:
            self._writers.popitem()[1].wait_merging_threads()

    def _writer(self, language: str) -> tantivy.IndexWriter:
        if language not in self._writers:
            with reading():
                writer = _open(self._directory, language).writer(_HEAP_BYTES, num_threads=1)
            # A commit that a kill cut off leaves files whose names the next one would choose again.
            writer.garbage_collect_files()
            self._writers[language] = writer
        self._changed.add(language)
        return self._writers[language]


@contextmanager
def reading() -> Iterator[None]:
    """What tantivy raises over damaged files, panics included, becomes `IndexUnavailable`."""
    try:
        yield
    except BaseException as error:
        # a panic is no Exception, and its class has no other address
        if isinstance(error, _DAMAGE) or type(error).__name__ == "PanicException":
            raise IndexUnavailable("The text index is damaged. Run: manage.py reindex") from error
        raise


class TextReader:
    """One language of one version. To be used inside `reading`."""

    def __init__(self, directory: Path, language: str) -> None:
        self.language = language
        if not tantivy.Index.exists(str(directory / f"text-{language}")):
            raise OSError(f"the text index for {language} is not there")
        self._index = _open(directory, language)

    def searcher(self) -> tantivy.Searcher:
        """What is committed now, and will be seen by this searcher for as long as it lives."""
        self._index.reload()
        return self._index.searcher()

    def query(
        self,
        text: str,
        collections: Sequence[int] | None,
        slots: Slots | None = None,
        every: Sequence[str] | None = None,
    ) -> tantivy.Query | None:
        """Any of the question's terms, a repeated one as often as it stands there; None without terms.

        Inside these collections, or these slots. With `every` a passage must have all of those terms, were
        there none, and needs none of the question's.

        The words are analysed, never parsed: nothing that a person writes is query syntax.
        """
        counts = Counter(terms(text[:MAX_CHARACTERS], self.language))
        if not counts and every is None:
            return None
        query = tantivy.Query
        clauses = []
        for term in list(counts)[:MAX_TERMS]:
            one = query.term_query(_SCHEMA, "text", term, "freq")
            clauses.append((tantivy.Occur.Should, query.boost_query(one, counts[term])))
        for term in (every or ())[:MAX_TERMS]:
            clauses.append((tantivy.Occur.Must, query.term_query(_SCHEMA, "text", term, "freq")))
        for name, allowed in (("collection", collections), ("slot", slots)):
            if allowed is not None:
                within = query.term_set_query(_SCHEMA, name, [int(number) for number in allowed])
                clauses.append((tantivy.Occur.Must, query.const_score_query(within, 0.0)))
        return query.boolean_query(clauses, minimum_number_should_match=1 if every is None else 0)


def search(
    opened: tuple[TextReader, tantivy.Searcher],
    question: str,
    k: int,
    collections: Sequence[int],
    share: float,
    allowed: NDArray[np.bool_],
    slots: Slots | None = None,
) -> Found:
    """Slots and scores of the best `k` of these collections, best first, and all that tie with the last.

    `allowed` has what may be found, `share` is its part of all passages; `slots` names it where it is
    little. Inside collections tantivy reads every posting of every term; without them it skips what cannot
    be among the best. So where the share is large the best of everything are looked through first; mostly
    they hold enough.
    """
    reader, searcher = opened
    found = None
    if share >= BROAD:
        query = reader.query(question, None)
        if query is not None:
            found = _search(searcher, query, k, int(1.2 * k / share) + SPARE, allowed, again=share == 1.0)
    if found is None:
        query = reader.query(question, None if slots is not None else collections, slots)
        if query is not None:
            found = _search(searcher, query, k, k + SPARE, allowed, again=True)
    return found or (np.empty(0, np.int64), np.empty(0, np.float32))


def having(
    opened: tuple[TextReader, tantivy.Searcher],
    every: Sequence[str],
    question: str,
    k: int,
    collections: Sequence[int],
    slots: Slots | None,
    allowed: NDArray[np.bool_],
) -> Found:
    """The best `k` passages for a question among those that have all terms of `every`; ties as they come."""
    reader, searcher = opened
    query = reader.query(question, None if slots is not None else collections, slots, every)
    assert query is not None
    limit = k + SPARE
    while True:
        found, scores, hits = _hits(searcher, query, limit, allowed)
        if len(found) >= k or hits < limit:
            return found[:k], scores[:k]
        limit *= 4


def _search(
    searcher: tantivy.Searcher,
    query: tantivy.Query,
    k: int,
    limit: int,
    allowed: NDArray[np.bool_],
    *,
    again: bool,
) -> Found | None:
    """Asks for more until the passages that are not allowed, or only tie, have taken no place from others.

    None where that would be needed and is not to be done `again`.
    """
    while True:
        hits = searcher.search(query, limit, count=False).hits
        found = searcher.fast_field_values("slot", [address for _, address in hits])
        slots = np.array(found, np.int64)
        scores = np.round(np.array([score for score, _ in hits], np.float32) / _LUCENE, _DECIMALS)
        keep = np.flatnonzero(slots < len(allowed))
        keep = keep[allowed[slots[keep]]]
        if len(hits) < limit or (len(keep) >= k and scores[-1] < scores[keep[k - 1]]):
            if len(keep) > k:
                keep = keep[scores[keep] >= scores[keep[k - 1]]]
            return slots[keep], scores[keep]
        if not again:
            return None
        limit *= 4


def alike(
    opened: tuple[TextReader, tantivy.Searcher],
    term: str,
    distance: int,
    k: int,
    collections: Sequence[int],
    allowed: NDArray[np.bool_],
) -> Slots:
    """At most `k` slots of passages with a term that differs from this one in so many letters."""
    searcher, query = opened[1], tantivy.Query
    near = query.fuzzy_term_query(_SCHEMA, "text", term, distance)
    within = query.const_score_query(query.term_set_query(_SCHEMA, "collection", list(collections)), 0.0)
    both = query.boolean_query([(tantivy.Occur.Must, near), (tantivy.Occur.Must, within)])
    return _hits(searcher, both, k + SPARE, allowed)[0][:k]


def _hits(
    searcher: tantivy.Searcher, query: tantivy.Query, limit: int, allowed: NDArray[np.bool_]
) -> tuple[Slots, Floats, int]:
    """Those of the best `limit` that are allowed, and how many there were."""
    hits = searcher.search(query, limit, count=False).hits
    slots = np.array(searcher.fast_field_values("slot", [address for _, address in hits]), np.int64)
    scores = np.array([score for score, _ in hits], np.float32)
    keep = np.flatnonzero(slots < len(allowed))
    keep = keep[allowed[slots[keep]]]
    return slots[keep], scores[keep], len(hits)


def slots_in(searcher: tantivy.Searcher) -> Slots:
    """Slot of every document, in no order."""
    hits = searcher.search(tantivy.Query.all_query(), max(1, searcher.num_docs), count=False).hits
    return np.array(searcher.fast_field_values("slot", [address for _, address in hits]), np.int64)

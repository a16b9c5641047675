import json

from rag.answers import Answer, Citation, Usage
from rag.events import Began, Generated, Packed, Ranked, Skipped
from rag.replay import difference
from rag.trace import Trace, fold
from rag.trace_store import from_json, texts, to_json
from rag.types import ContextPassage, Query, Timing
from tests.rag.build import ranking

T = Timing("step", 0.5, 1.25, 1.0)


def full() -> Trace:
    return fold(
        [
            Began(
                query=Query(id="q", text="Warum <b>?", collections=("c",)),
                pipeline="default",
                spec={"fuse": {"method": "rrf"}},
                fingerprint="sha256:0",
                index_version="passages-0001",
                readable=4,
            ),
            Ranked(ranking("bm25", a=2.0, b=1 / 3), T, 100),
            Skipped("knn", "No vector.", T),
            Ranked(ranking("final", "blend", b=2.0, a=1.0), T, 2),
            Packed((ContextPassage(1, "b:1:0", 4),), (("a:1:0", "same text as passage 1"),), T),
            Generated(
                Answer("Yes. [1]", (Citation(1, "b:1:0", (0, 4), (0, 4)),), "answered", 1.5),
                Usage("m", 3, 2),
                T,
                0.1,
            ),
        ]
    )


def test_a_stored_trace_reads_back_as_it_was() -> None:
    trace = full()
    stored = json.loads(json.dumps(to_json(trace)))
    assert from_json(stored, texts(trace)) == trace
    assert from_json(stored, texts(trace)).timings == trace.timings


def test_texts_are_kept_apart_and_may_be_purged() -> None:
    trace = full()
    assert "text of a 0" not in json.dumps(to_json(trace))
    purged = from_json(to_json(trace), {})
    assert {p.text for p in purged.passages.values()} == {""}
    assert difference(trace, purged) == []


def test_difference_names_what_changed() -> None:
    old = full()
    moved = Ranked(ranking("bm25", a=1.0, b=2.0), T, 100)
    new = fold(
        [
            Began(
                query=old.query,
                pipeline="default",
                spec={},
                fingerprint="sha256:1",
                index_version="passages-0002",
                readable=4,
            ),
            moved,
            Ranked(ranking("final", "blend", b=2.0001, a=1.1), T, 2),
        ]
    )
    found = {(d.where, d.sentence) for d in difference(old, new)}
    assert ("index_version", "index_version was passages-0001 and is passages-0002") in found
    assert ("bm25", "a:1:0 was at rank 1 and is at rank 2") in found
    assert any(where == "final" and "1 blend scores moved" in s for where, s in found)
    assert ("answer", "the answer cites other passages") in found
    assert not any(d.ranking for d in difference(old, old))

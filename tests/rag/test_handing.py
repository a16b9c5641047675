"""What stands around the passages that were found, over a real index."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rag import spec as specs
from rag import trace_store
from rag.answers import Answer, Usage
from rag.encode.hashing import HashingEncoder
from rag.errors import IndexUnavailable
from rag.events import Delta
from rag.generate.base import Finished
from rag.index import embedded
from rag.index.base import IndexReader
from rag.ingest import encode
from rag.parse.base import ParsedDocument
from rag.pipeline import Pipeline
from rag.split import split
from rag.trace import Trace
from rag.types import Passage, Query
from rag.verify.overlap import OverlapVerifier

WORDS = ("harbour", "ferry", "lighthouse", "market", "oyster", "cable", "weather", "school")
TEXT = "\n\n".join(
    f"Part {n} is about the {word}. " + f"It says {word} again. " * 6 for n, word in enumerate(WORDS)
)
QUESTION = Query(id="q", text="What does it say about the lighthouse?", collections=("open",))


class Reads:
    """A generator that counts by words, and notes what it was handed."""

    fingerprint = "reads"

    def __init__(self) -> None:
        self.context: Sequence[Passage] = ()

    def stream(
        self, question: str, context: Sequence[Passage], *, deadline: float
    ) -> Iterator[Delta | Finished]:
        self.context = context
        yield Delta("")
        time.sleep(0.02)
        yield Delta("Yes.")
        yield Finished(Answer("Yes.", (), "answered"), Usage("reads", 1, 1))

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> IndexReader:
    root: Path = tmp_path_factory.mktemp("index")
    encoder = HashingEncoder()
    embedded.create(root, encoder.fingerprint, encoder.dimension)
    writer = embedded.open_writer(root, encoder.fingerprint, encoder.dimension)
    default = specs.load(Path("search_app/specs/default.toml"))
    passages = split(
        ParsedDocument(title="All", text=TEXT),
        document_id="all",
        version=1,
        collection="open",
        encoder=encoder,
        spec=replace_struct(default.split, max_tokens=60, overlap_tokens=0),
    )
    assert len(passages) > 5
    writer.write(encode([passages], encoder))
    writer.close()
    return embedded.open_reader(root, encoder.fingerprint, encoder.dimension)


def replace_struct(of: specs.SplitSpec, **changes: int) -> specs.SplitSpec:
    return specs.SplitSpec(**{"max_tokens": of.max_tokens, "overlap_tokens": of.overlap_tokens, **changes})


def pipeline(index: IndexReader, **context: object) -> Pipeline:
    data = specs.load(Path("search_app/specs/default.toml")).as_dict()
    data |= {"late": None, "rerank": None, "context": {"top": 1, "max_tokens": 400, **context}}
    return Pipeline(
        name="default",
        spec=specs.from_mapping(data),
        encoder=HashingEncoder(),
        index=index,
        generator=Reads(),
        verifier=OverlapVerifier(0.5),
    )


def handed(trace: Trace) -> Passage:
    ((marker, passage),) = trace.handed
    assert marker == 1
    return passage


def test_a_passage_is_handed_over_with_its_section_and_the_trace_says_so(index: IndexReader) -> None:
    live = pipeline(index, section_tokens=200)
    trace = live.answer(QUESTION)
    whole = handed(trace)
    found = trace.final[0].passage
    assert whole.id == found.id and whole.span[0] < found.span[0] < found.span[1] < whole.span[1]
    assert whole.text.split() == TEXT[slice(*whole.span)].split()
    assert trace.widened == (whole,) and trace.context[0].tokens == len(whole.search_text.split()) <= 200
    assert isinstance(live.generator, Reads) and tuple(live.generator.context) == (whole,)
    stored = json.loads(json.dumps(trace_store.to_json(trace)))
    texts = trace_store.texts(trace)
    assert trace_store.from_json(stored, texts) == trace
    assert whole.text in texts.values()
    purged = trace_store.from_json(stored, {})
    assert handed(purged).text == "" and handed(purged).span == whole.span
    alone = handed(pipeline(index).answer(QUESTION))
    assert alone == found


def test_neighbours_among_the_candidates_become_one(index: IndexReader) -> None:
    trace = pipeline(index, top=6, max_tokens=2000, merge=True).answer(QUESTION)
    parts = [reason for _, reason in trace.dropped if "handed over as a part of passage" in reason]
    assert parts and trace.widened
    spans = sorted(p.span for _, p in trace.handed)
    assert all(a[1] < b[0] for a, b in zip(spans, spans[1:], strict=False))


def test_what_may_not_be_read_is_not_around_anything(index: IndexReader) -> None:
    asked: list[str] = []

    def found_only(passages: Sequence[Passage]) -> frozenset[str]:
        """As where a document was taken from the asker between the search and the packing."""
        asked.extend(p.id for p in passages)
        return frozenset(p.id for p in passages) if len(asked) == len(passages) else frozenset()

    trace = pipeline(index, section_tokens=200).answer(QUESTION, found_only)
    assert trace.widened == () and len(asked) > len(trace.passages)


def test_what_stands_in_another_collection_is_not_around_anything(index: IndexReader) -> None:
    class Moved:
        def __getattr__(self, name: str) -> object:
            return getattr(index, name)

        def passages(self, ids: Sequence[str]) -> tuple[Passage | None, ...]:
            return tuple(p and replace(p, collection="closed") for p in index.passages(ids))

    moved = replace(pipeline(index, section_tokens=200), index=Moved())  # type: ignore[arg-type]
    assert moved.answer(QUESTION).widened == ()


def test_an_index_that_fails_then_leaves_the_passages_alone_and_it_is_said(index: IndexReader) -> None:
    class Failing:
        def __getattr__(self, name: str) -> object:
            return getattr(index, name)

        def passages(self, ids: Sequence[str]) -> tuple[Passage | None, ...]:
            raise IndexUnavailable("The index is away.")

    failing = replace(pipeline(index, section_tokens=200), index=Failing())  # type: ignore[arg-type]
    trace = failing.answer(QUESTION)
    assert trace.widened == () and len(trace.context) == 1
    assert trace.degraded == (
        "Passages were handed over without what stands around them: The index is away.",
    )


def test_the_first_piece_with_text_is_the_first(index: IndexReader) -> None:
    trace = pipeline(index).answer(QUESTION)
    assert trace.first_ms is not None and trace.first_ms >= 15


def test_an_asker_is_kept_apart_where_a_part_can_be(index: IndexReader) -> None:
    class Salty(Reads):
        salt = ""

        def salted(self, salt: str) -> "Salty":
            other = Salty()
            other.salt = salt
            return other

    live = pipeline(index)
    assert live.apart("s") == live
    salty = replace(live, generator=Salty()).apart("s")
    assert isinstance(salty.generator, Salty) and salty.generator.salt == "s"
    assert "s" not in trace_store.to_json(salty.answer(QUESTION)).values()

"""What is understood is searched, reranked and answered; what is written beside it is only searched with."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from rag import spec as specs
from rag.encode.hashing import HashingEncoder
from rag.expand.multi_query import MultiQuery
from rag.index import embedded
from rag.ingest import encode
from rag.pipeline import Pipeline, Replay
from rag.rewrite.llm import ModelRewriter
from rag.spec import ExpandSpec, RewriteSpec
from rag.trace import Trace
from rag.types import Passage, Query, Rewriting, Scores
from tests.rag.build import passage
from tests.rag.scripted_chat import ScriptedChat

TEXTS = {
    "ferry": "The ferry to the island leaves at seven.",
    "fare": "A ticket for the ferry costs nine.",
    "boat": "Departure of boats: noon.",
    "tower": "The tower is made of granite.",
}
FOLLOW_UP = Query(
    id="q", text="How much does it cost?", collections=("c",), history=("When does the ferry leave?",)
)


class Watching:
    """A reranker that remembers what it was asked."""

    fingerprint = "watching"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def score(self, query: str, passages: Sequence[Passage], *, deadline: float) -> Scores:
        self.asked.append(query)
        return Scores("logit", tuple(1.0 for _ in passages), 1.0)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    root, encoder = tmp_path_factory.mktemp("index"), HashingEncoder()
    loaded = specs.load(Path("search_app/specs/default.toml"))
    spec = msgspec.structs.replace(loaded, late=None, generate=None, rewrite=None)
    embedded.create(root, encoder.fingerprint, encoder.dimension)
    writer = embedded.open_writer(root, encoder.fingerprint, encoder.dimension, languages={"c": "en"})
    writer.write(encode([[passage(name, text=text, tokens=9)] for name, text in TEXTS.items()], encoder))
    writer.close()
    index = embedded.open_reader(root, encoder.fingerprint, encoder.dimension)
    yield Pipeline(name="p", spec=spec, encoder=encoder, index=index)


def rewriting(plain: Pipeline, chat: ScriptedChat | None) -> Pipeline:
    spec = msgspec.structs.replace(plain.spec, rewrite=RewriteSpec(backend="llm", model="m", budget_ms=100))
    return replace(plain, spec=spec, rewriter=None if chat is None else ModelRewriter(chat))


def expanding(plain: Pipeline, chat: ScriptedChat) -> Pipeline:
    expand = ExpandSpec(backend="multi_query", model="m", number=2, budget_ms=100)
    spec = msgspec.structs.replace(plain.spec, expand=expand)
    return replace(plain, spec=spec, expander=MultiQuery(chat, 2), reranker=Watching())


def words(trace: Trace) -> set[str]:
    ranking = trace.ranking("bm25")
    assert ranking is not None
    return {p.document_id for p in ranking.passages}


def test_what_is_understood_is_searched(plain: Pipeline) -> None:
    assert words(plain.answer(FOLLOW_UP)) == {"fare"}
    said = "How much does the ferry cost?"
    trace = rewriting(plain, ScriptedChat(said)).answer(FOLLOW_UP)
    assert trace.rewriting == Rewriting(said, "scripted") and trace.question == said
    assert trace.query == FOLLOW_UP and words(trace) == {"fare", "ferry"} and not trace.skipped[1:]


@pytest.mark.parametrize("chat", [None, ScriptedChat(error="it is away.")])
def test_without_its_model_the_rule_does_it_and_says_so(plain: Pipeline, chat: ScriptedChat | None) -> None:
    trace = rewriting(plain, chat).answer(FOLLOW_UP)
    assert trace.rewriting == Rewriting("How much does it cost? (ferry leave)", "rule")
    assert any("by a rule, not by a model" in sentence for sentence in trace.degraded)
    alone = rewriting(plain, chat).answer(replace(FOLLOW_UP, text="Where is the tower?"))
    assert alone.rewriting is None and words(alone) == {"tower"}


def test_a_replay_takes_what_was_understood_then(plain: Pipeline) -> None:
    chat = ScriptedChat("How much does the ferry cost?", "What does the ferry cost today?")
    live = rewriting(plain, chat)
    once = live.answer(FOLLOW_UP)
    again = live.answer(FOLLOW_UP, replay=Replay(once))
    assert again.rewriting == once.rewriting and words(again) == words(once) and len(chat.asked) == 1


def test_texts_beside_the_question_are_searched_with_and_nothing_else_reads_them(plain: Pipeline) -> None:
    live = expanding(plain, ScriptedChat('["departure of boats", "ship timetable"]'))
    question = Query(id="q", text="When does the ferry leave?", collections=("c",))
    trace = live.answer(question)
    assert trace.expansion is not None and trace.expansion.texts == ("departure of boats", "ship timetable")
    assert words(plain.answer(question)) == {"ferry", "fare"} and words(trace) == {"ferry", "fare", "boat"}
    assert isinstance(live.reranker, Watching) and set(live.reranker.asked) == {question.text}
    assert live.answer(question, replay=Replay(trace)).expansion == trace.expansion


def test_an_expansion_that_fails_leaves_the_question_alone(plain: Pipeline) -> None:
    question = Query(id="q", text="When does the ferry leave?", collections=("c",))
    trace = expanding(plain, ScriptedChat(error="it is away.")).answer(question)
    assert words(trace) == {"ferry", "fare"} and trace.expansion is None
    assert any("searched alone" in sentence for sentence in trace.degraded)


def test_quotation_marks_hold_in_both_legs_or_are_said_not_to(plain: Pipeline) -> None:
    held = plain.answer(Query(id="q", text='Which "ferry to the island"?', collections=("c",)))
    assert [len(r) for r in held.rankings if r.stage in ("bm25", "knn")] == [1, 1]
    lost = plain.answer(Query(id="q", text='Which "ferry to the moon"?', collections=("c",)))
    assert words(lost) == {"ferry", "fare"} and any("“ferry to the moon”" in s for s in lost.degraded)
    strict = Query(id="q", text="ferry", collections=("c",))
    strict = replace(strict, filters=replace(strict.filters, phrases=("ferry to the moon",)))
    assert words(plain.answer(strict)) == set(), "what was asked for as a filter holds"

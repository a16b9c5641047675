import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from rag.errors import GenerationUnavailable, RerankUnavailable
from rag.generate.extractive import NO_ANSWER, ExtractiveGenerator, build
from rag.rerank import onnx
from rag.rerank.pairs import PairReranker
from rag.spec import GenerateSpec
from rag.types import Passage, Scores
from tests import models
from tests.contracts.generator import CONTEXT, QUESTION, TEXTS, GeneratorContract, collect
from tests.rag.build import passage


class Words:
    """Scores a text by how many words of the query it holds: 4 a word, less 10."""

    fingerprint = "words"

    def __init__(self, stops_after: int | None = None) -> None:
        self.texts: list[str] = []
        self.stops_after = stops_after

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        if time.monotonic() >= deadline:
            raise RerankUnavailable("No time left.")
        self.texts += texts
        words = query.lower().strip("?").split()
        values = [4.0 * sum(f" {word}" in f" {text.lower()}" for word in words) - 10 for text in texts]
        return Scores("logit", tuple(v if i != self.stops_after else None for i, v in enumerate(values)), 1.0)


def words(threshold: float = 0.0, max_sentences: int = 3) -> ExtractiveGenerator:
    return ExtractiveGenerator(Words(), threshold=threshold, max_sentences=max_sentences)


@pytest.fixture(scope="module")
def reranker() -> PairReranker:
    return onnx.load(models.CROSS_ENCODER, models.folder(models.CROSS_ENCODER), threads=2)


class TestWithWords(GeneratorContract):
    @pytest.fixture
    def generator(self) -> ExtractiveGenerator:
        return words()


@pytest.mark.models
class TestWithTheModel(GeneratorContract):
    @pytest.fixture
    def generator(self, reranker: PairReranker) -> ExtractiveGenerator:
        return ExtractiveGenerator(reranker, threshold=0.0, max_sentences=3)


def test_sentences_are_quoted_word_for_word() -> None:
    answer = collect(words(), QUESTION, CONTEXT)[1].answer
    for citation in answer.citations:
        quoted = answer.text[slice(*citation.answer_span)]
        cited = CONTEXT[citation.marker - 1]
        assert quoted == TEXTS[cited.document_id][slice(*citation.span)]
        assert f"“{quoted}” [{citation.marker}]" in answer.text
    assert answer.text.startswith("“The ferry leaves at seven in the morning.” [2]")


def test_the_best_comes_first_and_those_far_below_it_are_left_out() -> None:
    context = [
        passage("a", text="The ferry is red. Fish is sold.", tokens=8),
        passage("b", text="The ferry is big and red.", tokens=6),
    ]
    answer = collect(words(), "ferry red big", context)[1].answer
    assert answer.text == "“The ferry is big and red.” [2]"
    assert answer.confidence == 2.0
    both = collect(words(), "the ferry is red", context)[1].answer
    assert both.text == "“The ferry is red.” [1] “The ferry is big and red.” [2]"
    assert collect(words(max_sentences=1), "the ferry is red", context)[1].answer.text == (
        "“The ferry is red.” [1]"
    )


def test_below_the_threshold_nothing_is_answered_and_the_confidence_is_kept() -> None:
    answer = collect(words(threshold=2.5), "ferry red big", [passage(text="A big red ferry.")])[1].answer
    assert (answer.text, answer.finish_reason, answer.citations) == (NO_ANSWER, "no_answer", ())
    assert answer.confidence == 2.0


def test_a_sentence_that_stands_in_two_passages_is_quoted_once() -> None:
    context = [
        passage("a", text="The ferry\nis red."),
        passage("b", text="The ferry is red. THE FERRY IS RED."),
    ]
    answer = collect(words(), "the ferry is red", context)[1].answer
    assert [c.marker for c in answer.citations] == [1]


def test_time_that_runs_out_leaves_the_first_sentences() -> None:
    generator = ExtractiveGenerator(Words(stops_after=1), threshold=0.0, max_sentences=3)
    context = [passage(text="The ferry is red."), passage("b", text="The ferry is red indeed.")]
    assert len(collect(generator, "the ferry is red", context)[1].answer.citations) == 1


def test_the_scorer_reads_title_and_headings_with_each_sentence() -> None:
    scorer = Words()
    generator = ExtractiveGenerator(scorer, threshold=0.0, max_sentences=3)
    collect(generator, QUESTION, [replace(CONTEXT[2], headings=("Lights",))])
    assert scorer.texts == [
        "The island > Lights\nThe lighthouse flashes three times at night.",
        "The island > Lights\nIt was built in 1859.",
    ]


def test_a_word_and_what_explains_it_are_one_sentence() -> None:
    scorer = Words()
    generator = ExtractiveGenerator(scorer, threshold=0.0, max_sentences=3)
    collect(
        generator,
        QUESTION,
        [passage(text="RRF. A way to fuse rankings. No. Never mind.\nYes.\nIt is so. End.")],
    )
    assert scorer.texts == ["RRF. A way to fuse rankings.", "No. Never mind.", "Yes.", "It is so.", "End."]


@pytest.mark.parametrize("text", ["", " \n", "--- *** ---"])
def test_passages_without_a_word_answer_nothing(text: str) -> None:
    answer = collect(words(), QUESTION, [passage(text=text)])[1].answer
    assert (answer.finish_reason, answer.confidence) == ("no_answer", None)


def test_a_failing_cross_encoder_is_said() -> None:
    class Failing(Words):
        def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
            raise RerankUnavailable("The cross-encoder failed on these passages.")

    generator = ExtractiveGenerator(Failing(), threshold=0.0, max_sentences=3)
    with pytest.raises(GenerationUnavailable, match="cross-encoder failed"):
        collect(generator, QUESTION, CONTEXT)


def test_a_spec_builds_it_and_what_changes_an_answer_changes_the_fingerprint() -> None:
    asked: list[tuple[str, str, str]] = []

    def load(kind: str, backend: str, model: str) -> Words:
        asked.append((kind, backend, model))
        return Words()

    spec = GenerateSpec(backend="extractive", model="m", threshold=1.5, max_sentences=2, budget_ms=1000)
    assert build(spec, load).fingerprint != words().fingerprint
    assert asked == [("rerank", "onnx", "m")]
    assert words(1.0).fingerprint != words(2.0).fingerprint


def test_tokens_read_are_counted() -> None:
    context: list[Passage] = CONTEXT
    usage = collect(words(), QUESTION, context)[1].usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (50, 0)

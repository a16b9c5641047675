"""Our rerankers against the real vLLM: the cross-encoder's two ways, and a small language model.

The language model of `chat` is too weak to rank; what it says is hardly ever well formed, which is what its
tests are for. That of `chat-large` can.
"""

import json
import math
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rag.errors import RerankUnavailable
from rag.rerank import golden, http, listwise, onnx, pointwise
from rag.rerank.base import TextReranker
from rag.rerank.listwise import Options
from rag.rerank.pointwise import Options as OneOptions
from tests import models, vllm
from tests.contracts.reranker import PASSAGES, QUERY, RerankerContract, far
from tests.rag.rerank.test_chat import HOSTILE

BOTH = ("vllm_rerank", "vllm_score")
TEXTS = [
    "The lighthouse flashes three times at night.",
    "Fish is sold at the market.",
    "The ferry leaves at seven in the morning.",
    "Tickets are sold on board of the ship.",
]
BEST = 2


def cross_encoder(dialect: str, **changes: Any) -> http.HttpReranker:
    server = vllm.running("rerank")
    return http.connect(server.services[dialect], changes.get("model", server.model))


def listing(name: str = "chat", **options: Any) -> listwise.Listwise:
    server = vllm.running(name)
    return listwise.connect(server.services["openai"], server.model, options=options)


def rating(name: str = "chat", **options: Any) -> pointwise.Pointwise:
    server = vllm.running(name)
    return pointwise.connect(server.services["openai"], server.model, options=options)


def call(url: str, body: dict[str, Any]) -> Any:
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=300) as reply:
        return json.load(reply)


def tokens(messages: Any) -> list[int]:
    """The whole prompt as the server's own template and tokenizer make it."""
    server = vllm.running("chat")
    body = {"model": server.model, "messages": messages, "add_generation_prompt": True}
    found: list[int] = call(f"{server.url}/tokenize", body)["tokens"]
    return found


# --- The cross-encoder by /v1/rerank and /score ------------------------------------------------------------


@pytest.mark.vllm("rerank")
@pytest.mark.parametrize("dialect", BOTH)
class TestCrossEncoder(RerankerContract):
    @pytest.fixture
    def reranker(self, dialect: str) -> http.HttpReranker:
        return cross_encoder(dialect)


@pytest.mark.vllm("rerank")
@pytest.mark.parametrize("dialect", BOTH)
def test_vllm_gives_the_golden_scores(dialect: str) -> None:
    reranker = cross_encoder(dialect)
    assert golden.check(reranker, model="ms-marco-MiniLM-L-12-v2") == ""
    fixed = golden.golden().scores["ms-marco-MiniLM-L-12-v2"]["float32"]
    given = [
        value
        for query, texts in golden.golden().questions
        for value in reranker.score_texts(query, texts, deadline=far()).values
    ]
    assert given == pytest.approx(fixed, abs=golden.TOLERANCE["float32"])


@pytest.mark.vllm("rerank")
@pytest.mark.models
def test_vllm_ranks_as_the_onnx_file_does() -> None:
    ours = onnx.load(models.CROSS_ENCODER, models.folder(models.CROSS_ENCODER))
    there = cross_encoder("vllm_rerank").score(QUERY, PASSAGES, deadline=far())
    here = ours.score(QUERY, PASSAGES, deadline=far())
    assert there.kind == here.kind == "logit"
    assert there.values == pytest.approx(here.values, abs=2 * golden.TOLERANCE["int8"])


@pytest.mark.vllm("rerank")
@pytest.mark.parametrize("dialect", BOTH)
def test_tokens_and_requests_are_counted(dialect: str) -> None:
    spent = cross_encoder(dialect).score_texts(QUERY, TEXTS, deadline=far()).spent
    assert (spent.requests, spent.texts) == (1, 4)
    assert spent.tokens > 4 * 15


@pytest.mark.vllm("rerank")
@pytest.mark.parametrize("dialect", BOTH)
def test_a_model_that_it_has_not_is_said(dialect: str) -> None:
    with pytest.raises(RerankUnavailable, match=r"does not know this address or this model \(HTTP 404\)"):
        cross_encoder(dialect, model="another").score_texts(QUERY, TEXTS, deadline=far())


# --- The language model ------------------------------------------------------------------------------------


@pytest.mark.vllm("chat")
@pytest.mark.parametrize("form", ["rankgpt", "rankzephyr"])
def test_each_passage_has_a_place(form: str) -> None:
    scores = listing(format=form).score(QUERY, PASSAGES, deadline=far() + 240)
    assert sorted(value or 0 for value in scores.values) == [1.0, 2.0, 3.0, 4.0]
    assert (scores.spent.requests, scores.spent.texts) == (1, 4)


@pytest.mark.vllm("chat")
def test_two_questions_at_once_have_the_probabilities_of_each() -> None:
    reranker = rating(answer="yes_no")
    questions = (QUERY, "Where is fish sold?")
    alone = [reranker.score_texts(question, TEXTS, deadline=far() + 240).values for question in questions]
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(reranker.score_texts, q, TEXTS, deadline=far() + 240) for q in questions]
        together = [one.result().values for one in asked]
    assert alone[0] != alone[1]
    for one, other in zip(alone, together, strict=True):
        assert other == pytest.approx(one, abs=0.05), "bfloat16 rounds otherwise in another batch"


@pytest.mark.vllm("chat")
@pytest.mark.parametrize("form", ["rankgpt", "rankzephyr"])
def test_a_passage_cannot_end_its_turn(form: Any) -> None:
    """The server's own tokenizer sees as many turns whatever a passage holds; as it stands it would not."""
    plain = listwise.prompt("q", TEXTS, Options(format=form))
    hostile = listwise.prompt(HOSTILE, [HOSTILE, *TEXTS[1:]], Options(format=form))
    begins, ends = turn_marks()
    seen = tokens(plain)
    assert (seen.count(begins), seen.count(ends)) == (len(plain) + 1, len(plain))
    changed = tokens(hostile)
    assert (changed.count(begins), changed.count(ends)) == (len(plain) + 1, len(plain))
    as_it_stands = [*plain[:-1], {"role": "user", "content": HOSTILE}]
    assert tokens(as_it_stands).count(begins) > len(plain) + 1, "this is what has to be kept out"


@pytest.mark.vllm("chat")
@pytest.mark.parametrize("answer", ["rating", "yes_no"])
def test_a_passage_cannot_end_its_turn_where_it_is_alone(answer: Any) -> None:
    begins, ends = turn_marks()
    for text in (TEXTS[0], HOSTILE):
        messages = pointwise.prompt(text, text, OneOptions(answer=answer))
        seen = tokens(messages)
        system = 0 if messages[0]["role"] == "system" else 1  # the template adds one of its own
        turns = len(messages) + system
        assert (seen.count(begins), seen.count(ends)) == (turns + 1, turns)


def turn_marks() -> tuple[int, int]:
    server = vllm.running("chat")
    ids = [
        call(f"{server.url}/tokenize", {"model": server.model, "prompt": mark, "add_special_tokens": False})
        for mark in ("<|im_start|>", "<|im_end|>")
    ]
    (begins,), (ends,) = (one["tokens"] for one in ids)
    return begins, ends


@pytest.mark.vllm("chat")
def test_windows_are_asked_for_and_counted() -> None:
    texts = [f"{text} This is remark {n}." for n, text in enumerate(TEXTS * 2)]
    scores = listing(window=4, step=2).score_texts(QUERY, texts, deadline=far() + 240)
    assert sorted(value or 0 for value in scores.values) == [float(place) for place in range(1, 9)]
    assert (scores.kind, scores.spent.requests, scores.spent.texts) == ("ordinal", 3, 8)
    assert 0 <= scores.spent.repaired <= 3
    assert scores.spent.tokens > 3 * 100


@pytest.mark.vllm("chat")
def test_the_probability_of_a_yes_is_that_of_the_servers_own_log_probabilities() -> None:
    server = vllm.running("chat")
    scores = rating(answer="yes_no").score_texts(QUERY, TEXTS[:1], deadline=far())
    body = {
        "model": server.model,
        "messages": pointwise.prompt(QUERY, TEXTS[0], OneOptions(answer="yes_no")),
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 20,
    }
    top = call(f"{server.url}/v1/chat/completions", body)["choices"][0]["logprobs"]["content"][0]
    found = {one["token"]: math.exp(one["logprob"]) for one in top["top_logprobs"]}
    yes = sum(p for token, p in found.items() if token.strip().lower() == "yes")
    no = sum(p for token, p in found.items() if token.strip().lower() == "no")
    assert yes > 0
    assert no > 0
    assert scores.kind == "probability"
    assert scores.values[0] == pytest.approx(yes / (yes + no), abs=0.02)


@pytest.mark.vllm("chat")
def test_a_prompt_longer_than_the_models_context_is_refused_in_a_sentence() -> None:
    with pytest.raises(RerankUnavailable, match="refused the request"):
        listing(passage_words=4000).score_texts(QUERY, ["words and more words " * 1300] * 4, deadline=far())


@pytest.mark.vllm("chat")
def test_a_deadline_is_kept_while_the_model_writes() -> None:
    began = time.monotonic()
    with pytest.raises(RerankUnavailable):
        listing().score_texts(QUERY, TEXTS * 5, deadline=began + 0.3)
    assert time.monotonic() - began < 2


@pytest.mark.vllm("chat-large")
@pytest.mark.parametrize("form", ["rankgpt", "rankzephyr"])
def test_a_model_that_can_rank_puts_the_answer_first(form: Any) -> None:
    scores = listing("chat-large", format=form).score_texts(QUERY, TEXTS, deadline=far() + 240)
    assert scores.values[BEST] == max(value or 0 for value in scores.values)
    assert scores.spent.repaired == 0


@pytest.mark.vllm("chat-large")
@pytest.mark.parametrize("answer", ["rating", "yes_no"])
def test_a_model_that_can_judge_gives_the_answer_most(answer: Any) -> None:
    reranker: TextReranker = rating("chat-large", answer=answer)
    scores = reranker.score_texts(QUERY, TEXTS, deadline=far() + 240)
    assert scores.values[BEST] == max(value or 0 for value in scores.values)
    assert scores.spent.repaired == 0

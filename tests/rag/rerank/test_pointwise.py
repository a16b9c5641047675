"""Ratings, and probabilities of a yes, over a scripted model."""

import json
import math
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import RerankUnavailable, SpecError
from rag.rerank import pointwise
from rag.rerank.pointwise import Options, Pointwise, probability_of_yes, prompt, rating
from tests.contracts.reranker import QUERY, RerankerContract, far
from tests.faults import kinds
from tests.faults.proxy import Proxy
from tests.rag.rerank.talker import MODEL, TOKENS, Messages, common, says, service
from tests.rag.rerank.test_chat import HOSTILE

TEXTS = [f"passage {'very ' * n}good" for n in range(6)]


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy("http://127.0.0.1:9") as running:
        yield running


def reranker_on(proxy: Proxy, at_once: int = 4, **options: Any) -> Pointwise:
    return pointwise.connect(service(proxy.url, at_once=at_once), MODEL, options=options)


def shown(messages: Messages) -> str:
    return messages[-1]["content"].splitlines()[0].removeprefix("Passage: ")


def rates(messages: Messages) -> str:
    return str(min(10, common(QUERY, shown(messages))))


def affirms(messages: Messages) -> Mapping[str, float]:
    yes = common(QUERY, shown(messages)) / 10 + 0.01
    return {"Yes": math.log(yes * 0.9), "No": math.log((1 - yes) * 0.9), "The": math.log(0.1)}


class TestRating(RerankerContract):
    @pytest.fixture
    def reranker(self, proxy: Proxy) -> Pointwise:
        proxy.on(says(rates))
        return reranker_on(proxy)


class TestYesNo(RerankerContract):
    @pytest.fixture
    def reranker(self, proxy: Proxy) -> Pointwise:
        proxy.on(says(affirms))
        return reranker_on(proxy, answer="yes_no")


# --- What is asked -----------------------------------------------------------------------------------------


def test_each_passage_is_asked_about_by_itself(proxy: Proxy) -> None:
    proxy.on(says(lambda messages: str(shown(messages).count("very"))))
    scores = reranker_on(proxy).score_texts("q", TEXTS, deadline=far())
    assert scores.values == (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
    assert scores.kind == "rating"
    assert (scores.spent.requests, scores.spent.texts, scores.spent.tokens) == (6, 6, 6 * 2 * TOKENS)
    assert {json.loads(seen.body)["max_tokens"] for seen in proxy.seen} == {8}


def test_several_are_asked_about_at_the_same_time_but_no_more_than_the_service_takes(proxy: Proxy) -> None:
    lock, under_way, most = threading.Lock(), [0], [0]

    def slowly(_: Messages) -> str:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.05)
        with lock:
            under_way[0] -= 1
        return "5"

    proxy.on(says(slowly))
    reranker_on(proxy, at_once=3).score_texts("q", TEXTS * 3, deadline=far())
    assert most[0] == 3


@pytest.mark.parametrize("answer", ["rating", "yes_no"])
def test_a_hostile_passage_changes_nothing_but_its_own_line(answer: Any) -> None:
    plain = prompt("q", "one", Options(answer=answer))
    hostile = prompt(HOSTILE, HOSTILE, Options(answer=answer))
    assert [turn["role"] for turn in hostile] == [turn["role"] for turn in plain]
    lines, others = hostile[-1]["content"].splitlines(), plain[-1]["content"].splitlines()
    assert len(lines) == len(others)
    assert lines[2:] == others[2:]
    assert not any(mark in hostile[-1]["content"] for mark in ("<|", "[", "</", "<s>"))


# --- Ratings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value", "well_formed"),
    [
        ("7", 7.0, True),
        (" 10.\n", 10.0, True),
        ("0", 0.0, True),
        ("8/10", 8.0, False),
        ("Rating: 8.5", 8.5, False),
        ("**6**", 6.0, False),
        ("100", None, False),
        ("-3", None, False),
        ("1e5", None, False),
        ("On a scale of 0-10: 4", 0.0, False),
        ("good", None, False),
        ("", None, False),
    ],
)
def test_a_rating_is_read(text: str, value: float | None, well_formed: bool) -> None:
    assert rating(text) == (value, well_formed)


@given(st.text())
def test_a_rating_lies_in_its_scale(text: str) -> None:
    value, well_formed = rating(text)
    assert value is None or 0 <= value <= 10
    assert value is not None or not well_formed


def test_a_reply_without_a_rating_counts_as_the_middle_and_as_mended(proxy: Proxy) -> None:
    proxy.on(says(lambda messages: "hm" if "very very" in shown(messages) else "Rating: 9"))
    scores = reranker_on(proxy).score_texts("q", TEXTS, deadline=far())
    assert scores.values == (9.0, 9.0, 5.0, 5.0, 5.0, 5.0)
    assert scores.spent.repaired == 6


# --- Yes or no ---------------------------------------------------------------------------------------------


def test_the_probability_of_a_yes_is_worked_out_by_hand() -> None:
    first = {"Yes": math.log(0.5), " yes": math.log(0.1), "No": math.log(0.2), "Maybe": math.log(0.1)}
    assert probability_of_yes(first) == pytest.approx(0.6 / 0.8)
    assert probability_of_yes({"\u0120No": math.log(0.9), "Hm": math.log(0.05)}) == pytest.approx(0.05 / 0.95)
    assert probability_of_yes({"**yes**": math.log(0.9), "?": math.log(0.1)}) == pytest.approx(0.9)
    assert probability_of_yes({"Maybe": -0.1}) is None
    assert probability_of_yes({}) is None


@given(st.dictionaries(st.sampled_from(["Yes", "no", " No", "x", "y"]), st.floats(-1e5, 0.1)))
def test_a_probability_is_one(first: dict[str, float]) -> None:
    value = probability_of_yes(first)
    assert value is None or 0 <= value <= 1


def test_yes_and_no_are_asked_for_with_their_log_probabilities(proxy: Proxy) -> None:
    proxy.on(says(lambda _: {"No": math.log(0.6), "Yes": math.log(0.2)}))
    scores = reranker_on(proxy, answer="yes_no").score_texts("q", TEXTS, deadline=far())
    assert scores.values == pytest.approx([0.25] * 6)
    assert (scores.kind, scores.spent.repaired) == ("probability", 0)
    sent = json.loads(proxy.seen[0].body)
    assert (sent["max_tokens"], sent["logprobs"], sent["top_logprobs"]) == (1, True, 20)


def test_where_neither_is_likely_the_middle_counts(proxy: Proxy) -> None:
    proxy.on(says(lambda messages: {"Hm": -0.1} if "very" in shown(messages) else {"Yes": -0.1, "No": -3.0}))
    scores = reranker_on(proxy, answer="yes_no").score_texts("q", TEXTS, deadline=far())
    assert scores.values[1:] == (0.5,) * 5
    assert scores.spent.repaired == 5


# --- What cannot be scored ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "said", "sentence"),
    [
        ("rating", "I would rather not.", "held no rating from 0 to 10"),
        ("yes_no", "Yes", 'gives no log-probabilities: set answer = "rating"'),
        ("yes_no", {"Maybe": -0.1}, "neither yes nor no"),
    ],
)
def test_a_model_that_never_answers_gives_no_scores(
    answer: str, said: Any, sentence: str, proxy: Proxy
) -> None:
    proxy.on(says(lambda _: said))
    with pytest.raises(RerankUnavailable, match=sentence):
        reranker_on(proxy, answer=answer).score_texts("q", TEXTS, deadline=far())


def test_a_server_that_fails_once_gives_no_scores(proxy: Proxy) -> None:
    proxy.on(kinds.says(400, b"{}"), times=1, after=3)
    proxy.on(says(rates))
    with pytest.raises(RerankUnavailable, match="refused the request"):
        reranker_on(proxy).score_texts("q", TEXTS, deadline=far())


def test_time_that_runs_out_leaves_the_first_ones_rated(proxy: Proxy) -> None:
    def slowly(_: Messages) -> str:
        time.sleep(0.1)
        return "6"

    proxy.on(says(slowly))
    reranker = reranker_on(proxy, at_once=1)
    began = time.monotonic()
    scores = reranker.score_texts("q", TEXTS * 10, deadline=began + 0.55)
    assert time.monotonic() - began < 1
    scored = scores.values.index(None)
    assert 2 <= scored <= 5
    assert scores.values == (6.0,) * scored + (None,) * (60 - scored)
    assert scores.spent.stopped == "time"


def test_a_server_that_hangs_costs_no_more_than_the_time(proxy: Proxy) -> None:
    proxy.on(kinds.hang())
    began = time.monotonic()
    with pytest.raises(RerankUnavailable, match="no time left"):
        reranker_on(proxy).score_texts("q", TEXTS, deadline=began + 0.3)
    assert time.monotonic() - began < 1


# --- Options -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"mode": "rating"}, {"answer": "stars"}, {"passage_words": 1}])
def test_wrong_options_are_refused(options: dict[str, Any], proxy: Proxy) -> None:
    with pytest.raises(SpecError, match=r"An option of pointwise is wrong: .* There are: answer"):
        reranker_on(proxy, **options)


def test_whatever_changes_a_score_is_in_the_fingerprint(proxy: Proxy) -> None:
    changed = [{"answer": "yes_no"}, {"passage_words": 50}, {"reasoning_tokens": 5}]
    assert len({reranker_on(proxy, **one).fingerprint for one in ({}, *changed)}) == 4
    assert reranker_on(proxy).fingerprint == f"openai:{MODEL}:pointwise-rating-400-0:rating"

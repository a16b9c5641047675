"""Windows, prompts and replies of the listwise reranker, over a scripted model."""

import json
import random
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import RerankUnavailable, SpecError
from rag.rerank import listwise
from rag.rerank.listwise import Listwise, Options, prompt, read
from tests.contracts.reranker import QUERY, RerankerContract, far
from tests.faults import kinds
from tests.faults.proxy import Proxy
from tests.rag.rerank.talker import MODEL, TOKENS, Messages, common, numbered, says, service, words
from tests.rag.rerank.test_chat import HOSTILE

SLOW_S = 0.15


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy("http://127.0.0.1:9") as running:
        yield running


def reranker_on(proxy: Proxy, **options: Any) -> Listwise:
    return listwise.connect(service(proxy.url), MODEL, options=options)


def best_first(messages: Messages) -> str:
    """A model that orders passages such as `value 7` by their numbers."""
    values = [int(re.findall(r"\d+", text)[-1]) for text in numbered(messages)]
    order = sorted(range(len(values)), key=lambda place: -values[place])
    return " > ".join(f"[{place + 1}]" for place in order)


def overlap(messages: Messages) -> str:
    """A model that counts the words that a passage shares with the question."""
    texts = numbered(messages)
    order = sorted(range(len(texts)), key=lambda place: -common(QUERY, texts[place]))
    return " > ".join(f"[{place + 1}]" for place in order)


def shuffled(number: int) -> list[str]:
    values = list(range(number))
    random.Random(7).shuffle(values)
    return [f"value {value}" for value in values]


def by_windows(values: list[int], window: int, step: int) -> tuple[list[int], int]:
    """The values as the published algorithm leaves them, the last window a whole one; how many it took."""
    values, asked = list(values), 0
    end = len(values)
    while True:
        start = max(0, end - window)
        values[start : start + window] = sorted(values[start : start + window], reverse=True)
        asked += 1
        if start == 0:
            return values, asked
        end -= step


@pytest.mark.parametrize("form", ["rankgpt", "rankzephyr"])
class TestListwise(RerankerContract):
    BY_TEXT: ClassVar[bool] = False

    @pytest.fixture
    def reranker(self, proxy: Proxy, form: str) -> Listwise:
        proxy.on(says(overlap))
        return reranker_on(proxy, format=form)


# --- Windows -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["rankgpt", "rankzephyr"])
@pytest.mark.parametrize(("number", "window", "step"), [(55, 20, 10), (100, 20, 10), (7, 20, 10), (23, 5, 3)])
def test_the_window_slides_from_the_bottom_to_the_top(
    number: int, window: int, step: int, form: str, proxy: Proxy
) -> None:
    proxy.on(says(best_first))
    texts = shuffled(number)
    reranker = reranker_on(proxy, format=form, window=window, step=step)
    scores = reranker.score_texts("q", texts, deadline=far())
    places = sorted(range(number), key=lambda at: -(scores.values[at] or 0))
    order, asked = by_windows([int(text.split()[1]) for text in texts], window, step)
    assert [int(texts[at].split()[1]) for at in places] == order
    if step * 2 == window:
        assert order[:step] == sorted(range(number), reverse=True)[:step], "the best of all are on top"
    assert sorted(value or 0 for value in scores.values) == [float(place) for place in range(1, number + 1)]
    assert scores.kind == "ordinal"
    assert (scores.spent.requests, scores.spent.texts, scores.spent.repaired) == (asked, number, 0)
    assert scores.spent.tokens == asked * 2 * TOKENS


def test_one_passage_is_best_without_asking(proxy: Proxy) -> None:
    scores = reranker_on(proxy).score_texts("q", ["alone"], deadline=far())
    assert scores.values == (1.0,)
    assert proxy.seen == []


def test_in_a_short_time_the_window_begins_higher_up(proxy: Proxy) -> None:
    def slowly(messages: Messages) -> str:
        time.sleep(SLOW_S)
        return best_first(messages)

    proxy.on(says(slowly))
    reranker = reranker_on(proxy)
    texts = shuffled(100)
    reranker.score_texts("q", texts[:20], deadline=far())  # the pace is learned
    began = time.monotonic()
    scores = reranker.score_texts("q", texts, deadline=began + 2.7 * SLOW_S)
    assert time.monotonic() - began < 4 * SLOW_S
    scored = scores.values.index(None)
    assert scored in (20, 30)
    assert set(scores.values[scored:]) == {None}
    top = max(range(scored), key=lambda at: scores.values[at] or 0)
    assert texts[top] == f"value {max(int(text.split()[1]) for text in texts[:scored])}"
    assert (scores.spent.stopped, scores.spent.texts) == ("time", scored)


def test_a_pace_learned_under_way_counts_at_once(proxy: Proxy) -> None:
    """Nothing is known of a new server: after the first window it is, and the best are not left for last."""

    def slowly(messages: Messages) -> str:
        time.sleep(SLOW_S)
        return best_first(messages)

    proxy.on(says(slowly))
    scores = reranker_on(proxy).score_texts("q", shuffled(100), deadline=time.monotonic() + 3.5 * SLOW_S)
    assert scores.values.index(None) in (20, 30)
    assert scores.spent.stopped == "time"
    assert scores.spent.requests in (2, 3), "the wasted one is counted, too"


def test_a_server_too_slow_for_one_window_leaves_the_order_in_time(proxy: Proxy) -> None:
    proxy.on(kinds.hang())
    reranker = reranker_on(proxy)
    for _ in range(2):
        began = time.monotonic()
        with pytest.raises(RerankUnavailable, match="in time"):
            reranker.score_texts("q", shuffled(40), deadline=began + 0.2)
        assert time.monotonic() - began < 1


# --- Prompts -----------------------------------------------------------------------------------------------


def test_the_prompt_of_rankgpt_is_the_published_one() -> None:
    turns = prompt("what?", ["one", "two"], Options())
    assert [turn["role"] for turn in turns] == [
        *("system", "user", "assistant"),
        *("user", "assistant", "user", "assistant"),
        "user",
    ]
    assert turns[1]["content"] == (
        "I will provide you with 2 passages, each indicated by number identifier []. \n"
        "Rank the passages based on their relevance to query: what?."
    )
    assert [turn["content"] for turn in turns[3:7]] == [
        *("[1] one", "Received passage [1]."),
        *("[2] two", "Received passage [2]."),
    ]
    assert turns[-1]["content"].startswith("Search Query: what?. \nRank the 2 passages above based on")


def test_the_prompt_of_rankzephyr_is_the_published_one() -> None:
    system, user = prompt("what?", ["one", "two"], Options(format="rankzephyr"))
    assert (system["role"], user["role"]) == ("system", "user")
    assert user["content"].startswith(
        "I will provide you with 2 passages, each indicated by a numerical identifier []. Rank the passages "
        "based on their relevance to the search query: what?.\n\n[1] one\n[2] two\n\nSearch Query: what?.\n"
    )


@pytest.mark.parametrize("form", ["rankgpt", "rankzephyr"])
def test_a_hostile_passage_is_one_passage(form: Any) -> None:
    plain = prompt("q", ["one", "two", "three"], Options(format=form))
    hostile = prompt(f"q {HOSTILE}", [HOSTILE, "two", HOSTILE], Options(format=form))
    assert [turn["role"] for turn in hostile] == [turn["role"] for turn in plain]
    assert [turn["content"].count("\n") for turn in hostile] == [
        turn["content"].count("\n") for turn in plain
    ]
    assert len(numbered(hostile)) == 3
    said = "".join(turn["content"] for turn in hostile)
    assert re.findall(r"\[[^\]]*\]", said) == re.findall(r"\[[^\]]*\]", "".join(t["content"] for t in plain))
    assert words("ignore the above") <= words(said), "what it says is still there to be judged"


def test_a_passage_is_cut_to_its_words(proxy: Proxy) -> None:
    turns = prompt("q", ["one two three four " * 10], Options(passage_words=10))
    assert (
        turns[3]["content"]
        == "[1] " + " ".join(["one two three four"] * 3)[: len("one two three four") * 2 + 9]
    )


# --- Replies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "order", "well_formed"),
    [
        ("[2] > [3] > [1]", [1, 2, 0], True),
        (" [2]>[3] >[1].\n", [1, 2, 0], True),
        ("[2] > [3]", [1, 2, 0], False),
        ("[3] > [3] > [9] > [0] > [1]", [2, 0, 1], False),
        ("Sure! The ranking of 3 is: [3] > [1] > [2]", [2, 0, 1], False),
        ("3, 1, 2", [2, 0, 1], False),
        ("[3] > [1] > [2] > [1]", [2, 0, 1], False),
        ("2024 was a good year", None, False),
        ("I cannot rank these.", None, False),
        ("", None, False),
    ],
)
def test_a_reply_is_read_and_mended(reply: str, order: list[int] | None, well_formed: bool) -> None:
    assert read(reply, 3) == (order, well_formed)


@given(
    st.text() | st.lists(st.sampled_from(["[1]", "[2]", " > ", "3", "[", "]", "x", "\u0663"])).map("".join),
    st.integers(1, 30),
)
def test_whatever_a_model_says_every_passage_has_one_place(reply: str, number: int) -> None:
    order, well_formed = read(reply, number)
    assert order is None or sorted(order) == list(range(number))
    if well_formed:
        assert order is not None
        assert read(" > ".join(f"[{place + 1}]" for place in order), number) == (order, True)


def test_mended_replies_are_counted(proxy: Proxy) -> None:
    replies = iter(["[20] > [1]", "nothing", " > ".join(f"[{n}]" for n in range(1, 21))])
    proxy.on(says(lambda _: next(replies)))
    scores = reranker_on(proxy).score_texts("q", shuffled(40), deadline=far())
    assert (scores.spent.requests, scores.spent.repaired) == (3, 2)
    assert None not in scores.values


@pytest.mark.parametrize("said", ["", "I am only a language model.", "0 > 99"])
def test_a_model_that_names_no_passage_gives_no_order(said: str, proxy: Proxy) -> None:
    proxy.on(says(lambda _: said))
    with pytest.raises(RerankUnavailable, match="named no passage"):
        reranker_on(proxy).score_texts("q", shuffled(30), deadline=far())


def test_what_was_thought_is_not_the_ranking(proxy: Proxy) -> None:
    proxy.on(says(lambda _: "<think>Is [1] better than [2]?</think>\n[3] > [2] > [1]"))
    scores = reranker_on(proxy, reasoning_tokens=500).score_texts("q", ["a", "b", "c"], deadline=far())
    assert scores.values == (1.0, 2.0, 3.0)
    assert scores.spent.repaired == 0


# --- Options -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{"windows": 20}, {"window": 1}, {"format": "rankvicuna"}, {"step": "10"}, {"passage_words": 0}],
)
def test_wrong_options_are_refused(options: dict[str, Any], proxy: Proxy) -> None:
    with pytest.raises(SpecError, match=r"An option of listwise is wrong: .* There are: format, window"):
        reranker_on(proxy, **options)


def test_whatever_changes_a_score_is_in_the_fingerprint(proxy: Proxy) -> None:
    make: Callable[..., str] = lambda **options: reranker_on(proxy, **options).fingerprint  # noqa: E731
    changed = [
        make(format="rankzephyr"),
        make(window=10),
        make(step=5),
        make(passage_words=100),
        make(reasoning_tokens=9),
    ]
    assert len({make(), *changed}) == 6
    assert make() == f"openai:{MODEL}:listwise-rankgpt-20-10-300-0:ordinal"


def test_the_reply_is_given_the_room_that_it_needs(proxy: Proxy) -> None:
    proxy.on(says(best_first))
    reranker_on(proxy).score_texts("q", shuffled(20), deadline=far())
    assert json.loads(proxy.seen[0].body)["max_tokens"] == 168

"""A language model that is shown several passages and says their order, in a window that slides upwards.

RankGPT (Sun et al. 2023): the window begins at the bottom, its best rise into the next one, and in the end
the best of all stand on top. The prompts are those that were published, `rankgpt` (a turn for each passage)
and `rankzephyr` (one turn for all: Pradeep et al. 2023), which models were trained on.
"""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from rag.errors import RerankUnavailable
from rag.rerank.base import ByText
from rag.rerank.chat import MAX_QUERY_WORDS, Chat, Message, Pace, Reply, as_data, chosen
from rag.services import Service
from rag.types import Scores

NEEDS_SERVICE = True
RANKGPT = (
    "You are RankGPT, an intelligent assistant that can rank passages based on their relevancy to the query."
)
RANKLLM = (
    "You are RankLLM, an intelligent assistant that can rank passages based on their relevancy to the query"
)
PLACE = re.compile(r"\[\s*(\d{1,3})\s*\]")
NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?![\w])")
WELL_FORMED = re.compile(r"\s*\[\d{1,3}\](\s*>\s*\[\d{1,3}\])*\s*\.?\s*")
TOKENS_PER_PLACE = 8
"""Of `[12] > `, for a tokenizer that knows nothing longer than one character."""


class Options(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a pipeline may choose."""

    format: Literal["rankgpt", "rankzephyr"] = "rankgpt"
    window: Annotated[int, Meta(ge=2, le=100)] = 20
    step: Annotated[int, Meta(ge=1, le=100)] = 10
    passage_words: Annotated[int, Meta(ge=10, le=4000)] = 300
    """Words after which a passage is cut, so that a window fits into the model's context."""
    reasoning_tokens: Annotated[int, Meta(ge=0, le=100_000)] = 0
    """For a model that thinks before it answers: so many tokens more."""


def connect(service: Service, model: str, *, options: Mapping[str, Any]) -> "Listwise":
    """Raises `SpecError` for options that there are not."""
    return Listwise(Chat(service, model), chosen(Options, options, "listwise"))


class Listwise(ByText):
    """Scores are places, counted down: the best of n gets n."""

    def __init__(self, chat: Chat, options: Options) -> None:
        self._chat, self._options = chat, options
        self._step = min(options.step, options.window)
        own = (options.format, options.window, self._step, options.passage_words, options.reasoning_tokens)
        self.fingerprint = f"{chat.fingerprint}:listwise-{'-'.join(map(str, own))}:ordinal"
        self._pace = Pace()

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        """One place per text, in the order given; None for those below the windows that there was time for.

        Where time is short the window begins higher up. Raises `RerankUnavailable` where not even the
        uppermost window could be ordered, or no reply named a passage.
        """
        began = time.monotonic()
        if len(texts) < 2:
            return Scores("ordinal", (1.0,) * len(texts), 0.0)
        window = self._options.window
        tops = [*range(max(0, len(texts) - window), 0, -self._step), 0]
        order = list(range(len(texts)))
        replies: list[Reply] = []
        repaired = nothing = 0
        while tops:
            if skipped := len(tops) - max(1, self._pace.fits(len(tops), deadline)):
                del tops[:skipped]
                order = list(range(min(tops[0] + window, len(texts))))
            top = tops.pop(0)
            places = order[top : top + window]
            replies.append(self._ask(query, [texts[at] for at in places], deadline))
            permutation, well_formed = read(replies[-1].text, len(places))
            repaired += not well_formed
            nothing += permutation is None
            order[top : top + window] = [places[at] for at in permutation or range(len(places))]
        if nothing == len(replies):
            raise RerankUnavailable("The language model's replies named no passage: it gives no order.")
        values: list[float | None] = [None] * len(texts)
        for place, at in enumerate(order):
            values[at] = float(len(order) - place)
        spent = self._chat.spent(replies, texts=len(order), repaired=repaired)
        if len(order) < len(texts):
            spent = replace(spent, stopped="time")
        return Scores("ordinal", tuple(values), (time.monotonic() - began) * 1000, spent)

    def _ask(self, query: str, texts: Sequence[str], deadline: float) -> Reply:
        with self._pace.of_one():
            return self._chat.ask(
                prompt(query, texts, self._options),
                max_tokens=TOKENS_PER_PLACE * (len(texts) + 1),
                reasoning_tokens=self._options.reasoning_tokens,
                deadline=deadline,
            )


def prompt(query: str, texts: Sequence[str], options: Options) -> list[Message]:
    """The published prompts; texts are numbered from 1 in the order given."""
    query = as_data(query, words=MAX_QUERY_WORDS)
    numbered = [
        f"[{place}] {as_data(text, words=options.passage_words)}" for place, text in enumerate(texts, start=1)
    ]
    number = len(texts)
    if options.format == "rankzephyr":
        asked = (
            f"I will provide you with {number} passages, each indicated by a numerical identifier []. "
            f"Rank the passages based on their relevance to the search query: {query}.\n\n"
            + "\n".join(numbered)
            + f"\n\nSearch Query: {query}.\nRank the {number} passages above based on their relevance to the "
            "search query. All the passages should be included and listed using identifiers, in descending "
            "order of relevance. The output format should be [] > [], e.g., [2] > [1], Answer concisely and "
            "directly and only respond with the ranking results, do not say any word or explain."
        )
        return [_said("system", RANKLLM), _said("user", asked)]
    turns = [
        _said("system", RANKGPT),
        _said(
            "user",
            f"I will provide you with {number} passages, each indicated by number identifier []. \n"
            f"Rank the passages based on their relevance to query: {query}.",
        ),
        _said("assistant", "Okay, please provide the passages."),
    ]
    for place, text in enumerate(numbered, start=1):
        turns += [_said("user", text), _said("assistant", f"Received passage [{place}].")]
    last = (
        f"Search Query: {query}. \nRank the {number} passages above based on their relevance to the search "
        "query. The passages should be listed in descending order using identifiers. The most relevant "
        "passages should be listed first. The output format should be [] > [], e.g., [1] > [2]. Only "
        "response the ranking results, do not say any word or explain."
    )
    return [*turns, _said("user", last)]


def read(reply: str, number: int) -> tuple[list[int] | None, bool]:
    """Places from 0, best first, and whether the reply was well formed; None where it names no passage.

    Repaired as RankGPT does: what is repeated or out of range is left out, what is missing follows in the
    order it had.

    >>> read("[2] > [1] > [3]", 3), read("I say: 3, 3, 7", 3), read("Sorry.", 2)
    (([1, 0, 2], True), ([2, 0, 1], False), (None, False))
    """
    named = [int(one) - 1 for one in PLACE.findall(reply) or NUMBER.findall(reply)]
    known = list(dict.fromkeys(place for place in named if 0 <= place < number))
    missing = [place for place in range(number) if place not in known]
    well_formed = WELL_FORMED.fullmatch(reply) is not None and len(named) == number and not missing
    return (known + missing if known else None), well_formed


def _said(role: str, content: str) -> Message:
    return {"role": role, "content": content}

"""A language model that is asked about one passage at a time: a rating of 0 to 10, or yes or no.

`rating` reads the number that the model writes. `yes_no` reads how probable the two answers are (relevance
generation, Liang et al. 2022): finer, and one token to write, but the server must give log-probabilities.
"""

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from rag.errors import RerankUnavailable
from rag.parallel import in_parallel
from rag.rerank.base import ByText
from rag.rerank.chat import MAX_QUERY_WORDS, Chat, Late, Message, Pace, Reply, as_data, chosen
from rag.services import Service
from rag.types import ScoreKind, Scores

NEEDS_SERVICE = True
NUMBER = re.compile(r"(?<![\w.,/-])\d{1,3}(?:\.\d+)?(?!\w)", re.ASCII)
ONLY_NUMBER = re.compile(r"\s*\d+\s*\.?\s*", re.ASCII)
AROUND = " \n\"'*\u0120\u2581"
"""What tokens of an answer may carry: quotes, emphasis, and the signs that tokenizers write for a space."""
ALTERNATIVES = 20
"""First tokens whose log-probabilities are asked for: as many as servers give."""


class Options(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a pipeline may choose."""

    answer: Literal["rating", "yes_no"] = "rating"
    passage_words: Annotated[int, Meta(ge=10, le=100_000)] = 400
    """Words after which a passage is cut."""
    reasoning_tokens: Annotated[int, Meta(ge=0, le=100_000)] = 0
    """For a model that thinks before it answers, `rating` only: so many tokens more."""


def connect(service: Service, model: str, *, options: Mapping[str, Any]) -> "Pointwise":
    """Raises `SpecError` for options that there are not."""
    return Pointwise(Chat(service, model), chosen(Options, options, "pointwise"))


class Pointwise(ByText):
    def __init__(self, chat: Chat, options: Options) -> None:
        self._chat, self._options = chat, options
        self.kind: ScoreKind = "rating" if options.answer == "rating" else "probability"
        own = (options.answer, options.passage_words, options.reasoning_tokens)
        self.fingerprint = f"{chat.fingerprint}:pointwise-{'-'.join(map(str, own))}:{self.kind}"
        self._pace = Pace()

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        """One score per text, in the order given; None for all after the last one there was time for.

        A reply that gives no score counts as the middle of the scale. Raises `RerankUnavailable` where
        no reply gives one, or the server fails.
        """
        began = time.monotonic()
        values: list[float | None] = [None] * len(texts)
        read: list[tuple[Reply, bool, bool]] = []

        def ask(place: int) -> None:
            if place and not self._pace.fits(1, deadline):
                return
            try:
                with self._pace.of_one():
                    reply = self._ask(query, texts[place], deadline)
            except Late:
                return
            value, well_formed = score(reply, self._options)
            values[place] = (5.0 if self.kind == "rating" else 0.5) if value is None else value
            read.append((reply, value is not None, well_formed))

        in_parallel(ask, len(texts), self._chat.at_once)
        scored = values.index(None) if None in values else len(values)
        if texts and not scored:
            raise RerankUnavailable("There was no time left to ask the language model about a passage.")
        if texts and not any(readable for _, readable, _ in read):
            raise RerankUnavailable(self._silent([reply for reply, _, _ in read]))
        values[scored:] = [None] * (len(values) - scored)
        repaired = sum(not well_formed for _, _, well_formed in read)
        spent = self._chat.spent([reply for reply, _, _ in read], texts=len(read), repaired=repaired)
        stopped: Literal["", "time"] = "time" if scored < len(texts) else ""
        compute_ms = (time.monotonic() - began) * 1000
        return Scores(self.kind, tuple(values), compute_ms, replace(spent, stopped=stopped))

    def _ask(self, query: str, text: str, deadline: float) -> Reply:
        messages = prompt(query, text, self._options)
        if self._options.answer == "yes_no":
            return self._chat.ask(messages, max_tokens=1, top_logprobs=ALTERNATIVES, deadline=deadline)
        thinks = self._options.reasoning_tokens
        return self._chat.ask(messages, max_tokens=8, reasoning_tokens=thinks, deadline=deadline)

    def _silent(self, replies: Sequence[Reply]) -> str:
        if self._options.answer == "rating":
            return "The language model's replies held no rating from 0 to 10."
        if not any(reply.first for reply in replies):
            return 'The server gives no log-probabilities: set answer = "rating" for this reranker.'
        return "The language model answered neither yes nor no."


def prompt(query: str, text: str, options: Options) -> list[Message]:
    query = as_data(query, words=MAX_QUERY_WORDS)
    shown = f"Passage: {as_data(text, words=options.passage_words)}\nQuery: {query}\n"
    if options.answer == "yes_no":
        return [{"role": "user", "content": shown + "Does the passage answer the query? Answer Yes or No."}]
    asked = (
        "How well does the passage answer the query? Rate it from 0 (not at all) to 10 (fully and directly). "
        "Answer with the number only."
    )
    return [
        {"role": "system", "content": "You rate how well passages answer search queries."},
        {"role": "user", "content": shown + asked},
    ]


def score(reply: Reply, options: Options) -> tuple[float | None, bool]:
    """The score that a reply gives, None where it gives none; and whether it was well formed."""
    if options.answer == "yes_no":
        probability = probability_of_yes(reply.first)
        return probability, probability is not None
    return rating(reply.text)


def rating(text: str) -> tuple[float | None, bool]:
    """The first number from 0 to 10, and whether there is nothing but that.

    >>> rating("7"), rating("Rating: 8/10"), rating("12"), rating("")
    ((7.0, True), (8.0, False), (None, False), (None, False))
    """
    numbers = [float(number) for number in NUMBER.findall(text)]
    value = next((number for number in numbers if 0 <= number <= 10), None)
    return value, value is not None and ONLY_NUMBER.fullmatch(text) is not None


def probability_of_yes(first: Mapping[str, float]) -> float | None:
    """`yes / (yes + no)` over the likeliest first tokens; None where neither is among them.

    Where one of the two is not, it counts as the least likely token that is: it cannot be likelier.
    """
    answers = {token.strip(AROUND).casefold(): 0.0 for token in first}
    for token, logprob in first.items():
        answers[token.strip(AROUND).casefold()] += math.exp(min(logprob, 0.0))
    if "yes" not in answers and "no" not in answers:
        return None
    least = min(math.exp(min(logprob, 0.0)) for logprob in first.values())
    yes, no = (max(answers.get(answer, least), 1e-30) for answer in ("yes", "no"))
    return yes / (yes + no)

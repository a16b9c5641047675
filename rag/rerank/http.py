"""A reranker behind somebody's HTTP API: one request with all texts, or a few with a part of them each.

Whose API it is says the service's dialect, `rag.rerank.dialects`. A reply is read strictly: one finite
score for each text or none at all, because a service that mixes up its texts would reorder passages at
random, and nobody would see it.
"""

import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rag.errors import RerankUnavailable, SpecError
from rag.exchange import Client, ServiceUnavailable
from rag.rerank.base import ByText
from rag.rerank.dialects.base import BadReply, Dialect, Reply, named
from rag.services import Service
from rag.types import Scores, Spent

NEEDS_SERVICE = True
MAX_CHARACTERS = 100_000
"""Of a question or a text; what is longer loses its end. Each service cuts by its own tokens after that."""
LARGEST = 1e6
"""No model gives a score beyond it."""


def connect(service: Service, model: str, *, options: Mapping[str, Any] | None = None) -> "HttpReranker":
    """The reranker of a service; nothing is asked yet. Raises `SpecError`."""
    return HttpReranker(service, model, options=options or {})


class HttpReranker(ByText):
    """Scores by a service. Its fingerprint is what the service is said to serve: nobody can look inside."""

    def __init__(self, service: Service, model: str, *, options: Mapping[str, Any]) -> None:
        if not model:
            raise SpecError("A reranker of a service is named `service/model`; the model is missing.")
        self._dialect: Dialect = named(service.dialect)
        _check(options, self._dialect, service.dialect)
        self._service, self._model, self._options = service, model, dict(options)
        self._client = Client(service)
        chosen = [f"{name}={value}" for name, value in sorted(options.items())]
        parts = (service.dialect, model, service.fixed, *chosen, self._dialect.KIND)
        self.fingerprint = ":".join(part for part in parts if part)

    def score_texts(self, query: str, texts: Sequence[str], *, deadline: float) -> Scores:
        """One score per text, in the order given; None for all after the last that came in time.

        Raises `RerankUnavailable` where none came, or where the service failed in any other way.
        """
        began = time.monotonic()
        if not texts:
            return Scores(self._dialect.KIND, (), 0.0)
        sent = [_sendable(text) for text in texts]
        size = self._service.max_texts or self._dialect.MAX_TEXTS
        batches = [sent[start : start + size] for start in range(0, len(sent), size)]
        values: list[float | None] = []
        replies: list[Reply] = []
        for outcome in self._ask_all(_sendable(query), batches, deadline):
            if isinstance(outcome, ServiceUnavailable):
                if not (outcome.late and values):
                    raise RerankUnavailable(str(outcome)) from outcome
                break
            values += self._in_order(outcome, len(batches[len(replies)]))
            replies.append(outcome)
        spent = self._spent(replies, scored=len(values), wanted=len(texts))
        values += [None] * (len(texts) - len(values))
        return Scores(self._dialect.KIND, tuple(values), (time.monotonic() - began) * 1000, spent)

    def _ask_all(
        self, query: str, batches: Sequence[Sequence[str]], deadline: float
    ) -> list[Reply | ServiceUnavailable]:
        """What came of each batch, in their order; several are asked at the same time."""

        def ask(batch: Sequence[str]) -> Reply | ServiceUnavailable:
            try:
                return self._ask(query, batch, deadline)
            except ServiceUnavailable as error:
                return error

        if len(batches) == 1:
            return [ask(batches[0])]
        with ThreadPoolExecutor(min(self._service.at_once, len(batches))) as pool:
            return list(pool.map(ask, batches))

    def _ask(self, query: str, texts: Sequence[str], deadline: float) -> Reply:
        body = self._dialect.body(self._model, query, texts, self._options)
        data = self._client.post(self._dialect.PATH, body, deadline=deadline)
        try:
            return self._dialect.read(data, len(texts))
        except BadReply as error:
            sentence = f"The service ({self._service.dialect}) answered in a format that is not its own."
            raise ServiceUnavailable(sentence, said=data[:2000].decode("utf-8", "replace")) from error

    def _in_order(self, reply: Reply, texts: int) -> list[float]:
        """The scores in the order of the texts. Raises `RerankUnavailable` unless each text has one."""
        values: dict[int, float] = {}
        wrong = ""
        for index, score in reply.scores:
            if not 0 <= index < texts:
                wrong = f"a score for text {index + 1} of {texts}"
            elif index in values:
                wrong = f"two scores for text {index + 1}"
            elif not (math.isfinite(score) and abs(score) <= LARGEST):
                wrong = f"a score for text {index + 1} that is none"
            values[index] = score
        if not wrong and len(values) < texts:
            wrong = f"scores for {len(values)} of {texts} texts only"
        if wrong:
            raise RerankUnavailable(f"The service ({self._service.dialect}) gave {wrong}.")
        return [values[index] for index in range(texts)]

    def _spent(self, replies: Sequence[Reply], *, scored: int, wanted: int) -> Spent:
        tokens = sum(max(reply.tokens, 0) for reply in replies)
        usd = tokens * self._service.usd_per_million_tokens / 1e6
        usd += sum(max(reply.searches, 0.0) for reply in replies) * self._service.usd_per_search
        return Spent(
            texts=scored,
            tokens=tokens,
            requests=len(replies),
            usd=usd,
            stopped="time" if scored < wanted else "",
        )


def _sendable(text: str) -> str:
    """Not too long, and without halves of surrogate pairs, which are no Unicode."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


def _check(options: Mapping[str, Any], dialect: Dialect, name: str) -> None:
    for key, value in options.items():
        if key not in dialect.OPTIONS:
            known = ", ".join(dialect.OPTIONS) or "none"
            raise SpecError(f"The dialect {name} has no option {key!r}; there are: {known}.")
        if type(value) is not int or value < 1:
            raise SpecError(f"The option {key} of the dialect {name} is to be a whole number from 1 on.")

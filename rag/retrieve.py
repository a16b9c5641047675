"""Both legs of a search, each inside what the asker may read, then the check of what was found."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rag import phrases
from rag.clock import Clock
from rag.encode.base import Encoder
from rag.errors import EncoderUnavailable, IndexUnavailable
from rag.events import Encoded, Event, Permitted, Ranked, Skipped
from rag.expand.joined import joined_text, joined_vector
from rag.handing import Permit
from rag.index.base import IndexReader, Leg
from rag.spec import FuseSpec
from rag.trace import Trace
from rag.types import (
    Dense,
    Expansion,
    Filters,
    Hybrid,
    Lexical,
    Passage,
    Query,
    Ranking,
    Stage,
    Subquery,
    Timing,
)

LEGS: tuple[Stage, ...] = ("bm25", "knn")
LEG_NAMES: dict[Stage, str] = {"bm25": "words", "knn": "meaning"}

Searched = list[tuple[Stage, Leg, Timing]]


def permit_all(passages: Sequence[Passage]) -> frozenset[str]:
    return frozenset(p.id for p in passages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    spec: FuseSpec
    encoder: Encoder
    index: IndexReader

    def run(self, query: Query, expansion: Expansion | None, permit: Permit, clock: Clock) -> Iterator[Event]:
        """Where the spec has the index fuse, it is asked for that besides the legs.

        Raises `IndexUnavailable` when neither leg can search, after an event for each that says why.
        """
        text = joined_text(query.text, expansion)
        legs: list[tuple[Stage, Subquery]] = [("bm25", Lexical(text))]
        started = clock.now()
        try:
            vector = joined_vector(query.text, expansion, self.encoder)
            legs.append(("knn", Dense(vector)))
            if self.spec.server:
                weights = (self.spec.bm25, self.spec.knn)
                legs.append(("fused", Hybrid(text, vector, self.spec.method, *weights)))
            yield Encoded(clock.since("encode", started))
        except EncoderUnavailable as error:
            yield Skipped("knn", f"Searched by words only: {error}", clock.since("encode", started))

        searched, unquoted = self._search(legs, query, clock)
        if unquoted is not None:
            yield unquoted
        if all(leg.ranking is None for stage, leg, _ in searched if stage in LEGS):
            for stage, leg, timing in searched[: len(LEGS)]:
                yield Skipped(stage, f"Not searched by {LEG_NAMES[stage]}: {leg.error}", timing)
            raise IndexUnavailable(f"Nothing can be searched now: {searched[0][1].error}")
        yield from self._permitted(searched, permit, clock)

    def _search(
        self, legs: Sequence[tuple[Stage, Subquery]], query: Query, clock: Clock
    ) -> tuple[Searched, Skipped | None]:
        """With what the question has in quotation marks, if the spec says so and any passage has it."""
        quoted = phrases.quoted(query.text) if self.spec.phrases else ()
        if quoted:
            started = clock.now()
            both = replace(query.filters, phrases=(*query.filters.phrases, *quoted))
            searched = self._once(legs, query.collections, both, clock)
            if any(leg.ranking for _, leg, _ in searched) or all(leg.error for _, leg, _ in searched):
                return searched, None
            named = " and ".join(f"“{phrase}”" for phrase in quoted)
            reason = f"No passage has {named} word for word: searched as if there were no quotation marks."
            skipped = Skipped("phrases", reason, clock.since("phrases", started))
            return self._once(legs, query.collections, query.filters, clock), skipped
        return self._once(legs, query.collections, query.filters, clock), None

    def _once(
        self,
        legs: Sequence[tuple[Stage, Subquery]],
        collections: Sequence[str],
        filters: Filters,
        clock: Clock,
    ) -> Searched:
        started = clock.now()
        try:
            subqueries = [subquery for _, subquery in legs]
            results = self.index.search(subqueries, self.spec.depth, collections, filters)
        except IndexUnavailable as error:
            results = tuple(Leg(None, error, 0.0, clock.now() - started) for _ in legs)
        return [
            (stage, leg, Timing(stage, started + leg.started_ms, leg.elapsed_ms))
            for (stage, _), leg in zip(legs, results, strict=True)
        ]

    def _permitted(self, searched: Searched, permit: Permit, clock: Clock) -> Iterator[Event]:
        started = clock.now()
        found = {p.id: p for _, leg, _ in searched if leg.ranking for p in leg.ranking.passages}
        allowed = permit(tuple(found.values()))
        checked = clock.since("permit", started)
        for stage, leg, timing in searched:
            if leg.ranking is None and stage == "fused":
                yield Skipped(stage, f"Not fused by the index, but here: {leg.error}", timing)
                continue
            if leg.ranking is None:
                other = LEG_NAMES["bm25" if stage == "knn" else "knn"]
                yield Skipped(stage, f"Searched by {other} only: {leg.error}", timing)
                continue
            kept = tuple(c for c in leg.ranking.candidates if c.passage.id in allowed)
            ranking = Ranking(stage, leg.ranking.kind, kept)
            asked = len(ranking) if stage == "fused" else self.spec.depth
            yield Ranked(ranking, timing, asked, leg.partial)
        yield Permitted(len(found) - len(allowed), checked)


def again(stored: Trace, server: bool, permit: Permit, clock: Clock) -> Iterator[Event]:
    """The legs of a stored trace, and a fusion by the index, less what may not be read any more."""
    server = server and all(skip.stage != "fused" for skip in stored.skipped)
    stages = (*LEGS, "fused") if server else LEGS
    legs = [ranking for stage in stages if (ranking := stored.ranking(stage))]
    found = {p.id: p for ranking in legs for p in ranking.passages}
    started = clock.now()
    allowed = permit(tuple(found.values()))
    for ranking in legs:
        kept = tuple(c for c in ranking.candidates if c.passage.id in allowed)
        timing = clock.since(ranking.stage, started)
        again = Ranking(ranking.stage, ranking.kind, kept)
        yield Ranked(again, timing, stored.asked[ranking.stage], stored.partial.get(ranking.stage, ""))
    yield Permitted(len(found) - len(allowed), clock.since("permit", started))

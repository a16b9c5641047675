"""The path of claimed documents: read, parse, split, encode, commit, prove; killed at any moment.

Three threads work side by side, because the encoder is what takes the time: one reads and parses a few
files ahead, one encodes, and the caller's does all else and is the only one that touches the database. A
group of documents is committed to the index first, under versions that the database does not know yet
and that are therefore shown to nobody; then one transaction makes them current, as far as their claims
still count; then the versions before them leave the index; then each document is looked for. Whatever
dies in between leaves claims that lapse, and index entries that are not current and are swept out.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from django.conf import settings

from rag.encode.base import Encoder, Floats
from rag.errors import PassagesRefused
from rag.index.base import IndexReader, IndexWriter
from rag.spec import SplitSpec
from rag.types import Passage
from search_app import claims, ingest_stages, proof, removals, selectors
from search_app.ahead import Ahead, Feed
from search_app.claims import Claim
from search_app.durable import durable
from search_app.encoding import RememberingEncoder
from search_app.events import event
from search_app.ingest_results import Broken, Done, Encoded, Failed, Report
from search_app.ingest_rows import store_versions
from search_app.ingest_stages import OUTAGES, Parse
from search_app.models import DEFAULT_LANGUAGE, Document, DocumentVersion

CLAIMED_AHEAD = 32
"""Documents claimed at a time; the next are claimed when half of them are in hand."""
PARSED_AHEAD = 3
"""Parsed documents that wait for the encoder. Each may be as long as the parser allows."""
ENCODED_AHEAD = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """The parts that a run needs. Runs go on side by side where the index takes several writers."""

    parse: Parse
    encoder: Encoder
    split: SplitSpec
    reader: IndexReader
    writer: IndexWriter
    group_passages: int
    group_seconds: float
    sweep: bool = True
    """Hold the whole index against the database first: after a run that did not come to its end."""

    @property
    def recipe(self) -> str:
        return ingest_stages.recipe(self.encoder, self.split)

    def run(
        self,
        seconds: float = math.inf,
        *,
        collections: Sequence[str] | None = None,
        progress: Callable[[], None] = lambda: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Report:
        """Work off what is due, for about so long; `progress` is called whenever documents are done.

        Raises one of `OUTAGES` when nothing can be done now; then, as on Ctrl-C, what is in hand is
        given back first.
        """
        return _Run(self, time.monotonic() + seconds, collections, progress, stop).run()


@dataclass(slots=True)
class _Run:
    """The state of one run: what is claimed, and what of it waits for its commit."""

    parts: Ingest
    deadline: float
    collections: Sequence[str] | None
    progress: Callable[[], None]
    stop: Callable[[], bool]
    report: Report = field(default_factory=Report)
    hand: dict[int, Claim] = field(default_factory=dict)
    """Claimed and not done, by document."""
    begun: dict[int, int] = field(default_factory=dict)
    """Fences under which documents may stand in the index and are not known to be committed."""
    group: list[Done] = field(default_factory=list)
    group_began: float = 0.0
    feed: Feed[Claim] = field(default_factory=Feed)
    all_claimed: bool = False
    """Nothing more may be claimed until the hand is empty."""
    renewed: float = 0.0
    languages: dict[str, str] = field(default_factory=dict)

    def run(self) -> Report:
        began = self.renewed = time.monotonic()
        encoder = RememberingEncoder(self.parts.encoder)
        self._begin()
        with (
            Ahead(ingest_stages.read_all(self.feed, self.parts), PARSED_AHEAD) as parsed,
            Ahead(ingest_stages.encode_all(parsed, encoder), ENCODED_AHEAD) as done,
        ):
            try:
                while self._claim():
                    result = done.take(timeout=0.2)
                    if result is not None:
                        self.group_began = self.group_began if self.group else time.monotonic()
                        self.group.append(result)
                    if self._ripe():
                        self._commit()
                    self._sign_of_life()
            finally:
                self.feed.drain()
                self.feed.close()
                removals.abandon(self.begun.items())
                claims.give_back(list(self.hand.values()))
        self.report.seconds = time.monotonic() - began
        self.report.encoder_seconds, self.report.encoded_passages = encoder.seconds, encoder.encoded
        if self.report.documents:
            self._say()
        return self.report

    def _say(self) -> None:
        counts = self.report.counts
        event(
            "ingested",
            indexed=counts["indexed"],
            unchanged=counts["unchanged"],
            failed=counts["failed"],
            again=counts["again"],
            refused=counts["refused"],
            passages=self.report.passages,
            elapsed_ms=self.report.seconds * 1000,
        )

    # --- Claiming ----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """With a writer that excludes others, what others were at, they are at no more."""
        claims.lapse(everything=self.parts.writer.exclusive)
        self.report.removed += removals.perform(self.parts.writer)
        if self.parts.sweep:
            absent, self.report.swept = removals.sweep(self.parts.reader, self.parts.writer)
            for some in removals.batches(absent):
                lost = Document.objects.filter(pk__in=some, state=Document.State.SEARCHABLE)
                claims.change(lost.exclude(content_hash=""), state=Document.State.QUEUED, attempts=0)
        self._follow()

    def _claim(self) -> bool:
        """Claim more when the hand runs low; False when it is empty and stays so."""
        if self.stop() or time.monotonic() >= self.deadline:
            if unbegun := self.feed.drain():
                claims.give_back(unbegun)
                for claim in unbegun:
                    del self.hand[claim.document]
            return bool(self.hand)
        if len(self.hand) - len(self.group) > CLAIMED_AHEAD // 2 or (self.hand and self.all_claimed):
            return True
        new = claims.claim(
            CLAIMED_AHEAD, collections=self.collections, alone=not self.hand, without=self.hand
        )
        self.all_claimed = len(new) < CLAIMED_AHEAD
        self.hand |= {claim.document: claim for claim in new}
        self._follow()
        for claim in new:
            if not self._is_made(claim):
                self.feed.put(claim)
        return bool(self.hand or new)

    def _follow(self) -> None:
        """Take out what was deleted; then languages: a collection made anew may have another than before."""
        self.report.removed += removals.perform(self.parts.writer)
        self.languages = selectors.languages()
        self.parts.writer.set_languages(self.languages)

    def _is_made(self, claim: Claim) -> bool:
        """Whether the current version is of this content, by this recipe, and can be found."""
        if not claim.version or (claim.made_of, claim.recipe) != (claim.content_hash, self.parts.recipe):
            return False
        versions = DocumentVersion.objects.select_related("document__collection")
        version = versions.filter(document=claim.document, version=claim.version).first()
        passages = selectors.passages(version.document, version) if version else ()
        if not passages:
            return False
        one = passages[proof.longest(passages)]
        vector = self.parts.encoder.encode_passages([one.search_text]).vectors[0]
        if self._objection(claim, one, vector):
            return False
        self._done("unchanged", [claim], claims.finish([claim]))
        return True

    def _sign_of_life(self) -> None:
        """By this thread and no other: a worker that hangs must be seen to hang."""
        if time.monotonic() - self.renewed > settings.INGEST_LEASE_SECONDS / 3:
            claims.renew(self.hand.values())
            self.renewed = time.monotonic()

    # --- Committing --------------------------------------------------------------------------------------

    def _ripe(self) -> bool:
        """Whether the group is to be committed: bounded by passages and by time, and by what is in hand."""
        passages = sum(len(result.passages.passages) for result in self.group if isinstance(result, Encoded))
        return bool(self.group) and (
            passages >= self.parts.group_passages
            or time.monotonic() - self.group_began >= self.parts.group_seconds
            or len(self.group) == len(self.hand)
        )

    def _commit(self) -> None:
        group, self.group = self.group, []
        for result in group:
            if isinstance(result, Failed):
                self._done("failed", [result.claim], claims.refuse([result.claim], result.reason))
            elif isinstance(result, Broken):
                self._went_wrong([result.claim], result.error)
        encoded = [result for result in group if isinstance(result, Encoded)]
        if encoded:
            claims.renew(self.hand.values())
            try:
                self._store(encoded)
            except OUTAGES:
                raise
            except Exception as error:
                removals.abandon(self.begun.items())
                self._went_wrong([result.claim for result in encoded], error)
            self.begun.clear()
        self.progress()

    def _store(self, encoded: Sequence[Encoded]) -> None:
        """Index, database, index, proof: in this order, and never another."""
        self.begun = {result.claim.document: result.claim.fence for result in encoded}
        try:
            self.parts.writer.write(result.passages for result in encoded)
        except PassagesRefused as error:  # the others of the group are written
            encoded = self._without(encoded, error.reasons)
        with durable():
            held = claims.held(result.claim for result in encoded)
            stored = [result for result in encoded if result.claim.document in held]
            store_versions(stored, self.parts.recipe)
        # Only now: a reader who finds the old version until here is still allowed to show it.
        refused = [result.claim for result in encoded if result.claim.document not in held]
        self.parts.writer.delete_many([(str(claim.document), claim.fence) for claim in refused])
        self._done("refused", refused, {claim.document for claim in refused})
        self.report.removed += removals.perform(self.parts.writer)
        self.report.passages += sum(len(result.passages.passages) for result in stored)
        found: list[Claim] = []
        for result in stored:
            place = proof.longest(result.passages.passages)
            passage, vector = result.passages.passages[place], result.passages.vectors[place]
            if reason := self._objection(result.claim, passage, vector):
                self._try_again([result.claim], reason)
            else:
                found.append(result.claim)
        self._done("indexed", found, claims.finish(found))

    def _without(self, encoded: Sequence[Encoded], reasons: Mapping[str, str]) -> list[Encoded]:
        """Fail those that the index refuses, with its reasons; gives the others."""
        for claim in (result.claim for result in encoded):
            if reason := reasons.get(str(claim.document)):
                self._done("failed", [claim], claims.refuse([claim], reason))
        return [result for result in encoded if str(result.claim.document) not in reasons]

    def _objection(self, claim: Claim, passage: Passage, vector: Floats) -> str:
        language = self.languages.get(claim.collection, DEFAULT_LANGUAGE)
        return proof.objection(self.parts.reader, passage, vector, language)

    # --- Ends --------------------------------------------------------------------------------------------

    def _went_wrong(self, claimed: Sequence[Claim], error: Exception) -> None:
        """Never with the error's own words: they may hold those of a document."""
        claimed = [claim for claim in claimed if claim.document in self.hand]
        for claim in claimed:
            event("attempt_broke", document=claim.document, attempt=claim.attempts, error=error)
        self._try_again(
            claimed,
            f"Something went wrong over this file ({type(error).__name__}). Retry it; if it happens again, "
            "look into the worker's log.",
        )

    def _try_again(self, claimed: Sequence[Claim], reason: str) -> None:
        failed = claims.fail_attempt(claimed, reason)
        for claim in claimed:
            self._done("failed" if claim.document in failed else "again", [claim], {claim.document})

    def _done(self, what: str, claimed: Sequence[Claim], counted: set[int]) -> None:
        for claim in claimed:
            del self.hand[claim.document]
            self.report.counts[what if claim.document in counted else "refused"] += 1

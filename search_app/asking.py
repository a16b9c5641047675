"""A question, asked by a viewer, with its trace kept: what the pages and the command share."""

import dataclasses
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field

import msgspec

from rag.errors import IndexUnavailable, SieveError
from rag.events import Began, Delta, Event, Packed, Ranked, Skipped, Weighed
from rag.pipeline import Pipeline
from rag.sockets import Hold, holding
from rag.trace import Trace, fold
from rag.types import NO_FILTERS, Filters, Query
from search_app import access, filtering, leaving, metrics, pipelines, seats, selectors, services
from search_app.access import Viewer
from search_app.events import event
from search_app.models import Conversation, TraceRecord
from search_app.salts import salt_of

MAX_QUESTION = 2000
"""Characters. The encoder and the cross-encoder read fewer."""
MAX_HISTORY = 5
"""Questions before one in a conversation that help to understand it."""
RETRY_S = 5
"""After so long it is worth asking again what could not be searched."""
NOTHING_YET = "There is nothing to ask yet. Put documents in with: manage.py ingest PATH --collection NAME"


class NothingToSearch(SieveError):
    """No document of the asked collections can be found yet."""


@dataclass(slots=True)
class Recording:
    """Passes the events of a question on, and keeps its trace, however far it came.

    When the iteration has ended, the trace is kept under `trace_id`: at the last event, at an error of
    the pipeline, or because the reader left. In the last two cases it holds what was done until then. A
    question that did not even begin leaves none.

    A reader who leaves ends what other machines do for him at once, see `search_app.leaving`; the
    iteration then ends by itself.
    """

    stream: Iterator[Event]
    viewer: Viewer
    trace_id: uuid.UUID
    conversation: Conversation | None = None
    passed: list[Event] = field(default_factory=list)
    record: TraceRecord | None = None
    """The kept trace; there is one when the iteration has ended."""
    left: bool = False
    """Whether the reader has left."""
    _hold: Hold = field(default_factory=Hold)
    """What is waited for on other machines."""

    @property
    def trace(self) -> Trace:
        """The trace so far; there is one as soon as an event was passed on."""
        return fold(self.passed)

    def events(self) -> Generator[Event, None, None]:
        """The events, once. Close it to stop early."""
        try:
            with leaving.watched(self._leave):
                while (happened := self._next()) is not None:
                    self.passed.append(happened)
                    yield happened
        finally:
            if isinstance(self.stream, Generator):
                self.stream.close()  # before anything is waited for: it ends a model's writing
            if self.passed:
                with seats.taken():
                    self.record = services.record_trace(
                        self.trace, self.viewer, self.trace_id, self.conversation
                    )
            seats.rest()

    def _leave(self) -> None:
        """Called from another thread."""
        self.left = True
        self._hold.end()

    def _next(self) -> Event | None:
        """What happens next; nothing after the last event, or when the reader has left meanwhile."""
        try:
            with holding(self._hold), self._seat():
                happened = next(self.stream, None)
        except SieveError as error:
            if self.left:
                return None
            if isinstance(error, IndexUnavailable):
                metrics.count_down()
                event("nothing_searched", trace=self.trace_id if self.passed else None, error=error)
            raise
        return None if self.left else happened

    def _seat(self) -> AbstractContextManager[None]:
        """None while a language model writes, here or elsewhere: it has a queue of its own."""
        last = self.passed[-1] if self.passed else None
        if isinstance(last, Packed | Weighed | Delta | Skipped) and _next_writes(self.passed[0], last):
            seats.rest()
            return seats.left()
        return seats.taken()

    def begun(self) -> Generator[Event, None, None]:
        """The events, once, when the index was searched: a reader can still be told that it could not be.

        Raises whatever ended the question until then.
        """
        rest, first = self.events(), list[Event]()
        for happened in rest:
            first.append(happened)
            if isinstance(happened, Ranked):
                break
        return _joined(first, rest)

    def finish(self) -> Trace:
        """Go through to the end and give the whole trace."""
        with closing(self.events()) as events:
            for _ in events:
                pass
        return self.trace


def _next_writes(began: Event, last: Event) -> bool:
    """Whether a language model writes after this event."""
    assert isinstance(began, Began)
    generate, refuse = began.spec.get("generate"), began.spec.get("refuse")
    if not isinstance(generate, Mapping) or generate["backend"] == "extractive":
        return False
    if isinstance(last, Packed):
        return refuse is None
    return not isinstance(last, Skipped) or last.stage == "weigh"


def _joined(first: Sequence[Event], rest: Generator[Event, None, None]) -> Generator[Event, None, None]:
    with closing(rest):
        yield from first
        yield from rest


def ask(
    question: str,
    *,
    viewer: Viewer,
    collections: Sequence[str] = (),
    pipeline: str | None = None,
    conversation: Conversation | None = None,
    generate: bool = True,
    history: Sequence[str] = (),
    filters: Filters = NO_FILTERS,
    formats: Sequence[str] = (),
) -> Recording:
    """Begin a question in those collections, or in all that the viewer may read.

    `history`: the questions before it in a conversation, oldest first, of which the last `MAX_HISTORY`
    count. `filters` and `formats` of documents act inside the search. Without `generate` the pipeline ends
    at the passages, and its spec in the trace says so. Raises `SieveError` when it cannot be asked at all:
    the sentence says what to do.
    """
    question = question.strip().replace("\0", "")
    if not question:
        raise SieveError("The question is empty.")
    if len(question) > MAX_QUESTION:
        raise SieveError(f"The question is longer than {MAX_QUESTION:,} characters.")
    names = selectors.asked_collections(viewer, collections)
    if not selectors.anything_to_search(names):
        raise NothingToSearch(NOTHING_YET)
    live = pipelines.get(pipeline, collections=names).apart(salt_of(viewer, names))
    if not generate:
        live = _without_generation(live)
    trace_id = uuid.uuid4()
    earlier = [one.replace("\0", "").strip() for one in history]
    query = Query(
        id=str(trace_id),
        text=question,
        collections=names,
        history=tuple(one for one in earlier if one)[-MAX_HISTORY:],
        filters=filtering.with_formats(filters, formats, names),
    )
    return Recording(live.stream(query, access.permit_for(viewer)), viewer, trace_id, conversation)


def _without_generation(live: Pipeline) -> Pipeline:
    spec = msgspec.structs.replace(live.spec, generate=None)
    return dataclasses.replace(live, spec=spec, generator=None)

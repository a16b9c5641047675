"""A question, asked by a viewer, with its trace kept: what the pages and the command share."""

import dataclasses
import uuid
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import msgspec

from rag.errors import IndexUnavailable, SieveError
from rag.events import Event, Ranked
from rag.pipeline import Pipeline
from rag.trace import Trace, fold
from rag.types import Query
from search_app import access, metrics, pipelines, selectors, services
from search_app.access import Viewer
from search_app.events import event
from search_app.models import Conversation, TraceRecord

MAX_QUESTION = 2000
"""Characters. The encoder and the cross-encoder read fewer."""
RETRY_S = 5
"""After so long it is worth asking again what could not be searched."""
NOTHING_YET = "There is nothing to ask yet. Put documents in with: manage.py ingest PATH --collection NAME"


class NothingToSearch(SieveError):
    """No document of the asked collections can be found yet."""


@dataclass(slots=True)
class Recording:
    """Passes the events of a question on, and keeps its trace, however far it came.

    When the iteration has ended, the trace is kept under `trace_id`: at the last event, at an error of
    the pipeline, or because the reader left and closed it. In the last two cases it holds what was done
    until then and has no answer. A question that did not even begin leaves none.
    """

    stream: Iterator[Event]
    viewer: Viewer
    trace_id: uuid.UUID
    conversation: Conversation | None = None
    passed: list[Event] = field(default_factory=list)
    record: TraceRecord | None = None
    """The kept trace; there is one when the iteration has ended."""

    @property
    def trace(self) -> Trace:
        """The trace so far; there is one as soon as an event was passed on."""
        return fold(self.passed)

    def events(self) -> Generator[Event, None, None]:
        """The events, once. Close it to stop early."""
        try:
            for happened in self.stream:
                self.passed.append(happened)
                yield happened
        except IndexUnavailable as error:
            metrics.count_down()
            event("nothing_searched", trace=self.trace_id if self.passed else None, error=error)
            raise
        finally:
            if self.passed:
                self.record = services.record_trace(self.trace, self.viewer, self.trace_id, self.conversation)

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
) -> Recording:
    """Begin a question in those collections, or in all that the viewer may read.

    `history`: the questions before it in a conversation, oldest first. Without `generate` the pipeline ends
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
    live = pipelines.get(pipeline, collections=names)
    if not generate:
        live = _without_generation(live)
    trace_id = uuid.uuid4()
    query = Query(id=str(trace_id), text=question, collections=names, history=tuple(history))
    return Recording(live.stream(query, access.permit_for(viewer)), viewer, trace_id, conversation)


def _without_generation(live: Pipeline) -> Pipeline:
    spec = msgspec.structs.replace(live.spec, generate=None)
    return dataclasses.replace(live, spec=spec, generator=None)

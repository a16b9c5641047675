"""What a person asked, one question after the other: kept, listed, searched, deleted.

A question is understood with those before it in its conversation; see `rag.rewrite`. An entry shows no more
than its asker may read at this moment.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet

from rag.trace import Trace
from search_app import access, selectors
from search_app.access import Viewer
from search_app.models import Conversation, Document, Feedback, TraceRecord

TITLE_LENGTH = 200
EARLIER = 5
"""Turns shown above a new question."""


# --- Belonging -------------------------------------------------------------------------------------------


def of_viewer(viewer: Viewer) -> QuerySet[Conversation]:
    """Conversations of this person, and of this browser from when nobody was signed in; newest first."""
    mine = Q()
    if viewer.asker:
        mine |= Q(user=None, asker=viewer.asker)
    if viewer.user_id is not None:
        mine |= Q(user_id=viewer.user_id)
    if not mine:
        return Conversation.objects.none()
    asked = Exists(TraceRecord.objects.filter(conversation=OuterRef("pk")))
    return Conversation.objects.filter(mine).filter(asked)


def find(viewer: Viewer, conversation_id: uuid.UUID | str | None) -> Conversation | None:
    """A conversation of this viewer's own; None for every other id, and for what is no id."""
    try:
        number = uuid.UUID(str(conversation_id))
    except ValueError:
        return None
    return of_viewer(viewer).filter(pk=number).first()


def new(viewer: Viewer, question: str) -> Conversation:
    """A conversation that begins with this question. It is saved with the question's trace, not before."""
    title = " ".join(question.replace("\0", "").split())
    if len(title) > TITLE_LENGTH:
        title = title[: TITLE_LENGTH - 1].rstrip() + "…"
    return Conversation(user_id=viewer.user_id, asker=viewer.asker, title=title)


# --- Reading ---------------------------------------------------------------------------------------------


def listed(viewer: Viewer, words: str = "") -> QuerySet[Conversation]:
    """The viewer's conversations with `questions`, their number, and `asked`, when the last one was asked.

    With words: those where one question holds all of them.
    """
    rows = of_viewer(viewer)
    terms = words.replace("\0", "").split()[:10]
    if terms:
        matching = TraceRecord.objects.filter(conversation=OuterRef("pk"))
        for term in terms:
            matching = matching.filter(question__icontains=term)
        rows = rows.filter(Exists(matching))
    return rows.annotate(questions=Count("traces"), asked=Max("traces__created")).order_by("-asked", "pk")


@dataclass(frozen=True, slots=True)
class Turn:
    """A question of a conversation, and what may be shown of its answer now.

    `state`: `answered`, `no_answer` (the documents do not answer, or nothing was found), `passages` (no
    answer was written), `gone` (it stood on a document that is deleted now) or `closed` (it stands on
    passages that may not be read any more). `trace` is None for the last two.
    """

    record: TraceRecord
    state: str
    trace: Trace | None = None
    liked: bool | None = None

    @property
    def readable(self) -> bool:
        return self.trace is not None


def turns(viewer: Viewer, conversation: Conversation) -> list[Turn]:
    """All questions of a conversation, in the order they were asked."""
    records = conversation.traces.select_related("user", "pipeline").order_by("created")
    return [_turn(viewer, record) for record in records]


def earlier(viewer: Viewer, conversation: Conversation, before: TraceRecord | None = None) -> list[Turn]:
    """The last turns before this one, or the last of all, in the order they were asked."""
    records = conversation.traces.select_related("user", "pipeline").order_by("-created")
    if before is not None:
        records = records.filter(created__lt=before.created)
    return [_turn(viewer, record) for record in reversed(records[:EARLIER])]


def questions(viewer: Viewer, conversation: Conversation) -> tuple[str, ...]:
    """The last questions as they were understood, oldest first; none that may not be read any more."""
    return tuple(turn.trace.question for turn in earlier(viewer, conversation) if turn.trace)


def _turn(viewer: Viewer, record: TraceRecord) -> Turn:
    if not access.may_read_answer(viewer, record):
        return Turn(record, "closed")
    stored = selectors.stored_trace(viewer, record)
    if stored.gone:
        return Turn(record, "gone")
    answer = stored.trace.answer
    said = Feedback.objects.filter(trace=record, who=viewer.who).values_list("liked", flat=True).first()
    if answer is None:
        return Turn(record, "passages", stored.trace, said)
    return Turn(
        record, "no_answer" if answer.finish_reason == "no_answer" else "answered", stored.trace, said
    )


def barred(viewer: Viewer, conversations: Sequence[Conversation]) -> dict[uuid.UUID, str]:
    """Conversations in which an answer may not be read now: id to `closed` or `gone`. Three queries."""
    rows = TraceRecord.objects.filter(conversation__in=[c.pk for c in conversations])
    seen = [
        (pk, used or all_, bool(used))
        for pk, used, all_ in rows.values_list("conversation_id", "used", "documents")
    ]
    numbers = {int(d) for _, documents, _ in seen for d in documents if d.isdecimal()}
    existing = set(Document.objects.filter(pk__in=numbers).values_list("pk", flat=True))
    readable = set(
        Document.objects.filter(pk__in=existing, collection__in=access.readable(viewer)).values_list(
            "pk", flat=True
        )
    )
    result: dict[uuid.UUID, str] = {}
    for conversation_id, documents, answered in seen:
        needed = {int(d) for d in documents if d.isdecimal()}
        if (needed & existing) - readable:
            result[conversation_id] = "closed"
        elif answered and needed - existing:
            result.setdefault(conversation_id, "gone")
    return result


# --- Deleting --------------------------------------------------------------------------------------------


def delete(conversations: Iterable[Conversation]) -> int:
    """Delete conversations with their questions, answers, traces and feedback; returns how many."""
    ids = [conversation.pk for conversation in conversations]
    Conversation.objects.filter(pk__in=ids).delete()
    return len(ids)

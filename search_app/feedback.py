"""Thumbs up or down on an answer: one word each person, the last one counts."""

from rag.errors import SieveError
from search_app.access import Viewer
from search_app.models import Feedback, TraceRecord

MAX_REASON = Feedback._meta.get_field("reason").max_length or 1000
"""Characters of a reason."""


def give(viewer: Viewer, record: TraceRecord, liked: bool, reason: str = "") -> Feedback:
    """Say that an answer helped or did not, in place of what the same person said before.

    The caller has checked that the viewer may read the answer. Raises `SieveError` for a reason that is
    too long, and for a viewer who is nobody in particular and could not have a word of his own.
    """
    reason = reason.strip().replace("\0", "")
    if len(reason) > MAX_REASON:
        raise SieveError(f"The reason is longer than {MAX_REASON:,} characters.")
    if not viewer.who:
        raise SieveError("Sign in to say whether an answer helped.")
    said, _ = Feedback.objects.update_or_create(
        trace=record,
        who=viewer.who,
        defaults={"user_id": viewer.user_id, "liked": liked, "reason": reason},
    )
    return said


def take_back(viewer: Viewer, record: TraceRecord) -> None:
    """Forget what this person said of the answer."""
    Feedback.objects.filter(trace=record, who=viewer.who).delete()


def of(viewer: Viewer, record: TraceRecord) -> Feedback | None:
    """What this person said of the answer."""
    return Feedback.objects.filter(trace=record, who=viewer.who).first() if viewer.who else None

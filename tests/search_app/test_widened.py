"""Passages handed over with what stands around them: kept, blanked and purged like every other text."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rag.trace import Trace
from search_app import asking, selectors, services, uploads
from search_app.access import OPERATOR, Viewer
from search_app.models import Collection, Document, PassageText, TraceRecord

VIEWER = Viewer(asker="x")
MORE = " And more of its section."


@pytest.fixture
def record(ingest: Callable[..., object], folder: Path) -> TraceRecord:
    ingest(folder)
    recording = asking.ask("When does the ferry leave?", viewer=VIEWER, generate=False)
    trace = recording.finish()
    first = trace.handed[0][1]
    wide = replace(first, text=first.text + MORE, span=(first.span[0], first.span[1] + len(MORE)))
    return services.record_trace(replace(trace, widened=(wide,)), VIEWER)


def widened(record: TraceRecord, viewer: Viewer = OPERATOR) -> Trace:
    return selectors.stored_trace(viewer, record).trace


def test_it_reads_back_as_it_was_handed_over(record: TraceRecord) -> None:
    (whole,) = widened(record).widened
    assert whole.text.endswith(MORE)
    assert widened(record).handed[0][1] == whole


def test_a_deleted_document_leaves_nothing_of_it(record: TraceRecord) -> None:
    assert PassageText.objects.filter(text__endswith=MORE).exists()
    (whole,) = widened(record).widened
    uploads.delete(Document.objects.filter(pk=int(whole.document_id)))
    assert not PassageText.objects.filter(text__endswith=MORE).exists()
    (blank,) = widened(record).widened
    assert (blank.text, blank.title, blank.headings) == ("", "Deleted document", ())


def test_what_may_not_be_read_is_blank_in_it(record: TraceRecord) -> None:
    Collection.objects.update(public=False)
    (blank,) = widened(record, VIEWER).widened
    assert (blank.text, blank.collection) == ("", "")

"""Files on disk into a collection, and the wait until each of them has come to its end."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from rag.errors import IndexBusy, ParseError, Unavailable
from search_app import claims, contents, indexes, pipelines, uploads
from search_app.ingest_results import Report
from search_app.models import Collection, Document
from search_app.sources import Source
from search_app.waits import Waits

STATES = ("indexed", "unchanged", "failed")
TOGETHER = 200
"""Files whose rows are written in one transaction."""
LOOK_S = 0.5
"""Between two looks at the rows while another process is at them."""
DELETED = "It was deleted while it waited."

Moved = Callable[[int, int], None]
"""Told how many documents of how many are done."""


@dataclass(slots=True)
class Brought:
    """What became of the files. Each document is counted once: indexed, unchanged or failed."""

    counts: Counter[str] = field(default_factory=Counter)
    by_format: dict[str, Counter[str]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    work: Report = field(default_factory=Report)
    """What this process did of it."""
    waited: bool = False
    """Another process was at it for a while."""
    seconds: float = 0.0

    @property
    def documents(self) -> int:
        return self.counts.total()

    @property
    def outside_encoder(self) -> float:
        """Share of the whole time in which the encoder of this process did not work, 0 to 1."""
        return 1 - min(1.0, self.work.encoder_seconds / self.seconds) if self.seconds else 0.0

    def add(self, format: str, state: str, reason: str = "") -> None:
        self.counts[state] += 1
        self.by_format.setdefault(format or "-", Counter())[state] += 1
        if state == "failed":
            self.reasons[reason] += 1


def bring(
    collection: Collection, sources: Sequence[Source], moved: Moved = lambda done, total: None
) -> Brought:
    """Put these files, and work until each is searchable or failed, or wait for the process that does it."""
    began = time.monotonic()
    brought = Brought()
    waiting: dict[int, str] = {}
    """Documents that have not come to their end, and their formats."""
    puts = _put(collection, sources)
    outdated = _outdated([put.document for put in puts if _is_unchanged(put)])
    uploads.requeue(outdated)
    for put in puts:
        if _is_unchanged(put) and put.document not in outdated:
            brought.add(put.document.format, "unchanged")
        else:
            waiting[put.document.pk] = put.document.format

    def progress() -> None:
        _settle(waiting, brought)
        moved(brought.documents, len(puts))

    progress()
    waits = Waits()
    begun = False
    """It begins also where nothing waits: removals may be due, and a sweep after a run that was killed."""
    while True:
        worked = Report()
        try:
            if not begun or _is_due(collection):
                worked = _work(collection, progress)
            begun = True
        except IndexBusy:
            brought.waited = True  # who holds the only writer may die, and then it is for us at once
        except Unavailable:
            if not waits.goes_on:
                raise
            time.sleep(waits.next())
            continue
        waits.reset()
        brought.work += worked
        progress()
        if not waiting:
            break
        if not worked.documents:
            brought.waited = True
            time.sleep(LOOK_S)
    brought.seconds = time.monotonic() - began
    return brought


def _is_due(collection: Collection) -> bool:
    """Whether something of it is left that no other process has in hand."""
    return claims.due().filter(collection=collection).exists()


def _work(collection: Collection, progress: Callable[[], None]) -> Report:
    with pipelines.ingest() as ingest:
        return ingest.run(collections=[collection.name], progress=progress)


def _put(collection: Collection, sources: Sequence[Source]) -> list[uploads.Put]:
    """Each document once."""
    puts: dict[int, uploads.Put] = {}
    for first in range(0, len(sources), TOGETHER):
        some = sources[first : first + TOGETHER]
        arrivals = [arrival for source in some for arrival in uploads.arrive(source.name, _pieces(source))]
        puts |= {put.document.pk: put for put in uploads.put(collection, arrivals)}
    return list(puts.values())


def _pieces(source: Source) -> Iterator[bytes]:
    try:
        with source.path.open("rb") as file:
            yield from contents.pieces_of(file)
    except OSError as error:
        raise ParseError(f"The file cannot be read: {error.strerror or error}.") from error


def _is_unchanged(put: uploads.Put) -> bool:
    return not put.changed and put.document.state == Document.State.SEARCHABLE


def _outdated(documents: Sequence[Document]) -> list[Document]:
    """Those that another parser, split or encoder had made, or that the index has lost."""
    if not documents:
        return []
    recipe, held = pipelines.recipe(), indexes.reader(pipelines.encoder()).documents()
    return [d for d in documents if d.recipe != recipe or (str(d.pk), d.version) not in held]


def _settle(waiting: dict[int, str], brought: Brought) -> None:
    """Count the documents that have come to their end, and wait for them no more."""
    numbers = list(waiting)
    for first in range(0, len(numbers), TOGETHER):
        some = numbers[first : first + TOGETHER]
        rows = Document.objects.filter(pk__in=some).values_list("pk", "state", "reason")
        found = {number: (state, reason) for number, state, reason in rows}
        for number in some:
            state, reason = found.get(number, (Document.State.FAILED, DELETED))
            if state == Document.State.SEARCHABLE:
                brought.add(waiting.pop(number), "indexed")
            elif state == Document.State.FAILED:
                brought.add(waiting.pop(number), "failed", reason)

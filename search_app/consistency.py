"""The index against the database, both ways; and what the database says of documents that cannot be found."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Count

from search_app import contents, selectors
from search_app.models import Document, DocumentVersion, Removal

Entry = tuple[str, int]
"""(document id, version)."""

LOOKS = 3
"""How often is looked before a difference counts: workers write and delete meanwhile."""
PAUSE_S = 0.5
_SHOWN = 5
_COUNTED = {
    Document.State.QUEUED: "wait to be indexed",
    Document.State.WORKING: "are being indexed",
    Document.State.FAILED: "have failed; their reasons stand with them",
}


@dataclass(frozen=True, slots=True)
class Differences:
    """What a version of the index lacks, holds in another number of passages, or holds and should not."""

    missing: frozenset[Entry] = frozenset()
    unequal: frozenset[Entry] = frozenset()
    left: frozenset[Entry] = frozenset()
    """Not current, and never to be. What a worker is about to make current is not among them."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.unequal or self.left)

    def __and__(self, other: "Differences") -> "Differences":
        return Differences(self.missing & other.missing, self.unequal & other.unequal, self.left & other.left)


def compare(held: Mapping[Entry, int]) -> Differences:
    """Hold what an index had a moment ago, in live passages, against the database of now.

    What is committed in between seems missing here, if it was written after the index was read; `settled`
    looks again. What is `left` is so for good: a version that is not current and has not the fence of a
    row at work never becomes current.
    """
    at_work = set(_at_work())  # before the current ones: what is committed in between is in one of the two
    wanted = selectors.indexed_documents()
    return Differences(
        frozenset(entry for entry in wanted if entry not in held),
        frozenset(entry for entry, count in wanted.items() if held.get(entry, count) != count),
        frozenset(entry for entry in held if entry not in wanted and entry not in at_work),
    )


def settled(look: Callable[[], Mapping[Entry, int]], looks: int = LOOKS) -> Differences:
    """The differences that stay when one looks again. `look` reads the index anew at each call.

    What is missing at two looks is missing: it was current at the first, so it was written before the
    second. What is left may be on its way out: a removal that waits, or waited before the last look and was
    done since, is no difference.
    """
    leaving = _leaving()
    found = compare(look())
    for _ in range(looks - 1):
        if not found:
            break
        time.sleep(PAUSE_S)
        leaving |= _leaving()
        found &= compare(look())
    left = frozenset(entry for entry in found.left if not leaving & {entry, (entry[0], None)})
    return Differences(found.missing, found.unequal, left)


def _leaving() -> set[tuple[str, int | None]]:
    """(document id, version) of the removals that wait; without a version all of the document leaves."""
    rows = Removal.objects.values_list("document_number", "version")
    return {(str(number), version) for number, version in rows}


def _at_work() -> Iterable[Entry]:
    rows = Document.objects.filter(state=Document.State.WORKING).values_list("pk", "fence")
    return ((str(pk), fence) for pk, fence in rows)


def differences(look: Callable[[], Mapping[Entry, int]]) -> list[str]:
    """A sentence for each kind of difference that stays."""
    return sentences(settled(look))


def sentences(of: Differences) -> list[str]:
    found = []
    if of.missing:
        found.append(f"The index lacks {_list(of.missing)}. `reindex` restores them.")
    if of.left:
        found.append(
            f"The index holds {_list(of.left)}, which the database does not call current: no search shows "
            "them. The next `ingest` clears them away, as `reindex` does."
        )
    if of.unequal:
        found.append(f"The index has another number of passages of {_list(of.unequal)}. `reindex` mends it.")
    return found


def wanted_contents() -> set[str]:
    """SHA-256 of everything that is kept: the newest content of each document, and that of its version."""
    newest = Document.objects.exclude(content_hash="").values_list("content_hash", flat=True)
    shown = DocumentVersion.objects.exclude(content_hash="").values_list("content_hash", flat=True)
    return {*newest, *shown}


def lost_files() -> list[str]:
    """A sentence where files are gone that were uploaded: their texts can be found, and they not opened."""
    lost = contents.missing(sorted(wanted_contents()))
    if not lost:
        return []
    names = ", ".join(sha256[:12] for sha256 in lost[:_SHOWN]) + (", ..." if len(lost) > _SHOWN else "")
    return [f"{len(lost)} uploaded files are gone ({names}). Upload them again, or restore `contents/`."]


def notes(recipe: str) -> list[str]:
    """What is no damage but worth knowing. `recipe` is the one that documents are made by now."""
    states = dict(Document.objects.values_list("state").annotate(Count("pk")).order_by("state"))
    found = [f"{states[state]} documents {what}." for state, what in _COUNTED.items() if state in states]
    if removals := Removal.objects.count():
        found.append(f"{removals} removals from the index wait for the next ingest; no search shows them.")
    if other := Document.objects.filter(version__gt=0).exclude(recipe=recipe).count():
        found.append(f"{other} documents were made by another parser, split or encoder. Index them again.")
    return found


def _list(entries: Iterable[Entry]) -> str:
    ordered = sorted(entries)
    shown = ", ".join(f"{document}:{version}" for document, version in ordered[:_SHOWN])
    return f"{len(ordered)} document versions ({shown}{', ...' if len(ordered) > _SHOWN else ''})"

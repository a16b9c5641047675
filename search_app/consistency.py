"""The index against the database, both ways; and what the database says of documents that cannot be found."""

from collections.abc import Mapping

from django.db.models import Count

from search_app import contents, selectors, upkeep
from search_app.models import Document, Removal

_SHOWN = 5
_COUNTED = {
    Document.State.QUEUED: "wait to be indexed",
    Document.State.WORKING: "are being indexed",
    Document.State.FAILED: "have failed; their reasons stand with them",
}


def differences(held: Mapping[tuple[str, int], int]) -> list[str]:
    """A sentence for each kind of difference. `held` is (document id, version) to live passages."""
    wanted = selectors.indexed_documents()
    missing = [entry for entry in wanted if entry not in held]
    left = [entry for entry in held if entry not in wanted]
    unequal = [entry for entry, count in wanted.items() if held.get(entry, count) != count]
    found = []
    if missing:
        found.append(f"The index lacks {_list(missing)}. `rebuild` restores them.")
    if left:
        found.append(
            f"The index holds {_list(left)}, which the database does not call current: no search shows them. "
            "The next `ingest` clears them away, as `rebuild` does."
        )
    if unequal:
        found.append(f"The index has another number of passages of {_list(unequal)}. `rebuild` mends it.")
    return found


def lost_files() -> list[str]:
    """A sentence where files are gone that were uploaded: their texts can be found, and they not opened."""
    lost = contents.missing(sorted(upkeep.wanted_contents()))
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


def _list(entries: list[tuple[str, int]]) -> str:
    shown = ", ".join(f"{document}:{version}" for document, version in entries[:_SHOWN])
    return f"{len(entries)} document versions ({shown}{', ...' if len(entries) > _SHOWN else ''})"

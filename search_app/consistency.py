"""The index against the database, both ways."""

from collections.abc import Mapping

from search_app import selectors

_SHOWN = 5


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


def _list(entries: list[tuple[str, int]]) -> str:
    shown = ", ".join(f"{document}:{version}" for document, version in entries[:_SHOWN])
    return f"{len(entries)} document versions ({shown}{', ...' if len(entries) > _SHOWN else ''})"

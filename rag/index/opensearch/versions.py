"""The versions of an index in the cluster: which there are, which one is searched, and the switch."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from rag.errors import IndexCorrupt, IndexUnavailable
from rag.index.opensearch import layout
from rag.index.opensearch.cluster import Cluster, ClusterFailure, Form, IndexGone
from rag.index.opensearch.layout import Meta

Role = Literal["read", "write", "previous"]
ROLES: tuple[Role, ...] = ("read", "write", "previous")


@dataclass(frozen=True, slots=True)
class Version:
    """One index and what it is for."""

    name: str
    number: int
    meta: Meta
    roles: frozenset[Role]


def versions(cluster: Cluster) -> tuple[Version, ...]:
    """All of them, oldest first. Indices that bear our name, no role and no `_meta` of ours are passed over.

    Raises `IndexCorrupt` for one that has a role and cannot be read.
    """
    return tuple(sorted(_read(cluster, _named(cluster)), key=lambda version: version.number))


def _named(cluster: Cluster) -> dict[int, Any]:
    """Number to aliases and mapping of each index that bears our name, whatever it is."""
    pattern, kept = _name(cluster, "*"), "*.aliases,*.mappings._meta"
    found = cluster.call(
        lambda client: client.indices.get(
            index=pattern, params={"filter_path": kept, "allow_no_indices": "true"}
        )
    )
    if not isinstance(found, dict) or not all(isinstance(of, dict) for of in found.values()):
        raise IndexUnavailable("The search cluster answered something that cannot be read.")
    matches = ((layout.NAME.search(name), of) for name, of in found.items())
    numbers = {int(match[1]): of for match, of in matches if match}
    return {number: of for number, of in numbers.items() if found.get(_name(cluster, number)) is of}


def _read(cluster: Cluster, found: Mapping[int, Any]) -> Iterable[Version]:
    for number, of in found.items():
        roles = frozenset(role for role in ROLES if alias(cluster, role) in of.get("aliases", {}))
        try:
            yield Version(_name(cluster, number), number, Meta.of(of["mappings"]["_meta"]), roles)
        except (KeyError, TypeError, ValueError) as error:
            if roles:
                raise IndexCorrupt(
                    f"The index {_name(cluster, number)} was not made by this version of Sieve, or its _meta "
                    "is damaged. Delete it, and run: manage.py reindex"
                ) from error


def _name(cluster: Cluster, number: int | str) -> str:
    return f"{cluster.address.prefix}-passages-{number if isinstance(number, str) else f'{number:04d}'}"


def alias(cluster: Cluster, role: Role) -> str:
    return f"{cluster.address.prefix}-{role}"


def with_role(found: Iterable[Version], role: Role) -> Version | None:
    return next((version for version in found if role in version.roles), None)


def fitting(found: Iterable[Version], wanted: Meta) -> Version:
    """The version to search for this encoder: the one in use, else the one before, which is kept whole.

    So a change of encoder has no moment in which nothing fits. Raises `IndexCorrupt` where none does.
    """
    found = tuple(found)
    candidates = [version for role in ("read", "previous") if (version := with_role(found, role))]
    for version in candidates:
        if not version.meta.fits(wanted):
            return version
    if candidates:
        raise IndexCorrupt(
            f"The index {candidates[0].name} was {candidates[0].meta.fits(wanted)}. Run: manage.py reindex"
        )
    raise IndexCorrupt("There is no index in the cluster yet. Run: manage.py reindex")


def create(cluster: Cluster, meta: Meta, form: Form) -> None:
    """Make the first version where there is none, empty and in use. Safe from several processes at once."""
    if with_role(versions(cluster), "read") is None:
        _make(cluster, _next(cluster), meta, form, ("read", "write"))


def begin(cluster: Cluster, meta: Meta, form: Form) -> str:
    """Make a new version, empty: from now on every writer keeps it up to date, too. Returns its name."""
    while True:
        number = _next(cluster)
        if _make(cluster, number, meta, form, ("write",)):
            return _name(cluster, number)


def _next(cluster: Cluster) -> int:
    return max(_named(cluster), default=0) + 1


def _make(cluster: Cluster, number: int, meta: Meta, form: Form, roles: Iterable[Role]) -> bool:
    """False where another process made it first."""
    name = _name(cluster, number)
    aliases = [layout.own_alias(name), *(alias(cluster, role) for role in roles)]
    body = layout.body(meta, form, cluster.able) | {"aliases": {each: {} for each in aliases}}
    params = {"wait_for_active_shards": "1", "request_timeout": cluster.address.bulk_timeout_s}

    try:
        cluster.call(lambda client: client.indices.create(index=name, body=body, params=params))
    except ClusterFailure as error:
        if error.kind != "resource_already_exists_exception":
            raise
        return False
    return True


def promote(cluster: Cluster, name: str) -> None:
    """Put this version in use and the one before aside, in one change that no search sees half.

    Raises `IndexCorrupt` where there is no such version.
    """
    found = versions(cluster)
    old, before = with_role(found, "read"), with_role(found, "previous")
    if all(version.name != name for version in found):
        raise IndexCorrupt(f"There is no version {name} of the index.")
    if old is not None and old.name == name:
        return
    actions: list[dict[str, Any]] = [{"add": {"index": name, "alias": alias(cluster, "read")}}]
    if old is not None:
        actions.append({"remove": {"index": old.name, "alias": alias(cluster, "read"), "must_exist": True}})
        actions.append({"add": {"index": old.name, "alias": alias(cluster, "previous")}})
    if before is not None:
        actions.append({"remove": {"index": before.name, "alias": alias(cluster, "previous")}})
    params = {"request_timeout": cluster.address.bulk_timeout_s}
    cluster.call(lambda client: client.indices.update_aliases(body={"actions": actions}, params=params))


def rollback(cluster: Cluster) -> str:
    """Put the version before in use again; it was kept up to date. Raises `IndexCorrupt` where none is."""
    before = with_role(versions(cluster), "previous")
    if before is None:
        raise IndexCorrupt("There is no version before this one: nothing to go back to.")
    promote(cluster, before.name)
    return before.name


def drop(cluster: Cluster, name: str) -> None:
    """Delete a version; nothing where it is gone. Raises `IndexCorrupt` for the one in use."""
    read = with_role(versions(cluster), "read")
    if read is not None and read.name == name:
        raise IndexCorrupt(f"{name} is in use and cannot be dropped.")

    params = {"request_timeout": cluster.address.bulk_timeout_s}
    with suppress(IndexGone):
        cluster.call(lambda client: client.indices.delete(index=name, params=params))

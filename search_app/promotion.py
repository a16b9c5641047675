"""Which version of the index on a cluster is in use: promote, roll back, drop.

One call moves the aliases. The version before stays whole and is kept up to date, so that a rollback finds
everything, and so that whoever still asks with the encoder of before finds something.
"""

import time
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from rag.errors import IndexUnavailable, SieveError
from rag.index.opensearch import Cluster, Meta
from rag.index.opensearch import versions as all_versions
from rag.index.opensearch.building import named
from rag.index.opensearch.versions import Version, alias, with_role
from rag.index.opensearch.versions import drop as drop_version
from rag.index.opensearch.versions import promote as switch
from rag.spec import EncoderSpec
from search_app import gate, indexes, pipeline_versions, pipelines, reindexing, services
from search_app.events import event
from search_app.models import Reindex

State = Reindex.State
LATE_WRITES_S = 2.0
"""A writer that had just looked up the versions may still send to one that is dropped; so long is waited."""


class Worse(SieveError):
    """The new version finds less than the one in use."""


def promotable() -> Version:
    """What `promote` would put in use: the version that is built, else one that was rolled back.

    Raises `SieveError` saying what is to be done first.
    """
    found = all_versions(reindexing.cluster())
    row = reindexing.current()
    if row is not None and row.state == State.READY:
        return named(reindexing.cluster(), row.index)
    read, previous = with_role(found, "read"), with_role(found, "previous")
    if previous is not None and read is not None and previous.number > read.number:
        return previous
    if row is None:
        raise SieveError(f"There is no version to promote. Build one: {reindexing.BUILD}")
    if row.state == State.FAILED:
        raise SieveError(f"{row.index} is not whole: {row.reason} Go on with it: {reindexing.BUILD}")
    raise SieveError(
        f"{row.index or 'The new version'} is not whole yet: {row.done:,} of {row.total:,} documents. Go on "
        f"with it: {reindexing.BUILD}"
    )


def promote(*, anyway: bool = False) -> str:
    """Put the version that is built in use, and its encoder in every pipeline; gives the version's name.

    The one that was in use becomes the one before; the one before that is dropped. Raises `SieveError`
    where it is not whole, `Worse` where the quality gate says so and it is not to be done `anyway`.
    """
    at = reindexing.cluster()
    version = promotable()
    row = Reindex.objects.filter(index=version.name).first()
    if row is not None and not anyway and (sentence := gate.objection(row)):
        raise Worse(f"{sentence} To promote it all the same: manage.py promote --anyway")
    if problems := reindexing.verify(version):
        raise SieveError(f"{version.name} is not whole: {' '.join(problems)}")
    found = all_versions(at)
    used = with_role(found, "read")
    begun = used is not None and used.name == version.name  # and died before its end
    oldest = [v for v in found if "previous" in v.roles and v.name != version.name]
    _switch(at, version, found)
    for left in () if begun else oldest:
        drop(left.name)
    event("index_switched", version=version.name, rollback=False)
    return version.name


def rollback() -> str:
    """Put the version before in use again, and its encoder; gives its name. Nothing is built or lost.

    Raises `SieveError` where none is kept.
    """
    at = reindexing.cluster()
    found = all_versions(at)
    before = with_role(found, "previous")
    if before is None:
        raise SieveError("No version before the one in use is kept: there is nothing to go back to.")
    _switch(at, before, found)
    event("index_switched", version=before.name, rollback=True)
    return before.name


def _switch(at: Cluster, version: Version, found: tuple[Version, ...]) -> None:
    """The aliases first: until the pipelines follow, what they ask finds its encoder in the one before."""
    was = with_role(found, "read")
    switch(at, version.name)
    follow(version.meta)
    names = [v.name for v in (version, was) if v is not None]
    Reindex.objects.filter(index__in=names).update(switched=timezone.now())
    # The last step: who died before it promotes again, and comes to the same end.
    Reindex.objects.filter(index=version.name, open=True).update(open=None, state=State.PROMOTED, reason="")


def follow(meta: Meta) -> list[str]:
    """Have the pipelines and the recipes of the documents name the encoder of the version in use.

    Gives the names of the pipelines that were changed.
    """
    spec = EncoderSpec(backend=meta.backend, model=meta.model)
    old = pipelines.default().encoder
    services.note_encoder(meta.encoder)
    if not meta.backend or spec == old:
        return []
    changed = pipeline_versions.change_encoder(old, spec, note="The index was switched to this encoder")
    for name in changed:
        event("pipeline_changed", user=None, pipeline=name, version=0)
    return changed


# --- What is not needed any more -------------------------------------------------------------------------


def drop_previous() -> str:
    """Delete the version before; gives its name. There is nothing to go back to then.

    Raises `SieveError` where none is kept.
    """
    before = with_role(all_versions(reindexing.cluster()), "previous")
    if before is None:
        raise SieveError("No version before the one in use is kept.")
    drop(before.name)
    return before.name


def cancel() -> str:
    """Give up the re-index that is not at its end and delete what was built; gives the version's name.

    Whoever builds it notices at the next batch. Raises `SieveError` where there is none.
    """
    row = reindexing.current()
    if row is None:
        raise SieveError("There is no re-index to give up.")
    used = with_role(all_versions(reindexing.cluster()), "read")
    if used is not None and used.name == row.index:
        raise SieveError(f"{row.index} is in use. End its promotion: manage.py promote")
    Reindex.objects.filter(pk=row.pk).update(open=None, state=State.DROPPED, holder="", lease_until=None)
    if row.index:
        drop(row.index)
    return row.index


def drop(name: str) -> None:
    """Delete a version that is not in use. First nobody writes to it any more, then it goes."""
    at = reindexing.cluster()
    roles = {role for version in all_versions(at) if version.name == name for role in version.roles}
    actions = [{"remove": {"index": name, "alias": alias(at, role)}} for role in sorted(roles - {"read"})]
    if actions:
        at.call(lambda client: client.indices.update_aliases(body={"actions": actions}))
        time.sleep(LATE_WRITES_S)
    drop_version(at, name)
    Reindex.objects.filter(index=name).update(state=State.DROPPED, open=None)
    event("index_dropped", version=name)


def clear() -> str:
    """Drop the version before when it was kept for `SIEVE_KEEP_PREVIOUS_DAYS`; gives its name, if it was.

    A worker that was at it during a switch noted the encoder of before with what it committed; but whatever
    the version in use holds was encoded by its own encoder. That is put right, too.
    """
    if indexes.cluster() is None:
        return ""
    limit = timezone.now() - timedelta(days=settings.KEEP_PREVIOUS_DAYS)
    switched = Reindex.objects.exclude(switched=None).order_by("-switched").first()
    due = switched is not None and switched.switched <= limit
    try:
        found = all_versions(reindexing.cluster())
        before, used = with_role(found, "previous"), with_role(found, "read")
        if used is not None:
            services.note_encoder(used.meta.encoder)
        if due and before is not None:
            drop(before.name)
    except IndexUnavailable:
        return ""  # it is looked after again in an hour
    return before.name if due and before is not None else ""

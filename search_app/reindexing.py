"""Re-index on a cluster: a version built beside the one in use, verified, put in use, and back again.

The row of a re-index says who builds which version and how far it is; what a version is used for, the
cluster's aliases say alone. Each step may be killed at any moment: the same command goes on.
"""

import secrets
import socket
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from rag.encode.base import Encoder
from rag.errors import IndexCorrupt, IndexUnavailable, ModelError, SieveError, SpecError
from rag.index import opensearch
from rag.index.opensearch import Cluster
from rag.index.opensearch.building import VersionReader, VersionWriter, named
from rag.index.opensearch.versions import Version, begin, fitting, versions
from rag.spec import EncoderSpec
from search_app import claims, consistency, gate, indexes, pipelines
from search_app.events import event
from search_app.models import Document, Reindex
from search_app.reindex_rounds import Rounds, TimeOver

State = Reindex.State
BUILD = "manage.py reindex"
EMBEDDED = (
    "The index is the embedded one, which keeps no version before: manage.py reindex builds a new version "
    "and puts it in use when it is whole."
)

Progress = Callable[[int, int], None]
"""Told (documents that the new version holds, documents that it is to hold)."""


class ReindexBusy(SieveError):
    """Another process is building."""


def cluster() -> Cluster:
    """Raises `SieveError` where the index is the embedded one."""
    found = indexes.cluster()
    if found is None:
        raise SieveError(EMBEDDED)
    return found


def current() -> Reindex | None:
    """The re-index that is not at its end."""
    return Reindex.objects.filter(open=True).first()


def wanted(encoder: EncoderSpec | None = None, *, who: int | None = None, by_worker: bool = False) -> Reindex:
    """The re-index that is not at its end, or a new one; by the encoder of the default pipeline unless named.

    Raises `SieveError` where one with another encoder is not at its end, `ModelError` where the encoder
    cannot be had.
    """
    cluster()
    row = current()
    if row is None:
        spec = encoder or pipelines.default().encoder
        fingerprint = pipelines.load_encoder(spec).fingerprint
        row = Reindex(
            backend=spec.backend,
            model=spec.model,
            fingerprint=fingerprint,
            who_id=who,
            by_worker=by_worker,
            total=Document.objects.filter(version__gt=0).count(),
        )
        try:
            with transaction.atomic():
                row.save()
        except IntegrityError as error:
            raise ReindexBusy("Somebody else has begun a re-index at this moment.") from error
        return row
    if encoder is not None and encoder != spec_of(row):
        raise SieveError(
            f"A re-index with the encoder {row.model} is not at its end. Go on with it: {BUILD}, or give it "
            f"up: {BUILD} --cancel"
        )
    return row


def spec_of(row: Reindex) -> EncoderSpec:
    return EncoderSpec(backend=row.backend, model=row.model)


# --- The lease -------------------------------------------------------------------------------------------


def take(row: Reindex, *, wait: bool = False) -> str:
    """Hold the row; gives the name under which it is held. With `wait` until the lease of a dead one ends.

    Raises `ReindexBusy` while another process is at it.
    """
    holder = f"{socket.gethostname()[:40]}-{secrets.token_hex(6)}"
    first = None
    while True:
        with transaction.atomic():
            held = Reindex.objects.select_for_update().get(pk=row.pk)
            now = timezone.now()
            if not held.holder or held.lease_until is None or held.lease_until <= now:
                Reindex.objects.filter(pk=row.pk).update(holder=holder, lease_until=_until())
                return holder
        if not wait or (first is not None and held.lease_until > first):
            raise ReindexBusy(
                f"Another process builds {held.index or 'it'}: {held.done:,} of {held.total:,} documents. "
                "If that process is dead, try again in a moment."
            )
        first = held.lease_until
        time.sleep(min(1.0, (held.lease_until - now).total_seconds() + 0.05))


def _until() -> datetime:
    return timezone.now() + timedelta(seconds=settings.INGEST_LEASE_SECONDS)


def _keep(row: Reindex, holder: str, **values: object) -> None:
    """Write into the row and renew the lease. Raises `ReindexBusy` where it is lost."""
    mine = Reindex.objects.filter(pk=row.pk, holder=holder, open=True)
    if not mine.update(lease_until=_until(), **values):
        raise ReindexBusy("Another process has taken over this re-index, or it was given up.")


# --- Building --------------------------------------------------------------------------------------------


def build(
    row: Reindex,
    progress: Progress = lambda done, total: None,
    *,
    over: Callable[[], bool] = lambda: False,
    wait: bool = False,
) -> bool:
    """Build and verify the version until it is `over`; True when the row has come to `ready` or `failed`.

    Raises `ReindexBusy` while another process is at it, and what keeps it from working now, such as a
    cluster that does not answer: then the same call goes on later.
    """
    at = cluster()
    holder = take(row, wait=wait)
    try:
        version = _version(at, row, holder)
        _keep(row, holder, state=State.BUILDING, reason="")

        def beat(done: int, total: int) -> None:
            _keep(row, holder, done=done, total=total)
            progress(done, total)

        writer = VersionWriter(at, version)
        try:
            encoder = pipelines.load_encoder(spec_of(row))
            rounds = Rounds(VersionReader(at, version), writer, encoder, beat, over)
            found = rounds.run()
        finally:
            writer.close()
        problems = [*(verify(version) or consistency.sentences(found)), *_refused(rounds.refused)]
        _keep(
            row,
            holder,
            state=State.FAILED if problems else State.READY,
            reason=" ".join(problems),
            built=None if problems else timezone.now(),
        )
        event("reindexed", version=version.name, problems=len(problems), documents=rounds.written)
        return True
    except TimeOver:
        return False
    finally:
        Reindex.objects.filter(pk=row.pk, holder=holder).update(holder="", lease_until=None)
        row.refresh_from_db()


def due() -> bool:
    """Whether the ingest worker is to build, and nobody is at it."""
    free = Q(lease_until=None) | Q(lease_until__lte=timezone.now())
    return Reindex.objects.filter(free, open=True, by_worker=True, state=State.BUILDING).exists()


PIECE_S = 60.0
"""Each piece begins with a listing of what is there: they must not be too short."""


def piece(seconds: float, stop: Callable[[], bool] = lambda: False) -> bool:
    """A worker's share: build for about so long, or `PIECE_S` where nothing else is due; True: it got on.

    A re-index whose encoder cannot be had has failed; it goes on when it is begun again.
    """
    row = current() if due() else None
    if row is None:
        return False
    began = time.monotonic()

    def over() -> bool:
        took = time.monotonic() - began
        return stop() or took >= PIECE_S or (took >= seconds and claims.due().exists())

    try:
        if build(row, over=over) and row.state == State.READY:
            gate.judge(row)
    except ReindexBusy:
        return False
    except (ModelError, SpecError) as error:
        Reindex.objects.filter(pk=row.pk).update(state=State.FAILED, reason=str(error))
        return False
    return True


def resume(row: Reindex) -> None:
    """Have the worker go on with it."""
    Reindex.objects.filter(pk=row.pk, open=True).update(by_worker=True, state=State.BUILDING, reason="")


def _version(at: Cluster, row: Reindex, holder: str) -> Version:
    """The version that this row builds: the one it has begun, or a new one.

    One that was made and not noted, because the process died in between, is found by its alias.
    """
    found = versions(at)
    if row.index:
        there = [version for version in found if version.name == row.index]
        if there:
            return there[0]
    meta = indexes.meta(pipelines.load_encoder(spec_of(row)))
    names = set(Reindex.objects.exclude(state=State.DROPPED).values_list("index", flat=True))
    begun = [v for v in found if v.roles == {"write"} and v.name not in names and not v.meta.fits(meta)]
    if lacks := indexes.unfit(at):
        raise IndexUnavailable(lacks)
    name = begun[-1].name if begun else begin(at, meta, indexes.form())
    _keep(row, holder, index=name)
    row.index = name
    return named(at, name)


def verify(version: Version) -> list[str]:
    """What is wrong with this version, one sentence each: in itself, and against the database."""
    for last in (False, False, True):
        problems = list(opensearch.verify_version(cluster(), version).problems)
        if not problems or last:  # a worker may be in the middle of a write
            break
        time.sleep(consistency.PAUSE_S)
    return problems or consistency.differences(VersionReader(cluster(), version).documents)


def verify_others(of: Encoder) -> tuple[list[str], list[str]]:
    """Problems and notes of versions that are kept up to date on a cluster and that `of` does not search."""
    at = indexes.cluster()
    if at is None:
        return [], []
    problems: list[str] = []
    notes: list[str] = []
    row, found = current(), versions(at)
    try:
        searched = fitting(found, indexes.meta(of)).name
    except IndexCorrupt:
        searched = ""  # that this is so, somebody else says
    for version in found:
        if version.name == searched or "write" not in version.roles:
            continue
        if row is not None and row.index == version.name and row.state != State.READY:
            notes.append(f"{version.name} is not whole yet: {row.done:,} of {row.total:,} documents.")
        else:
            problems += [f"{version.name}: {sentence}" for sentence in verify(version)]
    return problems, notes


def _refused(reasons: dict[str, str]) -> Sequence[str]:
    if not reasons:
        return []
    document, reason = next(iter(sorted(reasons.items())))
    return [f"The new version does not take {len(reasons)} documents, such as {document}: {reason}"]

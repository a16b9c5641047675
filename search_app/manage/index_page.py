"""The index: which versions there are on a cluster, the one that is built, and the switch between them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from rag.errors import IndexUnavailable, SieveError
from rag.index.opensearch import Cluster
from rag.index.opensearch import versions as all_versions
from rag.index.opensearch.building import Size, size
from rag.index.opensearch.versions import Version, with_role
from search_app import gate, indexes, promotion, reindexing
from search_app.events import event
from search_app.manage.health_page import size_of
from search_app.manage.staff import staff_only
from search_app.models import Reindex
from search_app.pages.words import megabytes

CHANGE = "search_app.change_reindex"
"""The permission to build, switch and drop versions."""
HISTORY = 10
State = Reindex.State


@dataclass(frozen=True, slots=True)
class Row:
    """A version as the table shows it."""

    version: Version
    role: str
    size: Size | None

    @property
    def passages(self) -> str:
        return f"{self.size.passages:,}" if self.size else "–"

    @property
    def large(self) -> str:
        return megabytes(self.size.bytes) if self.size else "–"

    @property
    def health(self) -> str:
        if self.size is None:
            return "no answer"
        copies = f"{self.size.answering} of {self.size.shards} shard copies"
        return f"{copies} answer" if self.size.answering < self.size.shards else "well"


@dataclass(frozen=True, slots=True)
class Action:
    """Something that is asked about before it is done."""

    title: str
    said: str
    button: str
    do: Callable[[HttpRequest], str]
    """Gives what to say after; raises `SieveError`."""
    grave: bool = False


@staff_only
@require_safe
def index_page(request: HttpRequest) -> HttpResponse:
    """What is in use, what is built, and what can be done. It renews itself by script."""
    context: dict[str, Any] = {"now": timezone.now(), "may_change": request.user.has_perm(CHANGE)}
    try:
        at = indexes.cluster()
        context |= embedded_context() if at is None else cluster_context(at)
    except SieveError as error:
        context["error"] = str(error)
    response = render(request, "manage/index_versions.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def act(request: HttpRequest, action: str) -> HttpResponse:
    """Ask first, then do it. On the embedded index there is nothing to be done here: 404."""
    if not request.user.has_perm(CHANGE):
        raise PermissionDenied
    chosen = ACTIONS.get(action)
    if chosen is None or indexes.cluster() is None:
        raise Http404
    if request.method != "POST":
        return render(request, "manage/index_confirm.html", {"action": chosen, "gate": _objection(action)})
    try:
        messages.success(request, chosen.do(request))
        event("index_action", user=request.user.pk, action=action)
    except SieveError as error:
        messages.error(request, str(error))
    return redirect("manage-index")


# --- What is shown ---------------------------------------------------------------------------------------


def embedded_context() -> dict[str, Any]:
    return {"embedded": True, "glance": indexes.glance(), "size": megabytes(size_of(settings.INDEX_DIR))}


def cluster_context(at: Cluster) -> dict[str, Any]:
    found = all_versions(at)
    row = reindexing.current()
    read, previous = with_role(found, "read"), with_role(found, "previous")
    again = previous is not None and read is not None and previous.number > read.number
    return {
        "rows": [Row(v, role(v, row), _size(at, v)) for v in sorted(found, key=_in_use_first)],
        "running": row and running_context(row),
        "previous": previous,
        "promotable": (row is not None and row.state == State.READY) or (row is None and again),
        "again": again,
        "history": Reindex.objects.select_related("who")[:HISTORY],
        "keep_days": settings.KEEP_PREVIOUS_DAYS,
        "behind": _behind(found, row),
    }


def role(version: Version, row: Reindex | None) -> str:
    """What it is for, in a word."""
    if "read" in version.roles:
        return "in use"
    if "previous" in version.roles:
        return "the one before"
    if row is not None and row.index == version.name:
        return "whole, not in use yet" if row.state == State.READY else "being built"
    return "left over"


def _in_use_first(version: Version) -> tuple[bool, int]:
    return "read" not in version.roles, -version.number


def running_context(row: Reindex) -> dict[str, Any]:
    """How far it is, and who is at it."""
    held = bool(row.holder) and row.lease_until is not None and row.lease_until > timezone.now()
    return {
        "row": row,
        "done": f"{row.done:,}",
        "total": f"{row.total:,}",
        "share": round(100 * row.done / row.total) if row.total else 0,
        "held": held,
        "waits": not held and row.by_worker and row.state == State.BUILDING,
        "gate": gate.sentence(row) if row.state == State.READY else "",
        "objection": gate.objection(row) if row.state == State.READY else "",
    }


def _behind(found: tuple[Version, ...], row: Reindex | None) -> list[str]:
    """Names of versions that nobody needs: a command that was killed had begun them."""
    return [version.name for version in found if role(version, row) == "left over"]


def _size(at: Cluster, version: Version) -> Size | None:
    try:
        return size(at, version.name)
    except IndexUnavailable:
        return None


def _objection(action: str) -> str:
    row = reindexing.current()
    return gate.objection(row) if action == "promote" and row is not None and row.state == State.READY else ""


# --- What is done ----------------------------------------------------------------------------------------


def _start(request: HttpRequest) -> str:
    row = reindexing.wanted(who=request.user.pk, by_worker=True)
    if row.state != State.READY:
        reindexing.resume(row)
    return "The ingest worker builds it between its other work. Searches go on as they are."


def _promote(request: HttpRequest) -> str:
    return f"{promotion.promote(anyway='anyway' in request.POST)} is in use, from the next question on."


def _rollback(request: HttpRequest) -> str:
    return f"{promotion.rollback()} is in use again, from the next question on."


def _drop(request: HttpRequest) -> str:
    return f"{promotion.drop_previous()} is deleted."


def _cancel(request: HttpRequest) -> str:
    return f"{promotion.cancel() or 'The re-index'} is given up."


def _clean(request: HttpRequest) -> str:
    names = _behind(all_versions(reindexing.cluster()), reindexing.current())
    for name in names:
        promotion.drop(name)
    return f"{', '.join(names) or 'Nothing'} is deleted."


ACTIONS = {
    "start": Action(
        "Build a new version of the index?",
        "The ingest worker encodes every passage anew, from the texts in the database. That takes about as "
        "long as the first indexing did, and searches go on meanwhile. It is laid out as the settings say "
        "now, and is not used before somebody promotes it.",
        "Build it",
        _start,
    ),
    "promote": Action(
        "Put the new version in use?",
        "From the next question on it is searched, and every pipeline has its encoder. The version in use "
        "now is kept up to date, so that you can go back.",
        "Put it in use",
        _promote,
    ),
    "rollback": Action(
        "Go back to the version before?",
        "It was kept up to date: nothing that was written since is lost. The version in use now becomes the "
        "one before.",
        "Go back",
        _rollback,
    ),
    "drop": Action(
        "Delete the version before?",
        "Then there is nothing to go back to. It frees its space on the cluster, and each document is "
        "written once instead of twice.",
        "Delete it",
        _drop,
        grave=True,
    ),
    "cancel": Action(
        "Give up the new version?",
        "What is built of it is deleted. The version in use is not touched.",
        "Give it up",
        _cancel,
        grave=True,
    ),
    "clean": Action(
        "Delete the versions that were left over?",
        "A command that was killed had begun them. Nobody searches them.",
        "Delete them",
        _clean,
        grave=True,
    ),
}

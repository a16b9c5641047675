"""Search with the rights of another user, to see what that user finds. The trace says who asked as whom."""

from dataclasses import replace

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from rag.errors import SieveError, Unavailable
from search_app import asking, selectors
from search_app.access import Viewer
from search_app.events import event
from search_app.manage.staff import staff_only

PERMISSION = "search_app.search_as"


def may_search_as(asker: AbstractUser, target: AbstractUser) -> bool:
    """Whether this user may take on those rights: with the permission, and never those of someone above."""
    above = target.is_superuser and not asker.is_superuser
    return asker.is_staff and asker.has_perm(PERMISSION) and target.is_active and not above


def viewer_as(asker: AbstractUser, target: AbstractUser) -> Viewer:
    """The viewer that the target is, behind whom the asker stands."""
    return Viewer(user_id=target.pk, is_staff=target.is_staff, behind=asker.pk)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def search_as(request: HttpRequest) -> HttpResponse:
    """The form, and what the chosen user may read; a question that is sent is asked with those rights.

    A user that does not exist and one whose rights may not be taken on are told apart by nobody.
    """
    if not request.user.has_perm(PERMISSION):
        raise Http404
    sent = request.POST if request.method == "POST" else request.GET
    name = sent.get("user", "").replace("\0", "").strip()[:150]
    question = sent.get("q", "").strip()
    target = get_user_model().objects.filter(username=name, is_active=True).first() if name else None
    allowed = target if target is not None and may_search_as(request.user, target) else None
    said, status = "", 200
    if name and allowed is None:
        said, status = f"There is no active user {name} whose rights you may take on.", 400
    elif request.method == "POST" and allowed is None:
        said, status = "Name a user.", 400
    elif request.method == "POST":
        viewer = viewer_as(request.user, allowed)
        try:
            recording = asking.ask(question, viewer=viewer, collections=sent.getlist("collection"))
            recording.finish()
        except SieveError as error:
            said, status = str(error), 503 if isinstance(error, Unavailable) else 400
        else:
            event("searched_as", user=request.user.pk, as_user=allowed.pk, trace=recording.trace_id)
            return redirect("trace", recording.trace_id)
    readable = None
    if allowed is not None:
        readable = selectors.collections(replace(viewer_as(request.user, allowed), behind=None))
    context = {
        "name": name,
        "question": question,
        "said": said,
        "target": allowed,
        "readable": readable,
        "selected": sent.getlist("collection"),
        "names": _names(request.user),
    }
    return render(request, "manage/search_as.html", context, status=status)


def _names(asker: AbstractUser, limit: int = 500) -> list[str]:
    """Names to choose from."""
    users = get_user_model().objects.filter(is_active=True).order_by("username")
    if not asker.is_superuser:
        users = users.filter(is_superuser=False)
    return list(users.values_list("username", flat=True)[:limit])

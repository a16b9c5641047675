"""Collections: who may read them, their weights, and their end."""

from django.contrib import messages
from django.db import IntegrityError
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from search_app import collecting, uploads
from search_app.manage.forms import WEIGHTS, AccessForm, CollectionForm, NewCollectionForm
from search_app.manage.listing import Filters, counts
from search_app.manage.people import suggested
from search_app.manage.staff import staff_only
from search_app.models import Collection, Document
from search_app.readers import readers_of, staff_count

State = Document.State


@staff_only
@require_safe
def collections(request: HttpRequest) -> HttpResponse:
    """All collections with their documents and their readers in words."""
    rows = Collection.objects.order_by("name").annotate(
        documents_in=Count("documents"),
        searchable=Count("documents", filter=Q(documents__version__gt=0)),
        failed=Count("documents", filter=Q(documents__state=State.FAILED)),
        waiting=Count("documents", filter=Q(documents__state__in=[State.QUEUED, State.WORKING])),
    )
    listed = [(row, readers_of(row)) for row in rows]
    return render(request, "manage/collections.html", {"listed": listed, "staff": staff_count()})


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def collection_new(request: HttpRequest) -> HttpResponse:
    """A form that makes one."""
    form = NewCollectionForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made = form.save()
        except IntegrityError:  # made by somebody else since the form was checked
            form.add_error("name", "There is a collection of this name already. Give another name.")
        else:
            messages.success(request, f"{made} is made. Now bring documents into it.")
            return redirect(reverse("manage-upload") + f"?collection={made.name}")
    context = {"form": form, "staff": staff_count(), "people": suggested()}
    return render(request, "manage/collection_new.html", context, status=400 if form.errors else 200)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def collection(request: HttpRequest, name: str) -> HttpResponse:
    """Access and weights of one."""
    row = get_object_or_404(Collection, name=name)
    form: AccessForm = CollectionForm(request.POST if request.method == "POST" else None, collection=row)
    if request.method == "POST" and form.is_valid():
        form.save()
        readers = readers_of(row)
        who = readers.words[0].lower() + readers.words[1:]
        messages.success(request, f"Saved. It may be read by: {who}")
        return redirect("manage-collection", name=row.name)
    context = {
        "collection": row,
        "form": form,
        "weights": [form[weight] for weight in WEIGHTS],
        "weighted": row.blend is not None or any(weight in form.errors for weight in WEIGHTS),
        "readers": readers_of(row),
        "staff": staff_count(),
        "people": suggested(),
        "counts": counts(Filters(collection=row.name).rows()),
    }
    return render(request, "manage/collection.html", context, status=400 if form.errors else 200)


@staff_only
@require_POST
def collection_reindex(request: HttpRequest, name: str) -> HttpResponse:
    """Queue all its documents again."""
    row = get_object_or_404(Collection, name=name)
    n = uploads.reindex(row)
    noun = "document is" if n == 1 else "documents are"
    messages.success(request, f"{n:,} {noun} indexed again. What was searchable stays so meanwhile.")
    return redirect("manage-collection", name=row.name)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def collection_delete(request: HttpRequest, name: str) -> HttpResponse:
    """Delete it with all its documents, once its name has been typed."""
    row = get_object_or_404(Collection, name=name)
    error = ""
    if request.method == "POST":
        if request.POST.get("name", "").strip() == row.name:
            n = collecting.delete(row)
            noun = "document" if n == 1 else "documents"
            messages.success(request, f"{row} and its {n:,} {noun} are deleted.")
            return redirect("manage-collections")
        error = f"That is not its name. Type {row.name} to delete it."
    context = {"collection": row, "n": row.documents.count(), "error": error}
    return render(request, "manage/collection_delete.html", context, status=400 if error else 200)

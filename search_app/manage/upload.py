"""Files in: one by one from the script of the page, or many in one plain form."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import SuspiciousOperation, TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST

from rag.errors import SieveError
from rag.parse.select import SUPPORTED
from search_app import uploads
from search_app.contents import pieces_of
from search_app.manage.forms import NewCollectionForm
from search_app.manage.listing import told
from search_app.manage.people import suggested
from search_app.manage.staff import staff_only, wants_json
from search_app.models import Collection, Document
from search_app.readers import readers_of, staff_count

MB = 2**20
NEW = "+"
"""Stands for a collection that is to be made; no collection can bear this name."""


def read_first(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Say in a sentence when a body cannot be read, which the check of the CSRF token would find first."""
    protected = csrf_protect(view)

    @csrf_exempt
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            request.POST  # noqa: B018 parses the body
        except TooManyFilesSent:
            most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
            return _refuse(request, f"More than {most} files came at once. Send fewer, or a ZIP of them.")
        except (SuspiciousOperation, MultiPartParserError, OSError):
            return _refuse(request, "The upload broke off or is not a form. Send it again.")
        return protected(request, *args, **kwargs)

    return guarded


def _refuse(request: HttpRequest, sentence: str) -> HttpResponse:
    if wants_json(request):
        return JsonResponse({"error": sentence}, status=400)
    return _page(request, _form(), error=sentence, status=400)


@staff_only
@read_first
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    """The page; as a plain form it takes several files at once."""
    if request.method != "POST":
        return _page(request, _form(), chosen=request.GET.get("collection", ""))
    files, chosen = request.FILES.getlist("files"), request.POST.get("collection", "").replace("\0", "")
    form = _form(request.POST if chosen == NEW else None)
    error = "" if files else "No file was chosen. Choose some, and press Upload."
    collection = _collection(chosen, form) if files else None
    if collection is None:
        if not error and chosen != NEW:
            error = "Choose a collection, or make a new one."
        return _page(request, form, chosen=chosen, error=error, status=400)
    rows: list[Document] = []
    for file in files:
        try:
            rows += _keep(collection, file.name or "", file, request)
        except SieveError as error:
            messages.error(request, str(error))
    if rows:
        failed = sum(row.state == Document.State.FAILED for row in rows)
        noun = "document" if len(rows) == 1 else "documents"
        bad = f" {failed:,} of them cannot be read; the reasons stand beside them." if failed else ""
        messages.success(request, f"{len(rows):,} {noun} received into {collection}.{bad}")
    return redirect(reverse("manage-documents") + f"?collection={collection.name}")


@staff_only
@read_first
@require_POST
def upload_file(request: HttpRequest) -> JsonResponse:
    """One file for the script: `collection`, `name` with its folders, `file`. Gives the `documents`.

    The same file twice has one effect, so that a script may send again what it is not sure of.
    """
    file = request.FILES.get("file")
    chosen = request.POST.get("collection", "").replace("\0", "")
    collection = Collection.objects.filter(name=chosen).first()
    if file is None:
        return JsonResponse({"error": "There is no file in the request."}, status=400)
    if collection is None:
        return JsonResponse({"error": "This collection does not exist any more."}, status=400)
    try:
        rows = _keep(collection, request.POST.get("name") or file.name or "", file, request)
    except SieveError as error:
        return JsonResponse({"error": str(error)}, status=400)
    return JsonResponse({"documents": [told(row) for row in rows]})


@staff_only
@require_POST
def upload_collection(request: HttpRequest) -> JsonResponse:
    """Make the new collection of the form before its files are sent, and say who will read it."""
    form = _form(request.POST)
    collection = _collection(NEW, form)
    if collection is None:
        fields = {form.add_prefix(name): list(errors) for name, errors in form.errors.items()}
        return JsonResponse({"error": _first(form), "fields": fields}, status=400)
    readers = readers_of(collection)
    said = {"name": collection.name, "title": str(collection)}
    return JsonResponse(said | {"readers": readers.words, "public": readers.public}, status=201)


def _keep(collection: Collection, name: str, file: UploadedFile, request: HttpRequest) -> list[Document]:
    arrivals = uploads.arrive(name, pieces_of(file.file))
    done = uploads.put(collection, arrivals, uploader=request.user.pk)
    return [put.document for put in done]


def _collection(name: str, form: NewCollectionForm) -> Collection | None:
    """The chosen collection, or the new one; None when there is none, or the form says what is wrong."""
    if name != NEW:
        return Collection.objects.filter(name=name).first()
    if not form.is_valid():
        return None
    try:
        return form.save()
    except IntegrityError:  # made by somebody else since the form was checked
        form.add_error("name", "There is a collection of this name already. Choose it, or give another name.")
        return None


def _form(data: QueryDict | None = None) -> NewCollectionForm:
    # The fields are hidden while another collection is chosen: the browser must not insist on them.
    return NewCollectionForm(data, prefix="new", use_required_attribute=False)


def _first(form: NewCollectionForm) -> str:
    return next((str(error) for errors in form.errors.values() for error in errors), "")


def _page(
    request: HttpRequest, form: NewCollectionForm, *, chosen: str = "", error: str = "", status: int = 200
) -> HttpResponse:
    collections = [(row, readers_of(row)) for row in Collection.objects.order_by("name")]
    names = [row.name for row, _ in collections]
    context = {
        "form": form,
        "error": error,
        "collections": collections,
        "chosen": chosen if chosen in (*names, NEW) else names[0] if names else NEW,
        "new": NEW,
        "max_bytes": settings.MAX_FILE_BYTES,
        "max_mb": settings.MAX_FILE_BYTES // MB,
        "formats": sorted(suffix[1:] for suffix in SUPPORTED),
        "people": suggested(),
        "staff": staff_count(),
    }
    return render(request, "manage/upload.html", context, status=status)

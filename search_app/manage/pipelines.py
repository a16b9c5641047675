"""Pipelines as pages: which there are, the versions of one, its spec as a form."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from rag import spec as specs
from rag.errors import SpecError
from rag.spec import PipelineSpec
from search_app import pipeline_versions, pipelines, spec_text, uploads
from search_app.events import event
from search_app.manage import pipeline_words, spec_form
from search_app.manage.staff import staff_only
from search_app.models import Collection, PipelineVersion

CHANGE = "search_app.change_pipelineversion"
"""The permission to save versions and to put them in use."""
MAX_TOML = 64 * 2**10


@staff_only
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Every name with the spec in use, how often it answered and when last."""
    context = {
        "rows": pipeline_words.summaries(),
        "may_change": request.user.has_perm(CHANGE),
        "split_otherwise": pipeline_versions.split_otherwise(),
    }
    return render(request, "manage/pipelines.html", context)


@staff_only
@require_safe
def one(request: HttpRequest, name: str) -> HttpResponse:
    """A pipeline: what is in use, and each version with what it changed."""
    history = pipeline_words.history(name)
    if not history:
        raise Http404
    in_use = next((row for row in history if row.in_use), None)
    context = {
        "name": name,
        "history": history,
        "in_use": in_use,
        "toml": spec_text.to_toml(in_use.spec) if in_use else "",
        "default": name == settings.DEFAULT_PIPELINE,
        "may_change": request.user.has_perm(CHANGE),
        "split_otherwise": pipeline_versions.split_otherwise() if name == settings.DEFAULT_PIPELINE else 0,
    }
    return render(request, "manage/pipeline.html", context)


@staff_only
@require_safe
def toml(request: HttpRequest, name: str) -> HttpResponse:
    """A version as a TOML file; without `version` the one in use, with `version=file` the file."""
    wanted = request.GET.get("version", "")
    text = spec_text.to_toml(_spec(name, wanted))
    suffix = f"-{wanted}" if wanted else ""
    response = HttpResponse(text, content_type="application/toml; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}{suffix}.toml"'
    return response


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, name: str = "") -> HttpResponse:
    """The form of a spec. It begins with the version `from`, by default the one in use.

    Without a name it is a new pipeline that begins as the pipeline `of`, or as the TOML that is sent.
    """
    if not request.user.has_perm(CHANGE):
        raise PermissionDenied
    if request.method == "POST" and request.POST.get("action") == "import":
        return _imported(request, name)
    begun = _spec(name, request.GET.get("from", "")) if name else _spec(request.GET.get("of", ""), "")
    if request.method != "POST":
        return _form(request, name, spec_form.of_spec(begun, pipelines.default()), old=begun)
    called = name or request.POST.get("name", "").strip()
    new, parts, errors = spec_form.of_post(request.POST, pipelines.default())
    if new is None:
        return _form(request, name, parts, old=begun, errors=errors)
    try:
        followed = pipeline_versions.check(called, new)
        if request.POST.get("action") != "save":
            return _form(request, name, parts, old=begun, new=new, followed=followed)
        if not name and called in pipelines.names():
            raise SpecError(f"There is a pipeline {called} already. Open it to make a new version of it.")
        note = request.POST.get("note", "").strip()
        saved = pipeline_versions.save(called, new, note=note, author=request.user.pk)
    except SpecError as error:
        return _form(request, name, parts, old=begun, errors=[str(error)])
    messages.success(request, f"Version {saved.version} of {called} is saved.")
    if "activate" in request.POST:
        _activate(request, saved)
    return redirect("manage-pipeline", called)


@staff_only
@require_POST
def activate(request: HttpRequest, name: str) -> HttpResponse:
    """Put a version in use; with `version=file` none, so that the file counts where there is one."""
    if not request.user.has_perm(CHANGE):
        raise PermissionDenied
    wanted = request.POST.get("version", "")
    if wanted == "file":
        _withdraw(request, name)
    else:
        _activate(request, _version(name, wanted))
    return redirect("manage-pipeline", name)


@staff_only
@require_POST
def reindex(request: HttpRequest) -> HttpResponse:
    """Queue every document again, so that all are split as the default pipeline says."""
    if not request.user.has_perm(CHANGE):
        raise PermissionDenied
    queued = sum(uploads.reindex(collection) for collection in Collection.objects.all())
    messages.success(
        request, f"{queued:,} documents are queued. Each stays searchable until its new passages are."
    )
    return redirect("manage-pipelines")


def _activate(request: HttpRequest, version: PipelineVersion) -> None:
    try:
        followed = pipeline_versions.activate(version)
    except SpecError as error:
        messages.error(request, str(error))
        return
    event("pipeline_changed", user=request.user.pk, pipeline=version.name, version=version.version)
    messages.success(request, f"Version {version.version} is in use, from the next question on.")
    for sentence in followed:
        messages.warning(request, sentence)


def _withdraw(request: HttpRequest, name: str) -> None:
    try:
        pipeline_versions.withdraw(name)
    except SpecError as error:
        messages.error(request, str(error))
        return
    event("pipeline_changed", user=request.user.pk, pipeline=name, version=0)
    here = pipeline_versions.has_file(name)
    said = f"The file {name}.toml is in use again" if here else f"{name} is not in use any more"
    messages.success(request, f"{said}, from the next question on.")


def _imported(request: HttpRequest, name: str) -> HttpResponse:
    """The form, filled from a TOML file or text. Nothing is saved yet."""
    old = _spec(name, "")
    file = request.FILES.get("file")
    sent = file.read(MAX_TOML + 1) if file else request.POST.get("toml", "").encode()
    shown = spec_form.of_spec(old, pipelines.default())
    if len(sent) > MAX_TOML:
        return _form(request, name, shown, old=old, errors=["This is too long for the TOML of a spec."])
    try:
        new = spec_text.from_toml(sent.decode("utf-8", "replace"))
        followed = pipeline_versions.check(name, new)
    except SpecError as error:
        return _form(request, name, shown, old=old, errors=[str(error)])
    parts = spec_form.of_spec(new, pipelines.default())
    return _form(request, name, parts, old=old, new=new, followed=followed)


def _form(
    request: HttpRequest,
    name: str,
    parts: list[spec_form.Part],
    *,
    old: PipelineSpec,
    new: PipelineSpec | None = None,
    followed: list[str] | None = None,
    errors: list[str] | None = None,
) -> HttpResponse:
    """The form; with `new` it says what would change, and what follows from it."""
    wrong = sum(bool(filled.error) for part in parts for filled in part.fields)
    context: dict[str, Any] = {
        "name": name,
        "called": name or request.POST.get("name", ""),
        "note": request.POST.get("note", ""),
        "parts": parts,
        "errors": errors or [],
        "wrong": wrong,
        "checked": new is not None,
        "changes": spec_text.changes(old, new) if new else [],
        "fingerprint": new.fingerprint if new else "",
        "followed": followed or [],
    }
    return render(request, "manage/pipeline_edit.html", context, status=422 if wrong or errors else 200)


def _spec(name: str, wanted: str) -> PipelineSpec:
    """The spec of a version (`3`), of the file (`file`) or the one in use; 404 where there is none."""
    try:
        if wanted == "file":
            return pipelines.from_file(name) if pipeline_versions.has_file(name) else _missing()
        if wanted:
            return specs.from_mapping(_version(name, wanted).spec)
        return pipelines.spec(name or settings.DEFAULT_PIPELINE)
    except SpecError as error:
        latest = PipelineVersion.objects.filter(name=name).first()
        if latest is None or wanted:
            raise Http404 from error
        return specs.from_mapping(latest.spec)


def _missing() -> PipelineSpec:
    raise Http404


def _version(name: str, wanted: str) -> PipelineVersion:
    number = int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 9 else 0
    found = PipelineVersion.objects.filter(name=name, version=number).first()
    if found is None:
        raise Http404
    return found

"""Documents: upload, list, state, text, replace, retry, delete."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from rag.parse import archive
from search_app import access, contents, selectors, uploads
from search_app.api import idempotency
from search_app.api.base import Api
from search_app.api.bodies import Upload
from search_app.api.parsing import MultiPartParser
from search_app.api.problems import Problem, invalid
from search_app.api.schema import CURSOR, IDEMPOTENCY_KEY, LIMIT, operation
from search_app.api.serializers import (
    Arrived,
    DocumentDetail,
    DocumentOut,
    DocumentPage,
    DocumentText,
    UploadResult,
)
from search_app.models import Collection, Document

FILTERS = {
    "collection": {"type": "string", "pattern": "^[-a-zA-Z0-9_]{1,100}$"},
    "state": {"type": "string", "enum": list(Document.State.values)},
    "format": {"type": "string", "pattern": "^[a-z0-9]{1,16}$"},
}


class _Documents(Api):
    scopes = {"GET": "read", "POST": "write", "PUT": "write", "DELETE": "write"}
    for_staff = frozenset({"POST", "PUT", "DELETE"})

    def rows(self) -> Any:
        readable = access.readable(self.viewer)
        return Document.objects.select_related("collection").filter(collection__in=readable)

    def found(self, document_id: int) -> Document:
        row = self.rows().filter(pk=document_id).first()
        if row is None:
            raise Http404
        return row

    def shown(self, document_id: int, status: int = 200) -> Response:
        row = self.rows().prefetch_related("versions").filter(pk=document_id).first()
        if row is None:
            raise Http404
        return Response(DocumentDetail(row).data, status=status)

    def collection(self, name: str) -> Collection:
        row = access.readable(self.viewer).filter(name=name).first()
        if row is None:
            raise Problem("not_found", f"There is no collection {name}.")
        return row


class DocumentsView(_Documents):
    parser_classes = (MultiPartParser,)

    @property
    def most_bytes(self) -> int:
        return settings.MAX_REQUEST_BYTES

    @operation(
        "list_documents",
        "List documents",
        tag="Documents",
        answers={200: DocumentPage},
        parameters=[
            CURSOR,
            LIMIT,
            *(
                OpenApiParameter(name, shape, description=f"Only of this {name}.")
                for name, shape in FILTERS.items()
            ),
        ],
    )
    def get(self, request: Request) -> Response:
        rows, asked = self.rows(), request.query_params
        if "collection" in asked:
            rows = rows.filter(collection=self.collection(asked["collection"]))
        if "state" in asked:
            if asked["state"] not in Document.State.values:
                raise invalid({"state": [f"States: {', '.join(Document.State.values)}."]})
            rows = rows.filter(state=asked["state"])
        if "format" in asked:
            if not (asked["format"].isascii() and asked["format"].isalnum() and len(asked["format"]) <= 16):
                raise invalid({"format": ["Write a suffix without its dot, such as pdf."]})
            rows = rows.filter(format=asked["format"])
        return self.page(rows, ("-pk",), DocumentOut)

    @operation(
        "upload_documents",
        "Upload documents",
        tag="Documents",
        description="A document is known by its collection and its name: a name that is there gets new "
        "content, and the old one stays searchable until the new one is. The same content again changes "
        "nothing. Each file of a ZIP is a document of its own. The work follows: ask for the document until "
        "its state is `searchable`, or `failed` with a reason.",
        request={"multipart/form-data": Upload},
        answers={202: UploadResult},
        parameters=[IDEMPOTENCY_KEY],
        also=("not_authenticated",),
    )
    def post(self, request: Request) -> Response:
        if not (request.content_type or "").startswith("multipart/form-data"):
            raise Problem("unsupported_media_type", "Send a form with files: multipart/form-data.")
        form = request.data
        # As one object: what came once as a value, files as a list, and nothing twice.
        asked = {name: form.getlist(name) if name == "file" else form[name] for name in form}
        check = Upload(data=asked)
        check.is_valid(raise_exception=True)
        asked = check.validated_data
        collection, files = self.collection(asked["collection"]), asked["file"]
        folder = archive.label(asked.get("folder", ""))
        names = [f"{folder}/{file.name}".lstrip("/") for file in files]
        parts = [collection.name, *names, *(idempotency.hash_of(file.chunks()) for file in files)]
        return idempotency.once(request, parts, lambda: self._put(collection, files, names))

    def _put(self, collection: Collection, files: Sequence[UploadedFile], names: Sequence[str]) -> Response:
        arrivals = [
            arrival
            for file, name in zip(files, names, strict=True)
            for arrival in uploads.arrive(name, file.chunks())
        ]
        done = uploads.put(collection, arrivals, uploader=self.viewer.user_id)
        return Response({"documents": Arrived(done, many=True).data}, status=202)


class DocumentView(_Documents):
    @operation("get_document", "Show a document", tag="Documents", answers={200: DocumentDetail})
    def get(self, request: Request, document_id: int) -> Response:
        return self.shown(document_id)

    @operation(
        "delete_document",
        "Delete a document",
        tag="Documents",
        description="It is gone from the next question on, with its versions and the texts in traces.",
        answers={204: None},
        also=("not_authenticated",),
    )
    def delete(self, request: Request, document_id: int) -> Response:
        if not uploads.delete([self.found(document_id)]):
            raise Http404
        return Response(status=204)


class DocumentTextView(_Documents):
    @operation(
        "get_document_text",
        "Read a document",
        tag="Documents",
        description="The text of the version that is searched: spans of citations count its characters.",
        answers={200: DocumentText},
        also=("conflict",),
    )
    def get(self, request: Request, document_id: int) -> Response:
        row = self.found(document_id)
        opened = selectors.document(self.viewer, document_id)
        if opened is None:
            raise Problem("conflict", f"The document has no text that is searched yet: it is {row.state}.")
        text = opened.version
        return Response(
            {
                "id": opened.document.pk,
                "version": text.version,
                "title": text.title,
                "text": text.text,
                "headings": text.headings,
                "pages": text.pages,
            }
        )


class DocumentContentView(_Documents):
    @property
    def most_bytes(self) -> int:
        return settings.MAX_FILE_BYTES

    @operation(
        "replace_document",
        "Replace the content of a document",
        tag="Documents",
        description="The body is the file itself. What was searchable stays so until the new content is.",
        request={"application/octet-stream": OpenApiTypes.BINARY},
        answers={202: DocumentDetail},
        also=("not_authenticated", "conflict"),
    )
    def put(self, request: Request, document_id: int) -> Response:
        row = self.found(document_id)
        if (request.content_type or "").startswith("multipart/"):
            raise Problem("unsupported_media_type", "Send the file itself as the body, not a form.")
        if "CONTENT_LENGTH" not in request.META:
            raise Problem("length_required", "Send the length of the body.")
        if archive.is_archive(row.name):
            raise Problem("conflict", "This is an archive that could not be opened. Upload it again instead.")
        arrivals = uploads.arrive(row.name, contents.pieces_of(request._request))
        with transaction.atomic():
            if not Document.objects.select_for_update().filter(pk=row.pk).exists():
                raise Http404
            uploads.put(row.collection, arrivals, uploader=self.viewer.user_id)
        return self.shown(row.pk, status=202)


class DocumentRetryView(_Documents):
    @operation(
        "retry_document",
        "Try a failed document again",
        tag="Documents",
        request=None,
        answers={202: DocumentDetail},
        also=("not_authenticated", "conflict"),
    )
    def post(self, request: Request, document_id: int) -> Response:
        row = self.found(document_id)
        if not uploads.retry([row]):
            detail = "The document has not failed: there is nothing to try again."
            if row.state == Document.State.FAILED:
                detail = "The content of this document is not kept. Upload it again."
            raise Problem("conflict", detail)
        return self.shown(document_id, status=202)

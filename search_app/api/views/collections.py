"""Collections: read by all who may, made and changed by staff."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import Http404
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from search_app import collecting, selectors
from search_app.api import idempotency
from search_app.api.base import Api
from search_app.api.bodies import CollectionChange, NewCollection
from search_app.api.problems import Problem
from search_app.api.schema import CURSOR, IDEMPOTENCY_KEY, LIMIT, operation
from search_app.api.serializers import CollectionOut, CollectionPage
from search_app.models import Collection

EXAMPLE = {"name": "handbook", "title": "The handbook", "public": False, "groups": ["Support"]}


def _people(asked: dict[str, Any]) -> dict[str, list[Any]]:
    """Take `readers` and `groups` out of a body, as rows. Raises `Problem` for a name that is none."""
    found = {}
    for many, rows, by in (
        ("readers", get_user_model().objects.all(), "username"),
        ("groups", Group.objects.all(), "name"),
    ):
        if many in asked:
            names = set(asked.pop(many))
            found[many] = list(rows.filter(**{f"{by}__in": names}))
            if missing := names - {getattr(row, by) for row in found[many]}:
                raise Problem("not_found", f"{many}: There is no {', '.join(sorted(missing)[:5])}.")
    return found


class _Collections(Api):
    scopes = {"GET": "read", "POST": "write", "PATCH": "write", "DELETE": "write"}
    for_staff = frozenset({"POST", "PATCH", "DELETE"})

    def found(self, name: str) -> Collection:
        row = selectors.collections(self.viewer).filter(name=name).first()
        if row is None:
            raise Http404
        return row

    def shown(self, row: Collection) -> dict[str, Any]:
        return self.shape(row).data

    @property
    def shape(self) -> type[BaseSerializer]:
        return CollectionOut if self.viewer.is_staff else _Shown


class _Shown(CollectionOut):
    """A collection as its readers see it: without the others."""

    class Meta(CollectionOut.Meta):
        fields = tuple(f for f in CollectionOut.Meta.fields if f not in ("readers", "groups"))
        read_only_fields = fields


class CollectionsView(_Collections):
    @operation(
        "list_collections",
        "List collections",
        tag="Collections",
        answers={200: CollectionPage},
        parameters=[CURSOR, LIMIT],
    )
    def get(self, request: Request) -> Response:
        rows = selectors.collections(self.viewer).prefetch_related("readers", "groups")
        return self.page(rows, ("name",), self.shape)

    @operation(
        "create_collection",
        "Make a collection",
        tag="Collections",
        request=NewCollection,
        answers={201: CollectionOut},
        parameters=[IDEMPOTENCY_KEY],
        also=("not_authenticated", "conflict"),
        examples=[OpenApiExample("A collection", EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        asked = self.body(NewCollection)
        if self.viewer.only is not None:
            raise Problem("not_allowed", "This key is limited to its collections and makes no new ones.")
        names = [*asked.get("readers", ()), "", *asked.get("groups", ())]
        people = _people(asked)

        def make() -> Response:
            row = Collection(**asked)
            try:
                row.clean_fields()
                with transaction.atomic():
                    row.save(force_insert=True)
                    for many, rows in people.items():
                        getattr(row, many).set(rows)
            except ValidationError as error:
                raise Problem("invalid", f"It cannot be made: {' '.join(error.messages)}") from error
            except IntegrityError as error:
                raise Problem("conflict", f"There is a collection {row.name} already.") from error
            return Response(self.shown(self.found(row.name)), status=201)

        parts = [f"{name}={value}" for name, value in sorted(asked.items())]
        return idempotency.once(request, [*parts, *names], make)


class CollectionView(_Collections):
    @operation("get_collection", "Show a collection", tag="Collections", answers={200: CollectionOut})
    def get(self, request: Request, name: str) -> Response:
        return Response(self.shown(self.found(name)))

    @operation(
        "change_collection",
        "Change a collection",
        tag="Collections",
        description="What is not named stays as it is. `readers` and `groups` replace those there were. Who "
        "loses access finds nothing of it from the next question on.",
        request=CollectionChange,
        answers={200: CollectionOut},
        also=("not_authenticated",),
        examples=[
            OpenApiExample("Another title", {"title": "Handbook 2", "public": True}, request_only=True)
        ],
    )
    def patch(self, request: Request, name: str) -> Response:
        asked, row = self.body(CollectionChange), self.found(name)
        people = _people(asked)
        with transaction.atomic():
            for many, rows in people.items():
                getattr(row, many).set(rows)
            for field, value in asked.items():
                setattr(row, field, value)
            if asked:
                row.save(update_fields=list(asked))
        return Response(self.shown(self.found(name)))

    @operation(
        "delete_collection",
        "Delete a collection",
        tag="Collections",
        parameters=[
            OpenApiParameter(
                "documents", bool, description="True: with all its documents. Otherwise it must be empty."
            )
        ],
        answers={204: None},
        also=("not_authenticated", "conflict"),
    )
    def delete(self, request: Request, name: str) -> Response:
        wanted = request.query_params.get("documents", "false")
        if wanted not in ("true", "false"):
            raise Problem("invalid", "documents: Write true or false.")
        row = self.found(name)
        with transaction.atomic():
            held = Collection.objects.select_for_update().filter(pk=row.pk).first()
            if held is None:
                raise Http404
            if wanted == "false" and held.documents.exists():
                raise Problem(
                    "conflict", "It holds documents. Delete them first, or ask with documents=true."
                )
            collecting.delete(held)
        return Response(status=204)

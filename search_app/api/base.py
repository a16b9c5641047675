"""What all views of the API share: who may, how often, and answers that nobody else keeps."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.db.models import QuerySet
from rest_framework.exceptions import MethodNotAllowed, NotAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from search_app.access import Viewer
from search_app.api import authentication, problems, throttling
from search_app.api.fields import Body
from search_app.api.pagination import Pages
from search_app.api.parsing import JSONParser, refuse_larger
from search_app.api.problems import Problem
from search_app.models import ApiKey

SIGN_IN = "Send a key as `Authorization: Bearer sv_…`, or sign in."
STAFF_ONLY = "Only staff may do this."


class Api(APIView):
    """Subclasses name the scope that a key needs for each of their methods, and for whom it is."""

    authentication_classes = (authentication.KeyAuthentication, authentication.SessionAuthentication)
    permission_classes = ()
    parser_classes = (JSONParser,)
    renderer_classes = (JSONRenderer,)
    http_method_names: ClassVar = ["get", "head", "post", "put", "patch", "delete"]
    metadata_class = None
    scopes: ClassVar[Mapping[str, str]] = {}
    """Method to the scope that a key must have."""
    for_staff: ClassVar[frozenset[str]] = frozenset()
    for_somebody: ClassVar[frozenset[str]] = frozenset()
    """Methods that need to know who asks."""
    for_users: ClassVar[frozenset[str]] = frozenset()
    """Methods for who is signed in or brings a key."""
    viewer: Viewer

    @property
    def most_bytes(self) -> int:
        """Of a body; a longer one is refused unread."""
        return settings.API_MAX_JSON_BYTES

    def get_exception_handler(self) -> Callable[..., Any]:
        return problems.handle

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if (request.method or "") not in self.allowed_methods:
            raise MethodNotAllowed(request.method or "")
        refuse_larger(request.META, self.most_bytes)
        if "\0" in "".join(request.query_params.values()):
            raise Problem("malformed", "A parameter holds the character NUL.")
        super().initial(request, *args, **kwargs)

    def perform_authentication(self, request: Request) -> None:
        try:
            super().perform_authentication(request)
        finally:  # a refused key counts too
            self.rate = throttling.count(request)
        self.viewer = authentication.viewer(request)

    def check_permissions(self, request: Request) -> None:
        method = "GET" if request.method == "HEAD" else request.method or ""
        scope = self.scopes[method]
        if isinstance(request.auth, ApiKey) and scope not in request.auth.scopes:
            raise Problem("not_allowed", f"This key does not have the scope {scope}.")
        staff_only = method in self.for_staff
        if ((staff_only or method in self.for_users) and self.viewer.user_id is None) or (
            method in self.for_somebody and not self.viewer.who
        ):
            raise NotAuthenticated(SIGN_IN)
        if staff_only and not self.viewer.is_staff:
            raise Problem("not_allowed", STAFF_ONLY)

    def check_throttles(self, request: Request) -> None:
        """Counted before, with the authentication."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        rate = getattr(self, "rate", None)
        for name, value in (rate.headers() if rate else {}).items():
            response.headers[name] = value
        return response

    # --- Helpers ---

    def body(self, of: type[Body]) -> dict[str, Any]:
        """The checked body of the request."""
        serializer = of(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def page(
        self,
        rows: QuerySet[Any],
        ordering: tuple[str, ...],
        shape: type[BaseSerializer],
        keep: Callable[[list[Any]], list[Any]] = lambda rows: rows,
    ) -> Response:
        """A page of rows; `keep` may leave some of them out."""
        pages = Pages(ordering)
        found = keep(pages.paginate_queryset(rows, self.request, self))
        return pages.get_paginated_response(shape(found, many=True).data)

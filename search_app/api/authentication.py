"""Who asks: a key, or the session of a browser."""

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.authentication import SessionAuthentication as _SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from search_app import keys
from search_app.access import ASKER, Viewer, viewer_of
from search_app.models import ApiKey

BAD_KEY = "This key is unknown, expired or revoked."


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer sv_…`. Every key that is not good is refused in the same words."""

    def authenticate(self, request: Request) -> tuple[Any, ApiKey] | None:
        token = keys.from_header(request.META.get("HTTP_AUTHORIZATION", ""))
        if token is None:
            return None
        key = keys.verify(token)
        if key is None:
            raise AuthenticationFailed(BAD_KEY)
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="sieve"'


class SessionAuthentication(_SessionAuthentication):
    """The session of the pages. Whatever it writes must carry the CSRF token, signed in or not."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        signed_in = super().authenticate(request)
        if signed_in is None and ASKER in request.session:
            self.enforce_csrf(request)
        return signed_in


def viewer(request: Request) -> Viewer:
    """The viewer behind a request of the API."""
    if isinstance(request.auth, ApiKey):
        return keys.viewer_of_key(request.auth)
    return viewer_of(request)  # type: ignore[arg-type]

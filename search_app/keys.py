"""Keys of the REST API: `sv_<prefix>_<secret>`, shown once, kept as a hash.

The secret has 256 random bits, so a plain SHA-256 of the key is enough: there is nothing to guess.
"""

import hashlib
import hmac
import secrets
import string
from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from rag.errors import SieveError
from search_app.access import Viewer
from search_app.models import ApiKey, Collection

MARK = "sv"
SCOPES: tuple[str, ...] = tuple(ApiKey.Scope.values)
_PREFIX_LETTERS = string.ascii_lowercase + string.digits
_PREFIX_LENGTH = 8
_NO_DIGEST = "0" * 64


def make(
    user: AbstractUser,
    name: str,
    scopes: Iterable[str],
    collections: Iterable[Collection] = (),
    expires: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its text, which cannot be had again.

    With `collections` it reads only these, and nothing at all once they are deleted. Raises `SieveError`
    for a name, a scope or a time that cannot be.
    """
    wanted = set(scopes)
    unknown = sorted(wanted - set(SCOPES))
    if unknown or not wanted:
        said = f"There is no scope {', '.join(unknown)}." if unknown else "A key needs a scope."
        raise SieveError(f"{said} Scopes: {', '.join(SCOPES)}.")
    if expires is not None and expires <= timezone.now():
        raise SieveError("The key would have expired before it was made. Choose a time to come.")
    prefix = "".join(secrets.choice(_PREFIX_LETTERS) for _ in range(_PREFIX_LENGTH))
    text = f"{MARK}_{prefix}_{secrets.token_urlsafe(32)}"
    only = list(collections)
    key = ApiKey(
        user=user,
        name=name.strip(),
        prefix=prefix,
        digest=_digest(text),
        scopes=[scope for scope in SCOPES if scope in wanted],
        limited=bool(only),
        expires=expires,
    )
    try:
        key.full_clean()
    except ValidationError as error:
        raise SieveError(f"The key cannot be made: {' '.join(error.messages)}") from error
    with transaction.atomic():
        key.save()
        key.collections.set(only)
    return key, text


def verify(text: str) -> ApiKey | None:
    """The key with this text, when it is good now: known, not expired, not revoked, its user active."""
    mark, _, rest = text.partition("_")
    prefix, _, secret = rest.partition("_")
    known = mark == MARK and bool(secret) and len(text) <= 200 and "\0" not in prefix and prefix.isascii()
    key = ApiKey.objects.select_related("user").filter(prefix=prefix).first() if known else None
    same = hmac.compare_digest(key.digest if key else _NO_DIGEST, _digest(text))
    if key is None or not same:
        return None
    now = timezone.now()
    if key.revoked is not None or (key.expires is not None and key.expires <= now) or not key.user.is_active:
        return None
    minute = now.replace(second=0, microsecond=0)
    if key.last_used != minute:
        ApiKey.objects.filter(pk=key.pk).update(last_used=minute)
        key.last_used = minute
    return key


def from_header(header: str) -> str | None:
    """The key in an `Authorization` header; None when it carries no bearer token."""
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def viewer_of_key(key: ApiKey) -> Viewer:
    """Its user, cut to the collections of the key."""
    only = tuple(key.collections.values_list("name", flat=True)) if key.limited else None
    return Viewer(user_id=key.user_id, is_staff=key.user.is_staff, only=only)


def revoke(key: ApiKey) -> None:
    """From now on it opens nothing. Revoking it again changes nothing."""
    ApiKey.objects.filter(pk=key.pk, revoked=None).update(revoked=timezone.now())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

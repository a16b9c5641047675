"""How often one may ask: counted by key, by user and by address, in windows of fixed length.

All web processes count together where there is a queue (`counters`), else each for itself.
"""

import ipaddress
import time
from dataclasses import dataclass

from django.conf import settings
from rest_framework.request import Request

from search_app.api import counters
from search_app.api.problems import Problem
from search_app.api.rates import parse
from search_app.models import ApiKey


@dataclass(frozen=True, slots=True)
class Rate:
    """What is left of a limit in the window that is running."""

    limit: int
    left: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(max(0, self.left)),
            "RateLimit-Reset": str(self.reset_s),
        }


def count(request: Request) -> Rate:
    """Count a request and give the tightest of its limits. Raises `Problem` when one is used up."""
    rates = [_count(name, rate) for name, rate in _names(request)]
    tightest = min(rates, key=lambda rate: (rate.left, -rate.reset_s))
    if tightest.left < 0:
        headers = tightest.headers() | {"Retry-After": str(tightest.reset_s)}
        raise Problem("throttled", f"Too many requests. Try again in {tightest.reset_s} s.", headers=headers)
    return tightest


def count_texts(request: Request, texts: int) -> None:
    """Count texts that are to be ranked, for the user with all his keys. Raises `Problem` when too many.

    What is refused is not counted: fewer of them may still be sent.
    """
    name = f"texts:{request.user.pk}"
    rate = _count(name, settings.API_RATE_TEXTS, texts)
    if rate.left < 0:
        left = max(0, _count(name, settings.API_RATE_TEXTS, -texts).left)
        raise Problem(
            "throttled",
            f"You may have {rate.limit:,} texts ranked a window, and {left:,} are left. Send fewer, or try "
            f"again in {rate.reset_s} s.",
            headers={"Retry-After": str(rate.reset_s)},
        )


def _names(request: Request) -> list[tuple[str, str]]:
    names = []
    # `_user` and `_auth`: a refused key has neither, and asking for them would refuse it again.
    auth, user = getattr(request, "_auth", None), getattr(request, "_user", None)
    if isinstance(auth, ApiKey):
        names.append((f"key:{auth.pk}", settings.API_RATE_KEY))
    if user is not None and user.is_authenticated:
        names.append((f"user:{user.pk}", settings.API_RATE_USER))
    return names or [(f"address:{address(request)}", settings.API_RATE_ANONYMOUS)]


def _count(name: str, rate: str, by: int = 1) -> Rate:
    limit, seconds = parse(rate)
    now = time.time()
    window = int(now // seconds)
    used = counters.count(f"api:{name}:{window}", seconds + 1, by)
    return Rate(limit, limit - used, max(1, int((window + 1) * seconds - now + 0.999)))


def address(request: Request) -> str:
    """The client's address; of an IPv6 address its network, since one client has all of it."""
    text = request.META.get("REMOTE_ADDR", "")
    if settings.BEHIND_PROXY:  # the last one is the proxy's own word, all before it are the client's
        text = request.META.get("HTTP_X_FORWARDED_FOR", text).rpartition(",")[2].strip()
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return "unknown"
    if found.version == 6:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)

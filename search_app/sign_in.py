"""Signing in, slowed down for who guesses: by name and address together, and by address alone.

django-axes counts; here stands how. Whether a name exists makes no difference to any of it.
"""

import ipaddress
from typing import Any

from axes.backends import AxesStandaloneBackend
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from axes.signals import user_locked_out
from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db.models import Sum
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from search_app.events import event

LONGEST_NAME = 150
"""Characters of a user name, as Django has it; what is longer is nobody's."""


class Throttle(AxesStandaloneBackend):
    """Asked before the password is. A command or a test that has no request is not held up."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        if request is not None:
            super().authenticate(request, **credentials)


class Handler(AxesDatabaseHandler):
    """Counts `SIGN_IN_ATTEMPTS` for a name from an address, and ten times as many for all names from it."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        since = timezone.now() - settings.AXES_COOLOFF_TIME
        recent = AccessAttempt.objects.filter(ip_address=client_address(request), attempt_time__gte=since)
        of_address = recent.aggregate(n=Sum("failures_since_start"))["n"] or 0
        share = of_address * settings.SIGN_IN_ATTEMPTS // settings.SIGN_IN_ATTEMPTS_OF_ADDRESS
        return max(super().get_failures(request, credentials), share)


def client_address(request: HttpRequest) -> str | None:
    """Who sends the request: behind a proxy, whom the proxy names last. None where it is no address.

    Of an IPv6 address it is the network, because one client has all of it.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "") if settings.BEHIND_PROXY else ""
    said = forwarded.rpartition(",")[2].strip() or request.META.get("REMOTE_ADDR", "")
    try:
        address = ipaddress.ip_address(said)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False).network_address)
    return str(address)


def name_tried(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """The name that was tried, in a form that any database takes."""
    name = (credentials or {}).get("username") or request.POST.get("username") or ""
    return str(name).replace("\0", "")[:LONGEST_NAME]


def locked(
    request: HttpRequest, response: HttpResponseBase, credentials: dict[str, Any] | None
) -> HttpResponse:
    """The page for who has tried too often."""
    wait = settings.AXES_COOLOFF_TIME
    context = {"minutes": int(wait.total_seconds() // 60)}
    page = render(request, "account/locked.html", context, status=429)
    page.headers["Retry-After"] = str(int(wait.total_seconds()))
    return page


@receiver(pre_save, sender=AccessAttempt)
def _keep_no_form(instance: AccessAttempt, **_: object) -> None:
    """What else was sent with a failed attempt is not kept: it could be large, and it could be a password."""
    instance.get_data = instance.post_data = instance.http_accept = ""


@receiver(user_logged_in)
def _signed_in(user: Any, **_: object) -> None:
    event("signed_in", user=user.pk)


@receiver(user_login_failed)
def _failed(request: HttpRequest | None = None, **_: object) -> None:
    event("sign_in_failed", failures=_failures(request))


@receiver(user_locked_out)
def _locked_out(request: HttpRequest | None = None, **_: object) -> None:
    event("sign_in_locked", failures=_failures(request))


def _failures(request: HttpRequest | None) -> int:
    return getattr(request, "axes_failures_since_start", None) or 0

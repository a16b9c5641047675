"""What must hold before anything starts: limits in their order, specs that load, no open door by mistake.

`manage.py check` and `migrate` run these as Django's checks; the web server runs them when it starts,
because nobody else would, and does not start with an error.
"""

import ipaddress
import sys
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from rag import spec as specs
from rag.errors import SpecError
from search_app import cluster_checks
from search_app import gunicorn as server
from search_app.api import rates
from search_app.environment import BOOT_FAILED

TAG = "sieve"


@register(TAG)
def check(**_: Any) -> list[CheckMessage]:
    return [*_specs(), *_limits(), *_rates(), *_doors(), *cluster_checks.of_settings()]


@register(TAG, deploy=True)
def check_cluster(*_: Any, **__: Any) -> list[CheckMessage]:
    """Asks the cluster, which may be away: not when a server starts."""
    return list(cluster_checks.of_cluster())


def refuse_to_start() -> None:
    """End the process where there is an error, with its sentence; warnings are said and no more."""
    found = check()
    for message in found:
        sys.stderr.write(f"{message.id}: {message.msg}\n")
    if any(isinstance(message, Error) for message in found):
        raise SystemExit(BOOT_FAILED)


def _specs() -> Iterator[CheckMessage]:
    files = sorted(settings.SPEC_DIR.glob("*.toml"))
    if settings.DEFAULT_PIPELINE not in {path.stem for path in files}:
        names = ", ".join(path.stem for path in files) or "none"
        yield Warning(
            f"SIEVE_PIPELINE names {settings.DEFAULT_PIPELINE!r}, and there is no such file: unless it was "
            f"saved on the pages, nothing can be asked. Files: {names}.",
            id="sieve.W003",
        )
    for path in files:
        try:
            spec = specs.load(path)
        except SpecError as error:
            yield Error(str(error), id="sieve.E001")
            continue
        budget_s = sum(part.budget_ms for part in (spec.rerank, spec.generate) if part) / 1000
        if budget_s >= server.timeout:
            yield Error(
                f"{path.name}: reranking and generation may take {budget_s:g} s together, but the web server "
                f"gives up a process after {server.timeout} s. Lower budget_ms.",
                id="sieve.E002",
            )


def _limits() -> Iterator[CheckMessage]:
    lease, group = settings.INGEST_LEASE_SECONDS, settings.INGEST_GROUP_SECONDS
    if lease < 3 * group:
        yield Warning(
            f"SIEVE_LEASE_SECONDS is {lease:g}, but a finished document may wait {group:g} s for its commit; "
            f"others may take it up meanwhile, in vain. Set at least {3 * group:g}.",
            id="sieve.W002",
        )
    patience_ms = settings.API_RERANK_MS
    if patience_ms >= 1000 * server.timeout:
        yield Error(
            f"SIEVE_API_RERANK_MS is {patience_ms}, but the web server gives up a process after "
            f"{server.timeout} s. Lower it.",
            id="sieve.E006",
        )
    if settings.TRACE_DAYS < 0:
        yield Error("SIEVE_TRACE_DAYS must not be negative. 0 keeps traces for ever.", id="sieve.E003")


def _rates() -> Iterator[CheckMessage]:
    for name in ("API_RATE_KEY", "API_RATE_USER", "API_RATE_ANONYMOUS", "API_RATE_TEXTS"):
        try:
            rates.parse(getattr(settings, name))
        except ValueError as error:
            yield Error(f"SIEVE_{name}: {error}", id="sieve.E005")


def _doors() -> Iterator[CheckMessage]:
    if _local(settings.BIND):
        return
    if settings.DEBUG:
        yield Error(
            f"SIEVE_DEBUG shows the inside of the program to everybody who reaches {settings.BIND}. "
            "Use it on the loopback only.",
            id="sieve.E004",
        )
    if not (settings.HTTPS or settings.BEHIND_PROXY):
        yield Warning(
            f"SIEVE_BIND is {settings.BIND}, which others can reach, and there is no https: passwords and "
            "documents travel readable. Put a proxy with https in front and set SIEVE_HTTPS and "
            "SIEVE_BEHIND_PROXY.",
            id="sieve.W001",
        )


def _local(bind: str) -> bool:
    """Whether only this machine can reach the address; a socket in a file is such a one."""
    if bind.startswith(("unix:", "fd:")):
        return True
    host = bind.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

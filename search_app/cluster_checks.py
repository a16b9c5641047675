"""What must hold of the settings of a cluster. What only the cluster itself can say waits for first use.

A web server starts while the cluster is away: then it answers with sentences instead of documents, and
health says why. `manage.py check --deploy` asks the cluster, too.
"""

import re
import urllib.parse
from collections.abc import Iterator
from contextlib import suppress

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from rag import spec as specs
from rag.errors import SieveError, SpecError

ENGINES = ("lucene", "faiss")
COMPRESSIONS = {"lucene": ("", "4x", "32x"), "faiss": ("", "2x", "4x", "8x", "16x", "32x")}
"""By engine; 32x with lucene needs OpenSearch 3."""
PREFIX = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
MEANINGLESS = ("OPENSEARCH_USER", "OPENSEARCH_PASSWORD", "OPENSEARCH_CA")
"""Settings that say nothing without a cluster, and that nobody sets by chance."""


def of_settings() -> Iterator[CheckMessage]:
    if not settings.OPENSEARCH_URLS:
        if given := [f"SIEVE_{name}" for name in MEANINGLESS if getattr(settings, name)]:
            yield Warning(
                f"{' and '.join(given)} {'is' if len(given) == 1 else 'are'} set, but SIEVE_OPENSEARCH is "
                "empty: the embedded index is used.",
                id="sieve.W011",
            )
        return
    yield from _addresses()
    yield from _form()
    if not PREFIX.fullmatch(settings.OPENSEARCH_PREFIX):
        yield Error(
            f"SIEVE_OPENSEARCH_PREFIX is {settings.OPENSEARCH_PREFIX!r}. It begins names of indices: small "
            "letters, digits, - and _ only, a letter or digit first.",
            id="sieve.E014",
        )
    if bool(settings.OPENSEARCH_USER) != bool(settings.OPENSEARCH_PASSWORD):
        yield Error(
            "SIEVE_OPENSEARCH_USER and SIEVE_OPENSEARCH_PASSWORD go together: set both or neither.",
            id="sieve.E015",
        )
    if settings.OPENSEARCH_CA is not None and not settings.OPENSEARCH_CA.is_file():
        yield Error(f"SIEVE_OPENSEARCH_CA names {settings.OPENSEARCH_CA}: no such file.", id="sieve.E016")


def _addresses() -> Iterator[CheckMessage]:
    plain = False
    for url in settings.OPENSEARCH_URLS:
        if problem := _problem(url):
            # The address itself is not said: a password may stand in it.
            yield Error(f"An address in SIEVE_OPENSEARCH {problem}", id="sieve.E012")
        plain |= url.startswith("http:")
    if plain and settings.OPENSEARCH_PASSWORD:
        yield Warning(
            "SIEVE_OPENSEARCH has an address with http: the password of the cluster and all texts travel "
            "readable. Use https.",
            id="sieve.W012",
        )


def _problem(url: str) -> str:
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port
    except ValueError:
        return "cannot be read. Write it like https://host:9200."
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "does not begin with http:// or https:// and a host. Write it like https://host:9200."
    if parts.username or parts.password:
        return "holds a user. Set SIEVE_OPENSEARCH_USER and SIEVE_OPENSEARCH_PASSWORD."
    if parts.query or parts.fragment or parts.path not in ("", "/"):
        return "has a path. Name the host and the port only, like https://host:9200."
    return ""


def _form() -> Iterator[CheckMessage]:
    engine, compression = settings.OPENSEARCH_ENGINE, settings.OPENSEARCH_COMPRESSION
    if engine not in ENGINES:
        yield Error(f"SIEVE_OPENSEARCH_ENGINE is {engine!r}. It is lucene or faiss.", id="sieve.E013")
    elif compression not in COMPRESSIONS[engine]:
        known = ", ".join(COMPRESSIONS[engine][1:])
        yield Error(
            f"SIEVE_OPENSEARCH_COMPRESSION is {compression!r}. The engine {engine} has {known}; empty keeps "
            "vectors as they are.",
            id="sieve.E013",
        )


def of_cluster() -> Iterator[CheckMessage]:
    """What the cluster itself says; nothing where there is none."""
    from search_app import indexes  # not before the settings are known to be right

    if not settings.OPENSEARCH_URLS or any(isinstance(message, Error) for message in of_settings()):
        return
    try:
        at = indexes.cluster()
        if at is not None and (unfit := indexes.unfit(at)):
            yield Error(unfit, id="sieve.E011")
        for path in sorted(settings.SPEC_DIR.glob("*.toml")):
            with suppress(SpecError):  # of which another check tells
                if unable := indexes.unable_to_fuse(specs.load(path).fuse):
                    said = f"{path.name}: {unable} Sieve fuses instead, and each answer says so."
                    yield Warning(said, id="sieve.W014")
    except SieveError as error:
        yield Warning(f"The cluster could not be asked what it can do. {error}", id="sieve.W013")

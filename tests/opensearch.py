"""OpenSearch clusters for tests: those that `make opensearch` started, or one that is named.

    def test_something(cluster: Cluster) -> None:            # once on each version; skipped where none runs
    def test_more(opensearch: Address) -> None:              # the address alone, for processes of their own

Each test gets a prefix of its own; its indices are deleted after it. Both ask as the user with the role of
`scripts/opensearch/security`, wherever the cluster has users, so that every test tests the role, too.
SIEVE_TEST_OPENSEARCH names another cluster instead (`https://user:password@host:9200`; with
SIEVE_TEST_OPENSEARCH_CA, the file of its authority): it takes the place of the one of its major version.
"""

import json
import os
import secrets
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from rag.errors import IndexUnavailable
from rag.index.opensearch import Address, Cluster

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.6.0", "2.19.1")
PREFIX = "sieve-test-"
"""Inside of what the role allows: `sieve-*`."""


@dataclass(frozen=True)
class Server:
    """A cluster that runs: how the application asks it, and how its administrator does."""

    version: str
    address: Address
    admin: Address
    """The same as `address` where the cluster has no users."""


def _named() -> Address | None:
    url = os.environ.get("SIEVE_TEST_OPENSEARCH")
    if not url:
        return None
    parts = urllib.parse.urlsplit(url)
    ca = os.environ.get("SIEVE_TEST_OPENSEARCH_CA")
    return Address(
        urls=(f"{parts.scheme}://{parts.hostname}:{parts.port or 9200}",),
        user=urllib.parse.unquote(parts.username or ""),
        password=urllib.parse.unquote(parts.password or ""),
        ca=Path(ca) if ca else None,
        prefix="sieve",
    )


def _started(version: str) -> Server | None:
    folder = Path(os.environ.get("SIEVE_OPENSEARCH_DIR") or ROOT / "var" / "opensearch")
    try:
        found = json.loads((folder / version / "address.json").read_text("utf-8"))
    except FileNotFoundError:
        return None
    address = Address(
        urls=tuple(found["urls"]),
        user=found["user"],
        password=found["password"],
        ca=Path(found["ca"]) if found["ca"] else None,
    )
    admin = replace(address, user=found["admin_user"], password=found["admin_password"])
    return Server(version, address, admin)


def _answers(address: Address) -> str:
    """Its version; nothing where it does not answer."""
    patient = replace(address, timeout_s=30.0)  # one that is only busy must not count as away
    try:
        return str(Cluster(patient).call(lambda client: client.info())["version"]["number"])
    except IndexUnavailable:
        return ""


@cache
def server(version: str) -> Server | None:
    """The cluster of this version, or the named one of the same major version, if it answers."""
    named = _named()
    if named is not None and (number := _answers(named)).partition(".")[0] == version.partition(".")[0]:
        return Server(number, named, named)
    started = _started(version)
    return started if started is not None and _answers(started.address) else None


def opensearch_version(item: pytest.Item) -> str:
    """The version that a test is for: of its parameter, or `@pytest.mark.opensearch(version)`."""
    if (spec := getattr(item, "callspec", None)) and "opensearch_server" in spec.params:
        return str(spec.params["opensearch_server"])
    mark = item.get_closest_marker("opensearch")
    return str(mark.args[0]) if mark is not None and mark.args else ""


def why_not(version: str) -> str:
    """Why tests on this version are skipped; nothing where it runs."""
    return "" if server(version) else f"no OpenSearch {version} runs here: make opensearch ARGS={version}"


def running(version: str) -> Server:
    """That cluster; where it does not run, the test is skipped."""
    found = server(version)
    if found is None:
        pytest.skip(why_not(version))
    return found


def fresh(of: Server) -> Iterator[Address]:
    """The address with a new prefix; what lies under it is deleted after."""
    address = replace(of.address, prefix=PREFIX + secrets.token_hex(4))
    try:
        yield address
    finally:
        admin = Cluster(replace(of.admin, timeout_s=60.0))
        for name in admin.call(lambda client: client.indices.get(index=f"{address.prefix}-*")):
            admin.call(lambda client, name=name: client.indices.delete(index=name))


@pytest.fixture(params=VERSIONS, ids=[f"opensearch-{version}" for version in VERSIONS])
def opensearch_server(request: pytest.FixtureRequest) -> Server:
    return running(request.param)


@pytest.fixture
def opensearch(opensearch_server: Server) -> Iterator[Address]:
    """An address with a prefix of its own, once for each version."""
    yield from fresh(opensearch_server)


@pytest.fixture
def cluster(opensearch: Address) -> Cluster:
    """A connection to it."""
    return Cluster(opensearch)

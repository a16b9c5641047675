"""Where a cluster is and how to talk to it; what it says of itself; every failure as a sentence.

The client library is imported where a cluster is connected to: it takes half a second and 28 MB, which the
embedded index has no use for.
"""

import os
import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from rag.deadline import left, within
from rag.errors import IndexUnavailable

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

T = TypeVar("T")

Engine = Literal["lucene", "faiss"]
PLUGINS = {
    "icu": "analysis-icu",
    "kuromoji": "analysis-kuromoji",
    "nori": "analysis-nori",
    "smartcn": "analysis-smartcn",
    "knn": "opensearch-knn",
    "hybrid": "opensearch-neural-search",
}
"""What is asked of a cluster, and the plugin that gives it."""


class ClusterFailure(IndexUnavailable):
    """A request that the cluster did not carry out, or of which that is not known."""

    def __init__(
        self,
        sentence: str,
        *,
        status: int | None = None,
        kind: str = "",
        passing: bool = False,
        unreadable: bool = False,
    ) -> None:
        super().__init__(sentence)
        self.status = status
        """Of the answer; None where there was none."""
        self.kind = kind
        """The cluster's own name of the error."""
        self.passing = passing
        """The same request may succeed a little later, or at another node."""
        self.unreadable = unreadable
        """It was answered, and nobody knows what."""


class IndexGone(ClusterFailure):
    """The cluster does not hold the index of that name any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a cluster is, who asks, and how long one waits. Nothing in it changes what is found."""

    urls: tuple[str, ...]
    """`https://host:9200`, one or more nodes of one cluster."""
    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None
    """Certificate of the authority that signed the cluster's; None: those of the system."""
    prefix: str = "sieve"
    """Indices are named `<prefix>-passages-0001`, aliases `<prefix>-read` and so on."""
    timeout_s: float = 3.0
    """Longest time that a search may take, all retries counted. The cluster itself is told to end earlier."""
    bulk_timeout_s: float = 60.0
    connections: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a new index is laid out. It is read when an index is made and stands in its `_meta` after."""

    shards: int = 1
    replicas: int = 0
    engine: Engine = "lucene"
    compression: Literal["", "2x", "4x", "8x", "16x", "32x"] = ""
    """Of the vectors: "" keeps floats. With faiss it also keeps the full ones on disk for rescoring."""
    m: int = 16
    """Edges of a node in the HNSW graph."""
    ef_construction: int = 128


@dataclass(frozen=True, slots=True)
class Able:
    """What a cluster says it is."""

    version: tuple[int, int, int]
    abilities: frozenset[str]
    """Keys of `PLUGINS`."""


TRIES = 5
PAUSE_S = 0.04
"""Before the second try, half as much again or less by chance; twice as long before each further one."""


class Cluster:
    """A connection to one cluster, shared by all threads of a process; a forked one makes its own."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._connected = (os.getpid(), self._connect())

    @property
    def client(self) -> "OpenSearch":
        """It tries nothing twice, and each request ends after `timeout_s` unless it says otherwise."""
        pid, client = self._connected
        if pid != os.getpid():  # the sockets are the parent's
            client = self._connect()
            self._connected = (os.getpid(), client)
        return client

    def _connect(self) -> "OpenSearch":
        from opensearchpy import OpenSearch

        from rag.index.opensearch.wire import Connection, Serializer
        from rag.sockets import TlsSocket

        address = self.address
        options: dict[str, Any] = {
            "hosts": list(address.urls),
            "connection_class": Connection,
            "serializer": Serializer(),
            "timeout": address.timeout_s,
            "max_retries": 0,  # what may be tried again is known only above
            "retry_on_timeout": True,  # not tried again, but the node is passed over for a while
            "dead_timeout": 5,
            "pool_maxsize": address.connections,
        }
        if address.user:
            options["http_auth"] = (address.user, address.password)
        if any(url.startswith("https:") for url in address.urls):
            cafile = str(address.ca) if address.ca else None
            context = ssl.create_default_context(cafile=cafile)
            context.sslsocket_class = TlsSocket
            options["ssl_context"] = context
        return OpenSearch(**options)

    def call(self, ask: "Callable[[OpenSearch], T]") -> T:
        """What `ask` gives. Raises `ClusterFailure` with a sentence for whatever the client raises."""
        from opensearchpy.exceptions import OpenSearchException

        from rag.index.opensearch.failures import failure

        try:
            return ask(self.client)
        except OpenSearchException as error:
            raise failure(error) from error

    def patiently(self, ask: Callable[[], T], until: float) -> T:
        """What `ask` gives, which only reads: where the cluster is overloaded, or a node is gone, it is
        asked again until then, in seconds of `time.monotonic()`, with pauses. Raises `IndexUnavailable`.

        Where there are several nodes the first try has half of the time, so that another one can answer.
        """
        tries = 1
        with within(until):
            while True:
                share = left() / 2 if tries == 1 and len(self.address.urls) > 1 else left()
                try:
                    with within(time.monotonic() + share):
                        return ask()
                except IndexUnavailable as error:
                    pause = PAUSE_S * 2 ** (tries - 1) * random.uniform(0.5, 1.5)
                    if tries == TRIES or not passing(error) or left() < 2 * pause:
                        raise
                time.sleep(pause)
                tries += 1

    @cached_property
    def release(self) -> tuple[int, int, int]:
        """The cluster's version. Raises `IndexUnavailable` when it cannot be asked."""
        info = self.call(lambda client: client.info())
        try:
            major, minor, patch = (int(part) for part in info["version"]["number"].split("-")[0].split("."))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise IndexUnavailable("The search cluster does not say which version it is.") from error
        return major, minor, patch

    @cached_property
    def able(self) -> Able:
        """Raises `IndexUnavailable` when the cluster cannot be asked."""
        # The nodes' own lists: a user of ours may not read `_cat/plugins`, but may read this.
        nodes = self.call(lambda client: client.nodes.info(metric="plugins"))["nodes"].values()
        lists = [{plugin["name"] for plugin in node["plugins"]} for node in nodes]
        everywhere = set.intersection(*lists) if lists else set()
        found = frozenset(ability for ability, plugin in PLUGINS.items() if plugin in everywhere)
        return Able(self.release, found)


def passing(error: IndexUnavailable) -> bool:
    """Whether the same request may succeed a little later, or at another node."""
    return isinstance(error, ClusterFailure) and error.passing

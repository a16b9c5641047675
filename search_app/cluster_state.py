"""How the index on a cluster is at this moment, by a few requests that cost little. Nothing is mended."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rag.errors import IndexUnavailable
from rag.index.opensearch import Cluster, Meta, versions
from rag.index.opensearch.building import Size, size
from rag.index.opensearch.versions import Version, with_role
from search_app import indexes

Colour = Literal["green", "yellow", "red"]
"""As the cluster says it: all copies answer; some do not; a part of the index is lost to searches."""


@dataclass(frozen=True, slots=True)
class Held:
    """A version of the index, and how much of it there is."""

    version: Version
    size: Size

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.version.name,
            "roles": sorted(self.version.roles),
            "encoder": self.version.meta.encoder,
            "passages": self.size.passages,
            "bytes": self.size.bytes,
            "shards": self.size.shards,
            "answering": self.size.answering,
        }


@dataclass(frozen=True, slots=True)
class State:
    """The cluster, and what of the index lies on it."""

    release: str
    elapsed_ms: float
    """Of a search for nothing."""
    unfit: str
    """Why the cluster cannot hold an index of ours, or nothing."""
    used: Held | None
    """The version in use; None where there is none yet."""
    colour: Colour
    unanswered: int
    """Shards of which no copy answers."""
    held: Sequence[Held]
    """All versions, oldest first."""

    @property
    def lag(self) -> int:
        """Passages that the version before lacks, which a rollback would put in use."""
        before = next((one for one in self.held if "previous" in one.version.roles), None)
        return max(0, self.used.size.passages - before.size.passages) if before and self.used else 0

    def encoder_of(self, wanted: str) -> Meta | None:
        """What a reader finds whose encoder's fingerprint begins so: in use, or kept from before."""
        for role in ("read", "previous"):
            for one in self.held:
                if role in one.version.roles and one.version.meta.encoder.startswith(wanted):
                    return one.version.meta
        return None


def look(at: Cluster) -> State:
    """Raises `IndexUnavailable` where the cluster does not answer."""
    unfit = indexes.unfit(at)
    found = versions(at)
    held = [Held(version, size(at, version.name)) for version in found]
    read = with_role(found, "read")
    used = next((one for one in held if one.version is read), None)
    elapsed_ms, unanswered = _ask(at, used.version.name) if used else (0.0, 0)
    missing = used is not None and used.size.answering < used.size.shards
    colour: Colour = "red" if unanswered else "yellow" if missing else "green"
    return State(".".join(map(str, at.release)), elapsed_ms, unfit, used, colour, unanswered, held)


def _ask(at: Cluster, name: str) -> tuple[float, int]:
    """Milliseconds that a search took, and shards that did not answer it."""
    began = time.perf_counter()
    body = {"size": 0, "track_total_hits": False}
    found = at.call(lambda client: client.search(index=name, body=body))
    elapsed_ms = (time.perf_counter() - began) * 1000
    try:
        shards = found["_shards"]
        return elapsed_ms, int(shards["total"]) - int(shards["successful"])
    except (KeyError, TypeError, ValueError) as error:
        raise IndexUnavailable("The search cluster answered something that cannot be read.") from error

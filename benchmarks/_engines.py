"""The two indexes as a benchmark sees them: made, grown, weighed."""

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any, Protocol

from _common import ROOT

from rag.index import embedded, opensearch
from rag.index.base import IndexReader, IndexWriter

FINGERPRINT = "bench-index"
PREFIX = "sieve-bench"


class Engine(Protocol):
    def reader(self) -> IndexReader: ...

    def writer(self) -> IndexWriter: ...

    def settle(self) -> None:
        """Wait until nothing is merged in the background any more."""
        ...

    def disk(self) -> dict[str, int]:
        """Bytes by part."""
        ...

    def memory(self) -> dict[str, float]:
        """MB of the processes that hold the index."""
        ...

    def cpu_s(self) -> float:
        """Processor time that the index has taken so far: of this process, or of the node."""
        ...

    def drop(self) -> None: ...


class Embedded:
    def __init__(self, keep: Path, dimension: int) -> None:
        self.root = keep / "index"
        self._of = (self.root, FINGERPRINT, dimension)
        embedded.create(*self._of)

    def reader(self) -> IndexReader:
        return embedded.open_reader(*self._of)

    def writer(self) -> IndexWriter:
        return embedded.open_writer(*self._of)

    def settle(self) -> None:
        """Closing the writer waited."""

    def disk(self) -> dict[str, int]:
        sizes: Counter[str] = Counter()
        for path in self.root.glob("passages-*/**/*"):
            if path.is_file():
                part = path.parent.name if path.parent.name.startswith("text-") else path.name
                sizes["rows" if part.startswith("rows.db") else part] += path.stat().st_size
        return dict(sizes)

    def memory(self) -> dict[str, float]:
        return process_mb(os.getpid())

    def cpu_s(self) -> float:
        """The inventing of passages is in it: about a tenth."""
        return time.process_time()

    def drop(self) -> None:
        """Nothing to do: the folder is left to its owner."""


def address() -> opensearch.Address | None:
    """Of the cluster at SIEVE_OPENSEARCH, else of the one without users that `make opensearch` runs."""
    told = {name: os.environ.get(f"SIEVE_OPENSEARCH{name}", "") for name in ("", "_USER", "_PASSWORD", "_CA")}
    urls = told[""].replace(",", " ").split()
    if not urls:
        folder = Path(os.environ.get("SIEVE_OPENSEARCH_DIR") or ROOT / "var" / "opensearch")
        for file in sorted(folder.glob("3.*/address.json")):
            urls = json.loads(file.read_text("utf-8"))["urls"]
    if not urls:
        return None
    return opensearch.Address(
        urls=tuple(urls),
        user=told["_USER"],
        password=told["_PASSWORD"],
        ca=Path(told["_CA"]) if told["_CA"] else None,
        prefix=PREFIX,
        timeout_s=60.0,
        bulk_timeout_s=600.0,
    )


class Cluster:
    """An OpenSearch, with an index of its own."""

    def __init__(self, at: opensearch.Address, dimension: int, form: opensearch.Form) -> None:
        self._cluster = opensearch.Cluster(at)
        self._meta = opensearch.Meta(encoder=FINGERPRINT, dimension=dimension)
        opensearch.create(self._cluster, self._meta, form)

    def reader(self) -> IndexReader:
        return opensearch.open_reader(self._cluster, self._meta)

    def writer(self) -> IndexWriter:
        return opensearch.open_writer(self._cluster, self._meta)

    def ask(self, path: str, **parameters: str) -> Any:
        return self._cluster.client.transport.perform_request("GET", path, params=parameters)

    def settle(self) -> None:
        while self.ask(f"/{PREFIX}-*/_stats/merge")["_all"]["total"]["merges"]["current"]:
            time.sleep(2)

    def merge(self) -> None:
        """All into one segment; a million passages may take an hour."""
        client = self._cluster.client
        client.indices.forcemerge(index=f"{PREFIX}-*", max_num_segments=1, request_timeout=6 * 3600)

    def disk(self) -> dict[str, int]:
        client = self._cluster.client
        client.indices.flush(index=f"{PREFIX}-*", wait_if_ongoing=True)  # old segments go only now
        stats = self.ask(f"/{PREFIX}-*/_stats/store,segments", include_segment_file_sizes="true")
        total = stats["_all"]["primaries"]
        sizes: Counter[str] = Counter()
        for kind, of in total["segments"].get("file_sizes", {}).items():
            sizes[_KINDS.get(kind.lower(), "other")] += of["size_in_bytes"]
        sizes["other"] += total["store"]["size_in_bytes"] - sum(sizes.values())
        return dict(sizes)

    def memory(self) -> dict[str, float]:
        (node,) = self.ask("/_nodes/stats/jvm,process")["nodes"].values()
        (info,) = self.ask("/_nodes/process,jvm")["nodes"].values()
        heap = node["jvm"]["mem"]
        found = {
            "heap used": heap["heap_used_in_bytes"] / 1e6,
            "heap": heap["heap_max_in_bytes"] / 1e6,
        }
        pid = info["process"]["id"]
        if Path(f"/proc/{pid}/status").exists():
            found |= {f"node {name}": mb for name, mb in process_mb(pid).items()}
        return found

    def cpu_s(self) -> float:
        nodes = self.ask("/_nodes/stats/process")["nodes"].values()
        return sum(node["process"]["cpu"]["total_in_millis"] for node in nodes) / 1e3

    def drop(self) -> None:
        self._cluster.client.indices.delete(index=f"{PREFIX}-passages-*")


_KINDS = {
    **dict.fromkeys(("vec", "vemf"), "vectors"),
    **dict.fromkeys(("vex", "vem"), "graph"),
    **dict.fromkeys(("fdt", "fdx", "fdm"), "stored fields"),
    **dict.fromkeys(("dvd", "dvm"), "doc values, with the token codes"),
    **dict.fromkeys(("doc", "pos", "pay", "tim", "tip", "tmd", "nvd", "nvm"), "text"),
}
"""Lucene's files, by what a passage's parts become."""


def process_mb(pid: int) -> dict[str, float]:
    """Memory of its own, and pages of files that it has mapped, which the system may take back."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kb = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Rss")}
    return {"own": int(kb["RssAnon"]) / 1e3, "mapped files": int(kb["RssFile"]) / 1e3}

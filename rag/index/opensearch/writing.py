"""One call of `write`: what it sends, what of it the cluster refused, and how it is taken back."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import json

from rag.errors import IndexCorrupt, IndexUnavailable, SieveError
from rag.index.base import EncodedPassages, check
from rag.index.opensearch import layout
from rag.index.opensearch.bulk import Item, Outcome, persist, removing, send, writing
from rag.index.opensearch.cluster import Cluster
from rag.index.opensearch.layout import Meta
from rag.index.opensearch.removing import carry_out, remove_beyond
from rag.index.opensearch.versions import Version
from rag.index.opensearch.walk import refresh

ReEncode = Callable[[Meta, EncodedPassages], EncodedPassages]
"""The same passages with the vectors and codes of the encoder that this `_meta` names."""

_SENT_AT_ONCE = 1_000
"""Passages that are held as JSON: about 30 kB each."""
_NOT_TEXT = "It holds characters that are no text (halves of a pair). Save it as UTF-8 and upload it again."
_NO_FIELD = (
    "The index was made before there was the language {!r}, and cannot search for its words. Have the index "
    "made anew (manage.py reindex), then retry."
)

log = logging.getLogger(__name__)

Key = tuple[str, int]


class Writing:
    def __init__(self, cluster: Cluster, wanted: Meta, re_encode: ReEncode | None) -> None:
        self.reasons: dict[str, str] = {}
        """Document to why the cluster refused it. Nothing of it is left."""
        self.gone: set[str] = set()
        """Indices that were not there."""
        self._cluster = cluster
        self._wanted = wanted
        self._re_encode = re_encode
        self._new: dict[str, dict[Key, list[str]]] = {}
        """Index to versions of which all passages were made by this call."""

    def write(
        self, targets: Sequence[Version], group: Sequence[EncodedPassages], languages: Mapping[str, str]
    ) -> None:
        """Write these documents into these indices, each once; searches see them when this returns."""
        for meta_targets in _by_encoder(targets):
            made = (self._for(meta_targets[0].meta, d) for d in group if d.document_id not in self.reasons)
            self._send(self._items(meta_targets, made, languages))
        refused = [d for d in group if d.document_id in self.reasons]
        for index in {*self._new, *(target.name for target in targets)} if refused else ():
            ids = [passage.id for document in refused for passage in document.passages]
            carry_out(self._cluster, [removing(index, each, layout.WRITTEN) for each in ids])
        refresh(self._cluster, [target.name for target in targets])
        lengths = {
            (d.document_id, d.version): 0 if d.document_id in self.reasons else len(d.passages) for d in group
        }
        shortened = [t.name for t in targets if remove_beyond(self._cluster, t.name, lengths)]
        refresh(self._cluster, shortened)

    def undo(self) -> None:
        """Take out again what this call made, as far as the cluster can be reached."""
        try:
            for index, made in self._new.items():
                ids = [passage_id for ids in made.values() for passage_id in ids]
                carry_out(self._cluster, [removing(index, each, layout.WRITTEN) for each in ids])
            refresh(self._cluster, list(self._new))
        except SieveError as error:
            log.warning("a write that failed left passages behind: %s", error)

    def _for(self, meta: Meta, document: EncodedPassages) -> EncodedPassages:
        if meta.encoder == self._wanted.encoder:
            return document
        if self._re_encode is None:
            raise IndexCorrupt(f"There is no encoder for {meta.encoder} here. Run: manage.py reindex")
        document = self._re_encode(meta, document)
        check(document, meta.dimension)
        return document

    def _items(
        self, targets: Sequence[Version], documents: Iterable[EncodedPassages], languages: Mapping[str, str]
    ) -> Iterator[Item]:
        for document in documents:
            key = document.document_id, document.version
            for target in targets:
                self._new.setdefault(target.name, {})[key] = [passage.id for passage in document.passages]
            for passage, vector, codes in zip(
                document.passages, document.vectors, document.codes, strict=True
            ):
                if document.document_id in self.reasons:
                    break
                sources: dict[str, bytes] = {}
                language = languages[passage.collection]
                for target in targets:
                    how = target.meta.analyzers.get(language, "")
                    if not how and "read" in target.roles:
                        self.reasons[passage.document_id] = _NO_FIELD.format(language)
                        break
                    if how not in sources:
                        try:
                            source = layout.source(target.meta, passage, language, vector, codes)
                            sources[how] = json.encode(source)
                        except UnicodeEncodeError:
                            self.reasons[passage.document_id] = _NOT_TEXT
                            break
                    yield writing(target.name, passage.id, sources[how])

    def _send(self, items: Iterator[Item]) -> None:
        waiting: list[Item] = []
        for item in items:
            waiting.append(item)
            if len(waiting) >= _SENT_AT_ONCE:
                self._sent(send(self._cluster, waiting))
                waiting.clear()
        self._sent(send(self._cluster, waiting))

    def _sent(self, outcomes: Iterable[Outcome]) -> None:
        conflicts = []
        for outcome in outcomes:
            document_id, version, _ = outcome.item.id.rsplit(":", 2)
            if outcome.end != "created":
                self._new[outcome.item.index].pop((document_id, int(version)), None)
            if outcome.end == "refused":
                self.reasons[document_id] = _refusal(outcome.kind)
            elif outcome.end == "gone":
                self.gone.add(outcome.item.index)
            elif outcome.end == "conflict":
                conflicts.append(outcome.item)
        if conflicts:
            self._read_back(conflicts)

    def _read_back(self, items: Sequence[Item]) -> None:
        """A higher version is there: the passage was taken out meanwhile, and stays out.

        Were anything else the reason, these writes would have to be repeated.
        """
        docs = [{"_index": item.index, "_id": item.id, "_source": False} for item in items]

        def ask(seconds: float) -> Any:
            params = {"request_timeout": seconds}
            return self._cluster.call(lambda client: client.mget(body={"docs": docs}, params=params))

        found = persist(self._cluster, ask)["docs"]
        there = [entry["_id"] for entry in found if entry.get("found")]
        if any("error" in entry for entry in found) or len(found) != len(items):
            raise IndexUnavailable("The search cluster does not say why it took no write.")
        log.info(
            "%d passages were taken out while they were written, and stay out; %d are there in another copy",
            len(items) - len(there),
            len(there),
        )


def _refusal(kind: str) -> str:
    return (
        f"The search cluster refuses a passage of this document ({kind or 'no reason given'}). Retry it; if "
        "it happens again, the cluster's log says more."
    )


def _by_encoder(targets: Sequence[Version]) -> list[list[Version]]:
    found: dict[str, list[Version]] = {}
    for target in targets:
        found.setdefault(target.meta.encoder, []).append(target)
    return list(found.values())

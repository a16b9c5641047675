"""A writer of an index in a cluster, one of any number.

Every change goes to all versions that the write alias names; after it they are looked up again, and one
that was added meanwhile gets it, too. Nothing is locked: passages are written and taken out under external
versions (`layout`), so that changes that cross each other end the same way in whatever order they arrive.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from rag.errors import IndexCorrupt, PassagesRefused, Unavailable
from rag.index.analyzers import DEFAULT_LANGUAGE, check_language
from rag.index.base import EncodedPassages, check
from rag.index.opensearch import languages, removing
from rag.index.opensearch.bulk import persist
from rag.index.opensearch.cluster import Cluster
from rag.index.opensearch.layout import Meta
from rag.index.opensearch.versions import Version, versions
from rag.index.opensearch.writing import ReEncode, Writing

GROUP_PASSAGES = 5_000
"""Passages that are held at once: a call of fewer sends nothing before all its documents are there."""


class OpenSearchWriter:
    """An `IndexWriter`, for one thread at a time. It writes into every version that the write alias names."""

    exclusive = False

    def __init__(self, cluster: Cluster, wanted: Meta, re_encode: ReEncode | None) -> None:
        self._cluster = cluster
        self._wanted = wanted
        self._re_encode = re_encode
        self._languages: dict[str, str] = {}

    def set_languages(self, languages_: Mapping[str, str]) -> None:
        """The database says which language a collection has; the index only holds against it.

        A collection that is written without one has the language of what it holds, or is English. Raises
        `IndexCorrupt` where a collection already holds passages in another language.
        """
        changes = {
            name: check_language(language)
            for name, language in languages_.items()
            if self._languages.get(name) != language
        }
        if not changes:
            return
        names = [version.name for version in self._targets()]
        wrong = languages.others(self._cluster, names, changes)
        self._languages |= {name: language for name, language in changes.items() if name not in wrong}
        if wrong:
            raise IndexCorrupt(
                f"These collections are indexed in another language: {', '.join(sorted(wrong))}. "
                "Run: manage.py reindex"
            )

    def write(self, documents: Iterable[EncodedPassages]) -> None:
        writing = Writing(self._cluster, self._wanted, self._re_encode)
        try:
            for group in _groups(documents, self._wanted):
                self._learn_languages(group)
                self._everywhere(functools.partial(self._write, writing, group))
        except Unavailable:
            raise  # requests may still be on their way: to take it back could undo what a later call writes
        except BaseException:
            writing.undo()
            raise
        if writing.reasons:
            raise PassagesRefused(writing.reasons)

    def delete(self, document_id: str, *, version: int | None = None) -> None:
        self.delete_many([(document_id, version)])

    def delete_many(self, entries: Iterable[tuple[str, int | None]]) -> None:
        entries = list(entries)
        if entries:
            self._everywhere(lambda targets: removing.remove(self._cluster, targets, entries))

    def close(self) -> None:
        """Nothing is held."""

    def _write(
        self, writing: Writing, group: Sequence[EncodedPassages], targets: Sequence[Version]
    ) -> set[str]:
        writing.write(targets, group, self._languages)
        return writing.gone

    def _everywhere(self, change: Callable[[Sequence[Version]], set[str]]) -> None:
        """Make the change in all versions that are kept up to date, also in those added meanwhile.

        `change` returns those that were not there: they must have been dropped, or it is not made.
        """
        done: set[str] = set()
        gone: set[str] = set()
        while added := [version for version in self._targets() if version.name not in done]:
            gone |= change(added)
            done |= {version.name for version in added}
        if gone and (left := sorted(gone & {version.name for version in self._targets()})):
            raise IndexCorrupt(f"{left[0]} is gone, or its own alias is. Run: manage.py reindex")

    def _targets(self) -> Sequence[Version]:
        """Raises `IndexCorrupt` where there is nothing that could be written into."""
        found = persist(self._cluster, lambda _: versions(self._cluster))
        targets = [version for version in found if "write" in version.roles]
        if not targets:
            raise IndexCorrupt("There is no index in the cluster yet. Run: manage.py reindex")
        for version in targets:
            why = version.meta.fits(self._wanted)
            if why and not (self._re_encode and version.meta.same_format(self._wanted)):
                raise IndexCorrupt(f"The index {version.name} was {why}. Run: manage.py reindex")
        return targets

    def _learn_languages(self, group: Sequence[EncodedPassages]) -> None:
        unknown = {p.collection for document in group for p in document.passages} - self._languages.keys()
        if unknown:
            names = [version.name for version in self._targets()]
            held = languages.held(self._cluster, names, unknown)
            self._languages |= {name: held.get(name, DEFAULT_LANGUAGE) for name in unknown}


def _groups(documents: Iterable[EncodedPassages], wanted: Meta) -> Iterator[list[EncodedPassages]]:
    """A document stands in a group once; the last time counts."""
    group: dict[tuple[str, int], EncodedPassages] = {}
    passages = 0
    for document in documents:
        check(document, wanted.dimension)
        group[document.document_id, document.version] = document
        passages += len(document.passages)
        if passages >= GROUP_PASSAGES:
            yield list(group.values())
            group, passages = {}, 0
    if group:
        yield list(group.values())

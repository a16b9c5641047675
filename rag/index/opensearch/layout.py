"""How a passage lies in the cluster: one document a passage, in versioned indices behind aliases.

<prefix>-passages-0001   one version of the index; a number is never used twice while its index lives
<prefix>-read            alias of the one version that is searched by default
<prefix>-write           alias of every version that is kept up to date: the one in use, one that is being
                         built, and the one before, which a rollback needs whole
<prefix>-previous        alias of the version before the one in use
<prefix>-passages-0001-own   alias of that version alone: writes go through it, because a cluster makes an
                         index anew that a late write names, but no alias

`_id` is the passage's id, which names the version of its document. It is written under the external
version `WRITTEN` and taken out under `REMOVED`, which is higher: a write that comes late cannot bring
back what was deleted, for as long as the cluster remembers the deletion (`index.gc_deletes`). After
that only the check of access stands, and the sweep.
"""

import base64
import re
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from rag.codes import SCHEME, TokenCodes
from rag.encode.base import Floats
from rag.errors import SpecError
from rag.index.opensearch.analysis import analysis, field_of, fields, kinds, passage_text
from rag.index.opensearch.cluster import Able, Form
from rag.types import Passage

FORMAT = 1
WRITTEN = 1
REMOVED = 2
_DECIMALS = 9
"""Of a unit vector's numbers: within half a billionth, and half as long as what a float is written out as."""
NAME = re.compile(r"-passages-(\d{4,})\Z")
VECTOR = "vector"
CODES = "codes"
STORED = (
    *("id", "document_id", "version", "position", "collection", "title", "headings", "text"),
    *("start", "stop", "page", "tokens"),
)
"""Fields of `_source` that make a passage."""


def own_alias(name: str) -> str:
    """What writes name instead of the version itself."""
    return f"{name}-own"


def without_alias(name: str) -> str:
    """The version that `own_alias` was made of, or the name itself."""
    return name.removesuffix("-own")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What an index was built with; its `_meta`. Vectors and codes of another encoder cannot be compared."""

    encoder: str
    """Fingerprint of the encoder."""
    dimension: int
    backend: str = ""
    model: str = ""
    """Backend and model of the encoder's spec: with them whoever writes can make its vectors, too."""
    scheme: str = SCHEME
    format: int = FORMAT
    analyzers: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Language to what finds its terms, as in `analysis.kinds`; fixed when the index is made."""

    def fits(self, wanted: "Meta") -> str:
        """Why a reader or writer that wants that cannot use this index; nothing when it can."""
        for key in ("encoder", "dimension", "scheme", "format"):
            if getattr(self, key) != getattr(wanted, key):
                return f"built with {key} {getattr(self, key)!r}, but {getattr(wanted, key)!r} is in use"
        return ""

    def same_format(self, wanted: "Meta") -> bool:
        """Whether a writer that wants that can write into this index once it has its encoder."""
        return (self.scheme, self.format) == (wanted.scheme, wanted.format)

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> "Meta":
        """From an index's `_meta`; raises `TypeError`, `ValueError` or `KeyError` where it is not ours."""
        found = dict(mapping["sieve"])
        if not isinstance(found["dimension"], int) or not isinstance(found["analyzers"], dict):
            raise TypeError("that is no _meta of ours")
        return cls(**found)


COMPRESSIONS = {"lucene": {"", "4x"}, "faiss": {"", "2x", "8x", "16x", "32x"}}
"""What the engines of every supported version take; Lucene's of 3.6 takes 32x, too."""
_LUCENE_32X = (3, 6)


def check(form: Form, able: Able) -> None:
    """Raises `SpecError` naming the setting that this cluster would refuse."""
    release = ".".join(str(part) for part in able.version)
    if "knn" not in able.abilities:
        raise SpecError("The search cluster has no vector search: install its plugin opensearch-knn.")
    if form.engine not in COMPRESSIONS:
        raise SpecError(f"SIEVE_OPENSEARCH_ENGINE is {form.engine!r}; there are: {', '.join(COMPRESSIONS)}.")
    taken = COMPRESSIONS[form.engine] | (
        {"32x"} if form.engine == "lucene" and able.version >= _LUCENE_32X else set[str]()
    )
    if form.compression not in taken:
        known = ", ".join(sorted(taken - {""}, key=lambda level: int(level[:-1])))
        raise SpecError(
            f"SIEVE_OPENSEARCH_COMPRESSION is {form.compression!r}; the engine {form.engine} of OpenSearch "
            f"{release} takes: {known}, or nothing."
        )
    if form.shards < 1 or form.replicas < 0:
        raise SpecError("An index needs at least one shard, and no fewer than no replicas.")
    if not (2 <= form.m <= 512 and 2 <= form.ef_construction <= 3200):
        raise SpecError("m must be from 2 to 512, ef_construction from 2 to 3200.")


def body(meta: Meta, form: Form, able: Able) -> dict[str, Any]:
    """Settings and mapping of a new index. Raises `SpecError` for a form that the cluster would refuse."""
    check(form, able)
    meta = replace(meta, analyzers=kinds(able))
    return {
        "settings": {
            "index": {
                "number_of_shards": form.shards,
                "number_of_replicas": form.replicas,
                "knn": True,
                "refresh_interval": "30s",  # writers refresh by themselves, after each group
                "gc_deletes": "10m",
            },
            "analysis": analysis(able),
        },
        "mappings": {
            "dynamic": "strict",
            "_meta": {"sieve": asdict(meta), "form": asdict(form)},
            "_source": {"excludes": [VECTOR, CODES, "words_*"]},
            "properties": {
                **{name: {"type": "keyword"} for name in ("id", "document_id", "collection", "language")},
                "version": {"type": "long"},
                "position": {"type": "integer"},
                **{name: {"type": "text", "index": False} for name in ("title", "headings", "text")},
                **{
                    name: {"type": "integer", "index": False, "doc_values": False}
                    for name in ("start", "stop", "page", "tokens")
                },
                "checksum": {"type": "long", "index": False},
                **fields(able),
                VECTOR: _vector(meta.dimension, form),
                CODES: {"type": "binary", "doc_values": True},
            },
        },
    }


def _vector(dimension: int, form: Form) -> dict[str, Any]:
    method: dict[str, Any] = {
        "name": "hnsw",
        "engine": form.engine,  # always named: the default, faiss, kills a node without its native library
        "space_type": "cosinesimil",
        "parameters": {"m": form.m, "ef_construction": form.ef_construction},
    }
    mapping: dict[str, Any] = {"type": "knn_vector", "dimension": dimension, "method": method}
    if form.compression:
        mapping |= {"mode": "on_disk", "compression_level": form.compression}
    return mapping


def source(meta: Meta, passage: Passage, language: str, vector: Floats, codes: TokenCodes) -> dict[str, Any]:
    """The document of a passage for the index of this `_meta`; no words where it has no field for them."""
    packed, words = codes.to_bytes(), {}
    if language in meta.analyzers:
        words[field_of(language)] = passage_text(meta.analyzers, passage.search_text, language)
    return {
        "id": passage.id,
        "document_id": passage.document_id,
        "version": passage.version,
        "position": passage.position,
        "collection": passage.collection,
        "language": language,
        "title": passage.title,
        "headings": list(passage.headings),
        "text": passage.text,
        "start": passage.span[0],
        "stop": passage.span[1],
        "page": passage.page,
        "tokens": passage.tokens,
        "checksum": checksum(passage.text, packed),
        **words,
        VECTOR: vector.astype(np.float64).round(_DECIMALS).tolist(),
        CODES: base64.b64encode(packed).decode("ascii"),
    }


def codes(value: str) -> bytes:
    """The packed token codes of a hit's doc value. Raises `ValueError` where it is none."""
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))


def checksum(text: str, codes: bytes) -> int:
    return zlib.crc32(text.encode("utf-8"), zlib.crc32(codes))

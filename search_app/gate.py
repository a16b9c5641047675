"""The quality gate of a re-index: how well the version in use and the new one find what people liked.

A question whose answer somebody marked as helpful is a judgement: the documents that the answer cites are
relevant to it. nDCG@10 over documents, in the order before the cross-encoder, which is the same for both.
These judgements lean towards the version that found the answers; a set of one's own does not.
"""

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from rag.errors import SieveError
from rag.index.opensearch.building import VersionReader, named
from rag.index.opensearch.versions import Version, versions, with_role
from rag.measures import ndcg
from rag.spec import EncoderSpec
from rag.types import Query
from search_app import indexes, pipelines
from search_app.models import Collection, Document, Feedback, Reindex

ENOUGH = 20
"""Judged questions. Below that a difference says nothing."""
TOLERANCE = 0.02
"""So much less of nDCG@10 is taken for noise."""
MOST = 500
"""Questions asked at most, those that were judged last."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A question, where it was asked, and document id to grade."""

    question: str
    collections: tuple[str, ...]
    grades: dict[str, int]


def stored() -> list[Judged]:
    """What people marked as helpful, each question once, as far as its documents are still there."""
    names = set(Collection.objects.values_list("name", flat=True))
    here = {str(pk) for pk in Document.objects.filter(version__gt=0).values_list("pk", flat=True)}
    found: dict[tuple[str, tuple[str, ...]], dict[str, int]] = {}
    rows = Feedback.objects.filter(liked=True).select_related("trace").order_by("-updated")
    for said in rows.iterator(chunk_size=100):
        body = said.trace.body
        asked = tuple(name for name in body["query"]["collections"] if name in names)
        documents = {p["id"]: p["document_id"] for p in body["passages"]}
        cited = {documents[c["passage_id"]] for c in (body["answer"] or {}).get("citations", ())} & here
        if asked and cited:
            found.setdefault((body["query"]["text"], asked), {}).update(dict.fromkeys(cited, 1))
        if len(found) == MOST:
            break
    return [Judged(text, asked, grades) for (text, asked), grades in found.items()]


def of_folder(folder: Path) -> list[Judged]:
    """Judgements of one's own: `queries.jsonl` and `qrels/test.tsv` as in BEIR's layout.

    Documents are named as in Sieve: `NAME`, or `COLLECTION/NAME`. Raises `SieveError` where a file is
    missing or cannot be read, or where none of the named documents is here.
    """
    names: dict[str, str] = {}
    rows = Document.objects.filter(version__gt=0).values_list("pk", "name", "collection__name")
    for pk, name, collection in rows:
        names |= {name: str(pk), f"{collection}/{name}": str(pk)}
    everywhere = tuple(Collection.objects.values_list("name", flat=True))
    try:
        lines = (folder / "queries.jsonl").read_text("utf-8").splitlines()
        texts = {row["_id"]: row["text"] for row in map(json.loads, filter(str.strip, lines))}
        graded: dict[str, dict[str, int]] = {}
        with (folder / "qrels/test.tsv").open(encoding="utf-8", newline="") as file:
            for query, document, grade in list(csv.reader(file, delimiter="\t"))[1:]:
                if query in texts and document in names:
                    graded.setdefault(query, {})[names[document]] = int(grade)
    except OSError as error:
        raise SieveError(f"{folder} has no {Path(error.filename or '').name} that can be read.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SieveError(f"{folder}: queries.jsonl or qrels/test.tsv is not as in BEIR's layout.") from error
    found = [Judged(texts[q], everywhere, grades) for q, grades in graded.items() if any(grades.values())]
    if not found:
        raise SieveError(f"{folder} judges none of the documents that are here. They go by their names.")
    return found


def measure(version: Version, judged: Iterable[Judged]) -> float:
    """Mean nDCG@10 of the default pipeline over this version, without cross-encoder and answer."""
    spec = msgspec.structs.replace(
        pipelines.default(),
        encoder=EncoderSpec(backend=version.meta.backend, model=version.meta.model),
        rerank=None,
        generate=None,
    )
    at = indexes.cluster()
    assert at is not None
    pipelines.load_encoder(spec.encoder)
    pipeline = pipelines.backends().pipeline("gate", spec, VersionReader(at, version))
    values = []
    for one in judged:
        trace = pipeline.answer(Query(id="gate", text=one.question, collections=one.collections))
        run = list(dict.fromkeys(c.passage.document_id for c in trace.final))
        values.append(ndcg(run, one.grades))
    return sum(values) / len(values) if values else 0.0


def judge(row: Reindex, judged: Sequence[Judged] | None = None) -> None:
    """Measure the version in use and that of the row, by the stored judgements unless others are given.

    The numbers are kept in the row.
    """
    at = indexes.cluster()
    assert at is not None
    used = with_role(versions(at), "read")
    judged = stored() if judged is None else judged
    row.judged, row.ndcg_before, row.ndcg_after = len(judged), None, None
    if judged and used is not None and used.name != row.index:
        row.ndcg_before, row.ndcg_after = (measure(v, judged) for v in (used, named(at, row.index)))
    row.save(update_fields=["judged", "ndcg_before", "ndcg_after"])


def sentence(row: Reindex) -> str:
    """What the gate found."""
    if row.ndcg_before is None or row.ndcg_after is None:
        return "Nobody has marked an answer as helpful yet: nothing says how well the new version finds."
    found = (
        f"nDCG@10 {row.ndcg_after:.3f}, {row.ndcg_after - row.ndcg_before:+.3f} against the version in use "
        f"({row.ndcg_before:.3f}), over {row.judged} judged question{'' if row.judged == 1 else 's'}."
    )
    return found if row.judged >= ENOUGH else f"{found} {ENOUGH} are needed for that to say anything."


def objection(row: Reindex) -> str:
    """Why the version should not be promoted; empty where nothing speaks against it."""
    if row.judged < ENOUGH or row.ndcg_before is None or row.ndcg_after is None:
        return ""
    if row.ndcg_after >= row.ndcg_before - TOLERANCE:
        return ""
    return f"{row.index} finds less than the version in use. {sentence(row)}"

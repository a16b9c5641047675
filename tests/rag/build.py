"""Small values for tests."""

from rag.types import Passage, Ranking, passage_id


def passage(document: str = "a", position: int = 0, **changes: object) -> Passage:
    values: dict[str, object] = {
        "id": passage_id(document, 1, position),
        "document_id": document,
        "version": 1,
        "position": position,
        "collection": "c",
        "title": "",
        "headings": (),
        "text": f"text of {document} {position}",
        "span": (0, 10),
        "page": None,
        "tokens": 4,
    }
    return Passage(**{**values, **changes})  # type: ignore[arg-type]


def ranking(stage: str, kind: str = "bm25", **scores: float) -> Ranking:
    return Ranking.of(stage, kind, ((passage(name), score) for name, score in scores.items()))  # type: ignore[arg-type]


def order(of: Ranking) -> list[str]:
    return [p.document_id for p in of.passages]

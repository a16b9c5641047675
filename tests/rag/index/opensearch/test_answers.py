"""200 is not success: what of an answer may be used."""

import copy
from typing import Any

import pytest

from rag.errors import IndexUnavailable
from rag.index.opensearch.answers import Answer, Answers, Shards, failure, lacking, read, scored

SOURCE = {
    "id": "d:1:0",
    "document_id": "d",
    "version": 1,
    "position": 0,
    "collection": "a",
    "title": "T",
    "headings": ["H"],
    "text": "text",
    "start": 0,
    "stop": 4,
    "page": None,
    "tokens": 1,
}
GOOD: dict[str, Any] = {
    "took": 1,
    "timed_out": False,
    "_shards": {"total": 2, "successful": 2, "skipped": 0, "failed": 0},
    "hits": {"max_score": 1.5, "hits": [{"_index": "x", "_id": "d:1:0", "_score": 1.5, "_source": SOURCE}]},
    "status": 200,
}


def changed(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(GOOD) | changes


def with_hit(**changes: Any) -> dict[str, Any]:
    answer = copy.deepcopy(GOOD)
    answer["hits"]["hits"][0] |= changes
    return answer


def test_a_good_answer_is_read() -> None:
    (answer,) = read({"took": 1, "responses": [GOOD]}, Answers).responses
    assert failure(answer) is None and answer.shards and lacking(answer.shards, answer.timed_out) == ""
    ((passage, score),) = scored(answer, {"a"})
    assert score == 1.5 and passage.span == (0, 4) and passage.headings == ("H",) and passage.page is None


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        {},
        {"responses": None},
        {"responses": [None]},
        {"responses": [changed(hits=[])]},
        {"responses": [changed(_shards={"total": "all"})]},
        {"responses": [changed(timed_out="no")]},
        {"responses": [with_hit(_source={})]},
        {"responses": [with_hit(_source=SOURCE | {"text": None})]},
        {"responses": [with_hit(_source=SOURCE | {"start": "0"})]},
        {"responses": [with_hit(_score="high")]},
        {"responses": [with_hit(_id=None)]},
    ],
)
def test_other_shapes_are_refused(body: Any) -> None:
    with pytest.raises(IndexUnavailable, match="cannot be read"):
        read(body, Answers)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"error": {"type": "parsing_exception", "reason": "words of a question"}, "status": 400}, "parsing"),
        ({"error": "text", "status": 500}, "500"),
        ({"error": {"type": "circuit_breaking_exception"}, "status": 429}, "overloaded"),
        ({"error": {"type": "x y <b>"}, "status": 503}, r"503\.$"),
        ({"hits": None}, "cannot be read"),
        ({"_shards": None}, "cannot be read"),
        ({"_shards": {"total": 3, "successful": 0, "failed": 3}}, "None of"),
        ({"_shards": {"total": 3, "successful": 0, "failed": 0}}, "None of"),
    ],
)
def test_what_cannot_be_used_says_why(changes: dict[str, Any], says: str) -> None:
    error = failure(read(changed(**changes), Answer))
    assert error is not None
    with pytest.raises(IndexUnavailable, match=says):
        raise error
    assert "question" not in str(error)


@pytest.mark.parametrize(
    ("shards", "timed_out", "says"),
    [
        ((5, 5, 0), False, ""),
        ((5, 4, 1), False, "4 of 5 shards answered"),
        ((5, 4, 0), False, "4 of 5 shards answered"),
        ((5, 5, 1), False, "4 of 5 shards answered"),
        ((5, 5, 0), True, "the search cluster ended the search at its time limit"),
        ((2, 1, 1), True, "1 of 2 shards answered and the search cluster ended the search at its time limit"),
        ((0, 0, 0), False, ""),
    ],
)
def test_a_part_of_an_answer_says_so(shards: tuple[int, int, int], timed_out: bool, says: str) -> None:
    assert lacking(Shards(*shards), timed_out) == says


@pytest.mark.parametrize("score", [None, -9549511700.0, -4422440400.0, float("nan"), float("inf")])
def test_marks_are_no_scores(score: float | None) -> None:
    with pytest.raises(IndexUnavailable, match="scores"):
        scored(read(with_hit(_score=score), Answer), {"a"})


def test_passages_of_other_collections_are_refused() -> None:
    with pytest.raises(IndexUnavailable, match="other collections"):
        scored(read(GOOD, Answer), {"b"})


def test_repeated_and_renamed_passages_are_refused() -> None:
    twice = copy.deepcopy(GOOD)
    twice["hits"]["hits"] *= 2
    for answer in (twice, with_hit(_id="other")):
        with pytest.raises(IndexUnavailable, match="cannot be read"):
            scored(read(answer, Answer), {"a"})


@pytest.mark.parametrize(
    "error",
    [
        {"type": "too_many_nested_clauses", "reason": "maxClauseCount is set to 1024"},
        {"type": "search_phase_execution_exception", "root_cause": [{"type": "too_many_clauses"}]},
        {"type": "x", "caused_by": {"type": "too_many_nested_clauses", "reason": None}},
    ],
)
def test_too_many_words_are_recognised(error: dict[str, Any]) -> None:
    assert read({"error": error, "status": 400}, Answer).too_long
    assert not read({"error": {"type": "parsing_exception"}, "status": 400}, Answer).too_long

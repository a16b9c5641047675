from rag.prompt import pack
from rag.spec import ContextSpec
from rag.types import Candidate
from tests.rag.build import passage


def candidates(*texts_and_tokens: tuple[str, int]) -> list[Candidate]:
    return [
        Candidate(passage(f"d{i}", text=text, tokens=tokens), 1.0 - i / 10)
        for i, (text, tokens) in enumerate(texts_and_tokens)
    ]


def test_takes_the_best_until_the_number_is_reached() -> None:
    passages, context, dropped = pack(
        candidates(("a", 5), ("b", 5), ("c", 5)), ContextSpec(top=2, max_tokens=100)
    )
    assert [p.text for p in passages] == ["a", "b"]
    assert [(c.marker, c.tokens) for c in context] == [(1, 5), (2, 5)]
    assert dropped == ()


def test_says_why_a_passage_was_left_out() -> None:
    given = candidates(("a  b", 60), ("a b", 5), ("long", 50), ("c", 5))
    passages, _, dropped = pack(given, ContextSpec(top=3, max_tokens=64))
    assert [p.text for p in passages] == ["a  b"]
    reasons = dict(dropped)
    assert reasons["d1:1:0"] == "same text as passage 1"
    assert reasons["d2:1:0"] == "did not fit: 110 of 64 tokens"
    assert reasons["d3:1:0"] == "did not fit: 65 of 64 tokens"


def test_the_first_is_taken_even_when_it_is_too_long() -> None:
    passages, _, _ = pack(candidates(("a", 500)), ContextSpec(top=3, max_tokens=64))
    assert len(passages) == 1

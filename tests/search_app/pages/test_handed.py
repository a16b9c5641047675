"""What the generator was given: numbered, whole, with what was cited marked."""

from dataclasses import replace

from search_app.pages.handed import handed_over
from tests.search_app.pages.build_trace import SPEC, build


def test_passages_stand_under_their_numbers_whole_and_cited_words_are_marked() -> None:
    trace = build()
    handed = handed_over(trace)
    assert handed is not None
    assert [one.marker for one in handed.passages] == [1, 2, 3, 4, 5]
    for one, context in zip(handed.passages, trace.context, strict=True):
        passage = trace.passages[context.passage_id]
        assert "".join(piece.text for piece in one.pieces) == passage.text
        cited = [c for c in trace.answer.citations if c.passage_id == passage.id]  # type: ignore[union-attr]
        words = [passage.text[c.span[0] - passage.span[0] : c.span[1] - passage.span[0]] for c in cited]
        assert all(any(word in piece.text and piece.cited for piece in one.pieces) for word in words)
        assert any(piece.cited for piece in one.pieces) == bool(cited)
    assert (handed.tokens, handed.limit) == (sum(c.tokens for c in trace.context), 2000)


def test_it_says_what_the_generator_does_with_them() -> None:
    trace = build()
    said = [
        handed_over(replace(trace, spec={**SPEC, "generate": generate})).said  # type: ignore[union-attr]
        for generate in (None, {"backend": "extractive"}, {"backend": "other"})
    ]
    assert "writes no answer" in said[0] and "has no prompt" in said[1] and "other" in said[2]


def test_what_was_left_out_is_named_with_its_reason() -> None:
    trace = build()
    left = trace.final[7].passage
    handed = handed_over(replace(trace, dropped=((left.id, "same text as passage 1"),)))
    assert handed is not None and handed.dropped == ((left.title, "same text as passage 1"),)


def test_nothing_handed_over_is_nothing() -> None:
    assert handed_over(replace(build(), context=())) is None

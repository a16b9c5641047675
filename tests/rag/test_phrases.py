"""What is a phrase in a question, and what has it word for word."""

import pytest

from rag.phrases import LONGEST, MOST, normal, quoted, stands_in


@pytest.mark.parametrize(
    ("question", "phrases"),
    [
        ('Who wrote "north pier"?', ("north pier",)),
        ("Who wrote “north  pier” and „große Fähre“?", ("north pier", "große Fähre")),
        ("«le bac» »die Fähre« 「渡し船」『船』", ("le bac", "die Fähre", "渡し船", "船")),
        ('"a" "b" "a"', ("a", "b")),
        ('a 5" and a 6" pipe', ()),
        ('a " b " c', ()),
        ('an open "mark', ()),
        ("it's the captain's 'north pier'", ()),
        ('"" “?!”', ()),
        ('title:"x" OR *', ("x",)),
        (f'"{"x" * (LONGEST + 1)}"', ()),
        (" ".join(f'"p{n}"' for n in range(9)), tuple(f"p{n}" for n in range(MOST))),
    ],
)
def test_phrases_of_a_question(question: str, phrases: tuple[str, ...]) -> None:
    assert quoted(question) == phrases


@pytest.mark.parametrize(
    ("phrase", "text", "there"),
    [
        ("North Pier", "the north\n pier.", True),
        ("pier", "piers pier", True),
        ("pie", "the pier", False),
        ("ier", "the pier", False),
        ("c++", "we use C++ here", True),
        ("can’t", "I CAN'T", True),
        ("café", "cafe", False),
        ("ﬁne", "FINE", True),
        ("学生", "東京の学生です", True),
        ("राम", "रामायण", False),
        ("", "anything", True),
    ],
)
def test_word_for_word(phrase: str, text: str, there: bool) -> None:
    assert stands_in(normal(phrase), normal(text)) is there

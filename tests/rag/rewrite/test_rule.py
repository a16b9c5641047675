"""A follow-up is told from a question that stands alone, and gets the topic of the one before."""

import pytest

from rag.rewrite import rule
from rag.types import Rewriting

FERRY = "When does the ferry to Saltholm leave in winter?"


def rewritten(question: str, *history: str) -> str | None:
    made = rule.RuleRewriter().rewrite(question, history, deadline=0.0)
    assert made is None or made.by == "rule"
    return made and made.question


@pytest.mark.parametrize(
    "question",
    [
        "And in summer?",
        "What about bicycles?",
        "How about on Sundays?",
        "How much does it cost?",
        "Does it run at Christmas?",
        "Where can I board it?",
        "Who runs it?",
        "Is that also true on Sundays?",
        "Why is that?",
        "Why?",
        "How long?",
        "In summer?",
        "For children?",
        "How many passengers does it take?",
        "What is its name?",
        "Can dogs use it?",
        "When did they start?",
        "Are they heated?",
        "What else?",
        "Any other times?",
        "Also on Sundays?",
        "Tell me more about it.",
        "Who is the captain of this ship?",
        "What happens there at night?",
        "But when it is full?",
        "Are there others?",
        "Which of them is faster?",
        "How long does that take?",
        "Is it cheaper for families?",
        "What do these mean?",
    ],
)
def test_a_follow_up_is_recognised(question: str) -> None:
    made = rewritten(question, FERRY)
    assert made is not None and made.startswith(question) and "ferry" in made and "Saltholm" in made


@pytest.mark.parametrize(
    "question",
    [
        "When does the market open?",
        "How long does it take to boil an egg?",
        "Is it possible to reserve a seat on the bus?",
        "Does it rain in Bergen in June?",
        "Did Marie Curie share her prize?",
        "What is oxygen and who discovered it?",
        "How do bees find their way home?",
        "Are there lifts in the museum?",
        "What is the opening time this week?",
        "ferry timetable",
        "lighthouse",
        "Who painted the picture that hangs in the hall?",
        "In which year was the bridge built?",
        "If a parcel is lost, who pays for it?",
        "Wann fährt die Fähre im Winter?",
        "Hvad koster billetten her?",
        "Quand part le bateau et où est-il ?",
        "渡し船はいつ出ますか",
        "?!",
        "",
    ],
)
def test_a_question_that_stands_alone_is_left_alone(question: str) -> None:
    assert rewritten(question, FERRY) is None


def test_without_an_earlier_question_nothing_is_added() -> None:
    assert rewritten("How much does it cost?") is None
    assert rewritten("How much does it cost?", "Why?", "And then?") is None


def test_the_topic_is_kept_through_a_chain_of_follow_ups() -> None:
    history = [FERRY]
    for question in ("And in summer?", "How much does it cost?", "Why?"):
        made = rewritten(question, *history)
        assert made is not None
        history.append(made)
    assert all("ferry Saltholm" in question for question in history[1:])


def test_the_topic_is_that_of_the_last_question_that_names_one() -> None:
    assert rewritten("Who runs it?", FERRY, "Where is the lighthouse?", "Why?") == "Who runs it? (lighthouse)"


def test_what_is_said_already_is_not_said_twice_and_not_much_is_added() -> None:
    assert rewritten("And the ferry to Hven?", FERRY) == "And the ferry to Hven? (Saltholm leave winter)"
    long = "Where are " + " ".join(f"place{n}" for n in range(40)) + "?"
    made = rewritten("Why there?", long)
    assert made is not None and len(rule.content(made)) == rule.MOST


def test_it_is_built_without_a_model() -> None:
    assert rule.build(None, None).rewrite("Why?", [FERRY], deadline=0.0) == Rewriting(
        "Why? (ferry Saltholm leave winter)", "rule"
    )

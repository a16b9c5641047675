import json
from pathlib import Path

import pytest

from rag.answer_gold import Gold, coverage, read, sample


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("It began in October 1973. [1]", 1.0),
        ("It began in october,  1973!", 1.0),
        ("It began in the October 1973 war.", 1.0),
        ("It began in November 1973, not October.", 0.0),
        ("", 0.0),
    ],
)
def test_a_short_gold_answer_must_stand_there_word_for_word(answer: str, said: float) -> None:
    assert Gold(True, ("the October 1973",)).said(answer) == said


def test_a_part_of_a_word_or_of_a_number_is_not_the_word() -> None:
    assert Gold(True, ("12",)).said("It cost 120 dollars.") == 0.0
    assert Gold(True, ("art",)).said("A party.") == 0.0
    assert Gold(True, ("$1,200",)).said("It cost 1200 dollars.") == 1.0


def test_a_long_one_is_said_when_enough_of_its_words_are() -> None:
    fact = "The ferry leaves at seven in winter."  # ferry, leaves, seven, winter
    assert coverage(fact, "In winter it leaves at seven.") == 0.75
    assert coverage(fact, "A ferry.") == 0.25
    gold = Gold(True, long=(fact, "Bicycles travel free."))
    assert gold.said("In winter it leaves at seven.") == 0.5
    assert gold.said("The winter ferry leaves at seven; bicycles travel free.") == 1.0


def test_nothing_known_is_not_nothing_said() -> None:
    assert Gold(True).said("Anything.") is None
    assert coverage("of the", "of the") == 0.0


def write(folder: Path, name: str, rows: list[dict[str, object]]) -> None:
    (folder / name).write_text("\n".join(json.dumps(row) for row in rows), "utf-8")


def test_gold_is_read_from_whatever_a_collection_brings(tmp_path: Path) -> None:
    write(
        tmp_path,
        "queries.jsonl",
        [
            {"_id": "a", "text": "?", "metadata": {"answers": ["7", "seven"], "is_impossible": False}},
            {"_id": "b", "text": "?", "metadata": {"answers": ["wrong"], "is_impossible": True}},
            {"_id": "c", "text": "?", "metadata": {"facts": [{"text": "One."}, {"text": "Two."}]}},
            {"_id": "d", "text": "?"},
            {"_id": "e", "text": "?", "metadata": {}},
            {"_id": "f", "text": "?", "metadata": {}},
        ],
    )
    write(
        tmp_path,
        "answers.jsonl",
        [
            {"_id": "e", "answer": "Whole.", "enrichments": {"Answerability": ["PARTIAL"]}},
            {"_id": "f", "answer": "Sorry.", "enrichments": {"Answerability": ["UNANSWERABLE"]}},
        ],
    )
    assert read(tmp_path) == {
        "a": Gold(True, ("7", "seven")),
        "b": Gold(False),
        "c": Gold(True, long=("One.", "Two.")),
        "e": Gold(True, long=("Whole.",)),
        "f": Gold(False),
    }


def test_a_sample_has_as_many_of_both_kinds_as_it_can() -> None:
    gold = {str(n): Gold(n % 4 != 0) for n in range(40)}
    chosen = sample(gold, 12)
    assert len(chosen) == 12
    assert sum(gold[qid].answerable for qid in chosen) == 6
    assert chosen == sorted(chosen, key=int) == sample(gold, 12)
    assert len(sample(gold, 30)) == 30, "there are ten unanswerable ones"
    assert sample(gold, None) == list(gold)

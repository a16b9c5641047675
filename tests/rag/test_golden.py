"""The default pipeline still tells the stories that are kept in `tests/data/golden`."""

import json
from collections.abc import Iterator

import pytest

from rag.pipeline import Pipeline, Replay
from rag.replay import difference
from rag.trace import Trace
from rag.trace_store import from_json
from tests.rag.golden import DATA, QUESTIONS, ask, harbour

pytestmark = pytest.mark.models

ACROSS_PROCESSORS = 0.6
"""How far a score may be off where another processor multiplies int8 differently; ranks may not."""


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    with harbour() as live:
        yield live


def golden(name: str) -> Trace:
    stored = json.loads((DATA / "golden" / f"{name}.json").read_text("utf-8"))
    return from_json(stored["trace"], stored["texts"])


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_has_the_rankings_of_its_golden_trace(pipeline: Pipeline, name: str) -> None:
    old = golden(name)
    new = pipeline.answer(old.query, replay=Replay(old))
    assert [d.sentence for d in difference(old, new, ACROSS_PROCESSORS)] == []


@pytest.mark.parametrize("name", QUESTIONS)
def test_replaying_twice_differs_in_nothing(pipeline: Pipeline, name: str) -> None:
    once = ask(pipeline, name)
    assert difference(once, pipeline.answer(once.query, replay=Replay(once)), 0.0) == []
    from_legs = pipeline.answer(once.query, replay=Replay(once, from_legs=True))
    assert difference(once, from_legs, 0.0) == []

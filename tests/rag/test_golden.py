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

ACROSS_PROCESSORS = {"cosine": 0.02, "zscore": 0.25, "maxsim": 0.04, "logit": 0.35, "blend": 0.25}
"""How far a score may be off where another processor rounds differently before int8; so passages whose scores
are as near to each other may change places."""


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
    assert [ranking.stage for ranking in new.rankings] == [ranking.stage for ranking in old.rankings]
    for before, after in zip(old.rankings, new.rankings, strict=True):
        near = pytest.approx(before.scores(), abs=ACROSS_PROCESSORS.get(before.kind, 1e-4))
        assert after.scores() == near, before.stage
    assert [c.passage.id for c in new.final][0] == [c.passage.id for c in old.final][0]


@pytest.mark.parametrize("name", QUESTIONS)
def test_replaying_twice_differs_in_nothing(pipeline: Pipeline, name: str) -> None:
    once = ask(pipeline, name)
    assert difference(once, pipeline.answer(once.query, replay=Replay(once)), 0.0) == []
    from_legs = pipeline.answer(once.query, replay=Replay(once, from_legs=True))
    assert difference(once, from_legs, 0.0) == []

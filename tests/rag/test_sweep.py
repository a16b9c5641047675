"""The sweep of depths over a tiny judged collection, and its picture."""

import math
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rag import evaluate, spec
from rag.encode.hashing import HashingEncoder
from rag.evaluate import CollectionError
from rag.index import embedded
from rag.pipeline import Pipeline
from rag.rerank.late_interaction import LateInteraction
from rag.sweep import Point, Remembering, Sweep, sweep
from rag.sweep_plot import COLUMNS, rows, svg
from rag.types import Passage, ScoreKind, Scores
from tests.rag.build import passage
from tests.rag.test_evaluate import folder

__all__ = ["folder"]
FAR = math.inf


class Good:
    """Knows the answers, each of which stands last where it is not known; a passage takes a millisecond."""

    fingerprint = "good"

    def __init__(self, kind: ScoreKind = "logit") -> None:
        self.kind = kind
        self.asked: list[int] = []

    def score(self, query: str, passages: Sequence[Passage], *, deadline: float) -> Scores:
        self.asked.append(len(passages))
        time.sleep(len(passages) / 1000)
        return Scores(self.kind, tuple(float("six crowns" in p.text) for p in passages), 0.0)


def test_every_passage_is_scored_once_and_its_time_counts_once() -> None:
    good = Good()
    remembering = Remembering(good)
    passages = [passage(f"p{n}") for n in range(10)]
    first = remembering.score("q", passages[:4], deadline=FAR)
    took = remembering.ms
    whole = remembering.score("q", passages, deadline=FAR)
    assert (len(first.values), len(whole.values), good.asked) == (4, 10, [4, 6])
    assert remembering.ms > took >= 4
    assert whole.values[:4] == first.values
    remembering.forget()
    remembering.score("q", passages, deadline=FAR)
    assert good.asked[-1] == 10


def test_places_are_scored_anew_at_each_depth() -> None:
    good = Good("ordinal")
    remembering = Remembering(good)
    passages = [passage(f"p{n}") for n in range(10)]
    remembering.score("q", passages[:4], deadline=FAR)
    remembering.score("q", passages, deadline=FAR)
    assert good.asked[-1] == 10
    assert remembering.ms < 1000


def test_depths_are_measured_through_the_pipeline(folder: Path, tmp_path: Path) -> None:
    judged = evaluate.read(folder)
    encoder = HashingEncoder()
    loaded = spec.load(Path("search_app/specs/default.toml"))
    root = tmp_path / "index"
    documents = dict(evaluate.kept_index(judged, root, encoder, loaded.split, "en"))
    assert dict(evaluate.kept_index(judged, root, encoder, loaded.split, "en")) == documents
    with pytest.raises(CollectionError, match="another folder"):
        dict(evaluate.kept_index(judged, root, encoder, loaded.split, "de"))
    index = embedded.open_reader(root, encoder.fingerprint, encoder.dimension)
    good = Good()
    pipeline = Pipeline(
        name="default",
        spec=loaded,
        encoder=encoder,
        index=index,
        late=LateInteraction(encoder, index.token_codes),
        reranker=good,
    )
    found = sweep(pipeline, [2, 1, 2], judged.sample(None), judged, documents)
    assert [p.depth for p in found.points] == [0, 1, 2]
    assert [p.scored for p in found.points] == [0, 1, 2]
    assert good.asked == [1, 1] * 2
    assert found.questions == 2
    times = [p.ms for p in found.points]
    assert times == sorted(times)
    assert all(p.ndcg == 1.0 for p in found.points)
    assert found.knee == 0, "nothing is better than the order without reranking"


def test_a_reranker_that_helps_has_a_knee_where_it_stops_helping() -> None:
    from rag.sweep import _summed_up

    rows = {
        0: [(0.2, 10.0, 0), (0.4, 12.0, 0), (0.3, 11.0, 0)],
        5: [(0.6, 50.0, 5), (0.7, 52.0, 5), (0.8, 54.0, 5)],
        50: [(0.6, 500.0, 50), (0.7, 510.0, 50), (0.79, 520.0, 50)],
        100: [(0.6, 900.0, 80), (0.72, 910.0, 80), (0.79, 920.0, 80)],
    }
    found = _summed_up("p", rows)
    assert found.knee == 5, "0.7033 at 100 is not above 0.7000 by more than its noise"
    assert found.points[3].behind == 0
    assert found.points[0].behind == pytest.approx(0.41 / 1 - 0.0067, abs=0.01)
    assert found.points[1].p95_ms == 54


POINTS = tuple(
    Point(depth, float(depth), value, ms, ms * 1.5, 0.7 - value, 0.01)
    for depth, value, ms in ((0, 0.6, 30.0), (10, 0.7, 300.0), (50, 0.69, 1500.0))
)


def test_the_picture_has_each_depth_and_marks_the_knee() -> None:
    drawn = svg("<b> & depth", [Sweep("default", 3, POINTS, 10), Sweep("other", 3, POINTS[:1], 0)])
    root = ET.fromstring(drawn)
    texts = ["".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "<b> & depth" in texts
    assert {"0", "10", "50", "100", "1,000"} <= set(texts)
    assert "default: knee at depth 10, 300 ms" in texts
    assert drawn.count('r="8"') == 2
    xs = [
        float(c.get("cx", "")) for c in root.iter("{http://www.w3.org/2000/svg}circle") if c.get("r") == "3.5"
    ]
    assert xs[:3] == sorted(xs[:3])
    assert 0 < min(xs) <= max(xs) < 720


def test_the_table_marks_the_knee() -> None:
    lines = rows(Sweep("default", 3, POINTS, 10))
    assert {len(line) for line in lines} == {len(COLUMNS)}
    assert [line[0] for line in lines if "knee" in line[-1]] == ["10"]
    flat = rows(Sweep("default", 1, tuple(replace(p, ndcg=0.5) for p in POINTS), 0))
    assert all("#" not in line[6] for line in flat)

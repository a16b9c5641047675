import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Encoding

from rag.errors import RerankUnavailable, SpecError
from rag.onnx import OnnxModel
from rag.onnx_file import Graph
from rag.rerank import onnx
from rag.rerank.pairs import PairReranker
from tests import models
from tests.contracts.reranker import QUERY, RerankerContract, far
from tests.rag.build import passage

pytestmark = pytest.mark.models

BERLIN = "how many people live in berlin"
ABOUT_BERLIN = [
    "Berlin had a population of 3.5 million registered inhabitants",
    "How many people live in Munich? Berlin is far from there.",
    "New York City is famous for the Metropolitan Museum of Art",
]


@pytest.fixture(scope="module")
def reranker() -> PairReranker:
    return onnx.load(models.CROSS_ENCODER, models.folder(models.CROSS_ENCODER), threads=2)


class TestOnnx(RerankerContract):
    pass


def test_known_pairs_have_their_logits(reranker: PairReranker) -> None:
    scores = reranker.score_texts(BERLIN, ABOUT_BERLIN, deadline=far())
    assert scores.kind == "logit"
    # Processors with and without VNNI round 8-bit products otherwise: the second is 2.41 or 2.32.
    assert scores.values == pytest.approx([8.61, 2.37, -11.28], abs=0.12)


def test_the_title_and_the_headings_are_read_with_the_text(reranker: PairReranker) -> None:
    text = "It had 3.5 million inhabitants."
    bare, titled = (
        reranker.score(BERLIN, [passage(text=text, title=title)], deadline=far()).values[0]
        for title in ("", "Berlin")
    )
    assert bare is not None
    assert titled is not None
    assert titled > bare + 1


def test_a_long_passage_is_cut_and_the_question_is_not(reranker: PairReranker) -> None:
    long = ABOUT_BERLIN[0] + ". " + "This is about something else. " * 500
    cut = ABOUT_BERLIN[0] + ". " + "This is about something else. " * 100
    values = reranker.score_texts(BERLIN, [long, cut], deadline=far()).values
    assert values[0] == pytest.approx(values[1], abs=1e-5)


def test_time_that_runs_out_leaves_the_first_ones_scored(reranker: PairReranker) -> None:
    texts = [f"{text} {'and so on ' * 60}" for text in ABOUT_BERLIN * 100]
    everything = reranker.score_texts(BERLIN, texts[:3], deadline=far()).values
    began = time.monotonic()
    values = reranker.score_texts(BERLIN, texts, deadline=began + 0.4).values
    late_s = time.monotonic() - began - 0.4
    scored = values.index(None)
    assert 0 < scored < len(texts)
    assert set(values[scored:]) == {None}
    assert values[: min(scored, 3)] == pytest.approx(everything[:scored], abs=1e-5)
    assert late_s < 0.4, "one passage takes some 20 ms on one core"


def test_a_passage_predicted_to_end_too_late_is_not_begun(reranker: PairReranker) -> None:
    began = time.monotonic()
    with pytest.raises(RerankUnavailable):
        reranker.score_texts(QUERY, ["word " * 500] * 3, deadline=began + 0.004)
    assert time.monotonic() - began < 0.2


def test_one_slow_hour_does_not_end_reranking_for_good() -> None:
    reranker = onnx.load(models.CROSS_ENCODER, models.folder(models.CROSS_ENCODER))
    for _ in range(200):
        reranker._learn(tokens=100, seconds=60.0)
    values = reranker.score_texts(BERLIN, ABOUT_BERLIN, deadline=time.monotonic() + 5).values
    assert values[0] == pytest.approx(8.61, abs=0.05)
    for _ in range(20):
        reranker.score_texts(BERLIN, ABOUT_BERLIN, deadline=time.monotonic() + 5)
    assert None not in reranker.score_texts(BERLIN, ABOUT_BERLIN, deadline=time.monotonic() + 5).values


def test_batches_of_a_token_budget_give_nearly_the_same_in_the_same_order() -> None:
    folder = models.folder(models.CROSS_ENCODER)
    batched = onnx.load(models.CROSS_ENCODER, folder, batch_tokens=512)
    texts = [f"{text}{' indeed' * (n % 7)}" for n, text in enumerate(ABOUT_BERLIN * 8)]
    values = batched.score_texts(BERLIN, texts, deadline=far()).values
    alone = onnx.load(models.CROSS_ENCODER, folder).score_texts(BERLIN, texts, deadline=far()).values
    assert values == pytest.approx(alone, abs=1.0)


def in_floats(folder: Path) -> Path:
    """A model of float numbers: the sum of one number for each token, none for padding."""
    graph = Graph()
    numbers = np.linspace(0, 1, 30522, dtype=np.float32)[:, None]
    each = graph.node("Gather", [graph.constant("numbers", numbers), "input_ids"])
    inputs = [each, graph.constant("axis", np.array([1], np.int64))]
    file = graph.encode(("input_ids",), graph.node("ReduceSum", inputs, keepdims=0), "logits")
    (folder / "model.onnx").write_bytes(file)
    shutil.copy(models.folder(models.CROSS_ENCODER) / "tokenizer.json", folder)
    return folder


def test_a_model_in_floats_takes_several_pairs_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reranker = onnx.load("floats", in_floats(tmp_path))
    runs: list[int] = []
    run = OnnxModel.run

    def counted(model: OnnxModel, texts: Sequence[Encoding]) -> object:
        runs.append(len(texts))
        return run(model, texts)

    monkeypatch.setattr(OnnxModel, "run", counted)
    texts = [f"{text}{' indeed' * (n % 7)}" for n, text in enumerate(ABOUT_BERLIN * 5)]
    scores = reranker.score_texts(BERLIN, texts, deadline=far())
    assert scores.spent.precision == "float32"
    assert sum(runs) == len(texts)
    assert max(runs) > 4
    alone = onnx.load("floats", tmp_path, batch_tokens=1).score_texts(BERLIN, texts, deadline=far())
    assert scores.values == pytest.approx(alone.values, abs=1e-4)


def test_the_shipped_file_says_that_it_is_int8(reranker: PairReranker) -> None:
    assert reranker.score_texts(BERLIN, ABOUT_BERLIN, deadline=far()).spent.precision == "int8"
    assert reranker.model.batch_tokens == 1


def test_options_are_refused_by_name() -> None:
    with pytest.raises(SpecError, match="there was speed"):
        onnx.load(models.CROSS_ENCODER, models.folder(models.CROSS_ENCODER), options={"speed": 2})

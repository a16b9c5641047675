"""The catalogue's ColBERT encoder without its projection, which its file does not hold."""

import time
from pathlib import Path

import numpy as np
import pytest

from rag.errors import ModelError, SpecError
from rag.rerank import colbert
from rag.rerank.base import Reranker
from rag.rerank.pairs import PairReranker
from tests import models
from tests.contracts.reranker import PASSAGES, QUERY, RerankerContract

NAME = "answerai-colbert-small-v1-int8"
pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def folder() -> Path:
    try:
        return models.folder(NAME)
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def reranker(folder: Path) -> PairReranker:
    return colbert.load(NAME, folder)


class TestColbert(RerankerContract):
    @pytest.fixture
    def reranker(self, reranker: PairReranker) -> Reranker:
        return reranker


def test_scores_are_means_of_cosines(reranker: PairReranker) -> None:
    scores = reranker.score(QUERY, PASSAGES, deadline=time.monotonic() + 60)
    assert scores.kind == "maxsim"
    assert all(-1 <= value <= 1 for value in scores.values if value is not None)
    same = reranker.score_texts(QUERY, [QUERY], deadline=time.monotonic() + 60).values[0]
    assert same == pytest.approx(1.0, abs=0.02)


def test_markers_and_padding_change_what_is_compared(folder: Path, reranker: PairReranker) -> None:
    marked = colbert.load(NAME, folder, options={"markers": True})
    texts = [PASSAGES[0].search_text, PASSAGES[1].search_text]
    ours = marked.score_texts(QUERY, texts, deadline=time.monotonic() + 60).values
    assert ours != reranker.score_texts(QUERY, texts, deadline=time.monotonic() + 60).values
    assert np.isfinite(np.array(ours, float)).all()
    (pair,) = marked.model.pairs(QUERY, ["One."])
    question, passage = pair.data
    assert question[1] != passage[1], "each kind has its own marker"


def test_an_unknown_option_is_refused(folder: Path) -> None:
    with pytest.raises(SpecError, match="markers"):
        colbert.load(NAME, folder, options={"mark": True})

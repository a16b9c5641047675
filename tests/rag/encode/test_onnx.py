import shutil
from pathlib import Path

import numpy as np
import pytest

from rag.encode import onnx
from rag.encode.onnx import OnnxEncoder
from rag.errors import EncoderUnavailable, ModelError
from rag.onnx import OnnxModel
from tests import models
from tests.contracts.encoder import TEXTS, EncoderContract

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def encoder() -> OnnxEncoder:
    return onnx.load(models.ENCODER, models.folder(models.ENCODER), threads=2)


class TestOnnx(EncoderContract):
    pass


class Counting:
    """The real session, which counts its runs and can be told to fail."""

    def __init__(self, encoder: OnnxEncoder) -> None:
        self._session = encoder._model.session
        self.runs = 0
        self.fails = False

    def run(self, *arguments: object) -> object:
        self.runs += 1
        if self.fails:
            raise OSError("the runtime is out of memory")
        return self._session.run(*arguments)

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> tuple[OnnxEncoder, Counting]:
    encoder = onnx.load(models.ENCODER, models.folder(models.ENCODER), cached_queries=2)
    session = Counting(encoder)
    model = encoder._model
    encoder._model = OnnxModel(session, model.output, model.inputs, model.threads)
    return encoder, session


def test_the_prefix_is_in_the_vector_and_not_in_the_states(encoder: OnnxEncoder) -> None:
    text = "how many people live in berlin"
    query, plain = encoder.encode_queries([text]), encoder.encode_passages([text])
    assert len(query.states[0]) == 6
    assert np.allclose(query.states[0], plain.states[0], atol=1e-6)
    prefix = onnx.RECIPES[models.ENCODER].query_prefix
    assert np.allclose(query.vectors, encoder.encode_passages([prefix + text]).vectors, atol=1e-6)
    assert float(query.vectors[0] @ plain.vectors[0]) < 0.99


def test_a_known_question_finds_its_passage(encoder: OnnxEncoder) -> None:
    question = encoder.encode_queries(["how many people live in berlin"]).vectors[0]
    passages = [
        "Berlin had a population of 3.5 million registered inhabitants",
        "New York City is famous for the Metropolitan Museum of Art",
    ]
    assert encoder.encode_passages(passages).vectors @ question == pytest.approx([0.830, 0.526], abs=0.01)


def test_a_question_asked_again_costs_no_run(counted: tuple[OnnxEncoder, Counting]) -> None:
    encoder, session = counted
    first = encoder.encode_queries(["one"])
    assert session.runs == 2
    again = encoder.encode_queries(["one", "one"])
    assert session.runs == 2
    assert np.array_equal(again.vectors[1], first.vectors[0])
    encoder.encode_queries(["two", "three"])
    assert session.runs == 6
    encoder.encode_queries(["one"])
    assert session.runs == 8, "the oldest of three was let go"


def test_a_failing_runtime_is_said_and_not_remembered(counted: tuple[OnnxEncoder, Counting]) -> None:
    encoder, session = counted
    session.fails = True
    with pytest.raises(EncoderUnavailable):
        encoder.encode_queries(["one"])
    session.fails = False
    assert encoder.encode_queries(["one"]).vectors.shape == (1, encoder.dimension)


def test_batches_of_a_token_budget_give_nearly_the_same(encoder: OnnxEncoder) -> None:
    batched = onnx.load(models.ENCODER, models.folder(models.ENCODER), batch_tokens=4096)
    alone, together = encoder.encode_passages(TEXTS), batched.encode_passages(TEXTS)
    assert np.einsum("nd,nd->n", alone.vectors, together.vectors).min() > 0.98


def test_the_fingerprint_holds_the_file(encoder: OnnxEncoder, tmp_path: Path) -> None:
    assert encoder.fingerprint.startswith(f"{models.ENCODER}:68807e3ff2ab:cls:")
    shutil.copytree(models.folder(models.ENCODER), tmp_path / "model")
    with (tmp_path / "model" / "model.onnx").open("ab") as file:
        file.write(b"\x00")
    with pytest.raises(ModelError, match=r"model\.onnx"):
        onnx.load(models.ENCODER, tmp_path / "model")


def test_files_that_are_no_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.onnx"):
        onnx.load(models.ENCODER, tmp_path)
    shutil.copy(models.folder(models.ENCODER) / "model.onnx", tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        onnx.load(models.ENCODER, tmp_path)


def test_a_model_without_a_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=models.ENCODER):
        onnx.load("unknown", tmp_path)

"""Cross-encoders in torch, each architecture against a plain computation by transformers."""

import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from rag.errors import ModelError, SpecError
from rag.models import Model, ModelStore, added
from rag.placement import Placement, digest_of
from rag.rerank import cross_encoder, golden
from rag.rerank.pairs import PairReranker
from tests import models
from tests.contracts.reranker import RerankerContract, far
from tests.rag.rerank.torch import small

pytestmark = pytest.mark.torch
COPY = "ms-marco-MiniLM-L-12-v2-torch"


def cpu(dtype: str = "float32", batch_tokens: int = 256, compiled: bool = False) -> Placement:
    return Placement("cpu", dtype, "", compiled, batch_tokens)


def plainly(folder: Path, query: str, texts: tuple[str, ...], max_tokens: int) -> list[list[float]]:
    """Logits as transformers computes them, pair by pair."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    words = AutoTokenizer.from_pretrained(folder)
    given = []
    with torch.inference_mode():
        for text in texts:
            # In lists, as sentence-transformers calls it: an empty text alone would not be taken for one.
            cut = {"truncation": "only_second", "max_length": max_tokens}
            fed = words([query], [text], **cut, return_tensors="pt")
            given.append(model(**fed).logits[0].tolist())
    return given


@pytest.mark.parametrize("name", list(small.CONFIGS))
def test_scores_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    folder = small.cross_encoder(name, tmp_path / name)
    limit = 78 if "roberta" in name else 96
    logits = plainly(folder, small.QUERY, small.TEXTS, limit)
    expected = [row[-1] - (row[0] if len(row) == 2 else 0.0) for row in logits]
    assert len({round(value, 3) for value in expected}) > 3, "the small model tells texts apart"
    reranker = cross_encoder.load(name, folder, at=cpu())
    scores = reranker.score_texts(small.QUERY, small.TEXTS, deadline=far())
    assert scores.kind == "logit"
    assert scores.values == pytest.approx(expected, abs=2e-4)
    assert scores.spent.precision == "float32 on cpu"
    alone = [reranker.score_texts(small.QUERY, [t], deadline=far()).values[0] for t in small.TEXTS]
    assert scores.values == pytest.approx(alone, abs=2e-4), "padding and neighbours move nothing"


def test_a_sigmoid_gives_the_published_probabilities(tmp_path: Path) -> None:
    folder = small.cross_encoder("roberta-two-labels", tmp_path / "two")
    logits = plainly(folder, small.QUERY, small.TEXTS, 78)
    softmax = [math.exp(b) / (math.exp(a) + math.exp(b)) for a, b in logits]
    reranker = cross_encoder.load("two", folder, options={"activation": "sigmoid"}, at=cpu())
    scores = reranker.score_texts(small.QUERY, small.TEXTS, deadline=far())
    assert scores.kind == "probability"
    assert scores.values == pytest.approx(softmax, abs=1e-4)
    assert reranker.fingerprint.endswith(":logit:activation=sigmoid")


def test_of_several_labels_one_is_named(tmp_path: Path) -> None:
    labels = {0: "contradiction", 1: "entailment", 2: "neutral"}
    folder = small.cross_encoder("bert", tmp_path / "nli", id2label=labels, num_labels=3)
    with pytest.raises(ModelError, match="contradiction, entailment, neutral: name one"):
        cross_encoder.load("nli", folder, at=cpu())
    with pytest.raises(SpecError, match="no label 'relevant'"):
        cross_encoder.load("nli", folder, options={"label": "relevant"}, at=cpu())
    options = {"label": "entailment", "activation": "sigmoid"}
    reranker = cross_encoder.load("nli", folder, options=options, at=cpu())
    values = reranker.score_texts(small.QUERY, small.TEXTS, deadline=far()).values
    for row, value in zip(plainly(folder, small.QUERY, small.TEXTS, 96), values, strict=True):
        assert value == pytest.approx(math.exp(row[1]) / sum(map(math.exp, row)), abs=1e-4)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"depth": 3}, "has no option 'depth'; there are: activation, label, max_tokens"),
        ({"max_tokens": 0}, "max_tokens of the backend cross_encoder is a whole number"),
        ({"max_tokens": True}, "max_tokens of the backend cross_encoder is a whole number"),
        ({"activation": "relu"}, "activation is none or sigmoid"),
    ],
)
def test_options_that_are_none_are_refused(options: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=sentence):
        cross_encoder.load("bert", tmp_path, options=options, at=cpu())


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    folder = small.cross_encoder("bert", tmp_path / "bert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(ModelError, match="lack 16 parts of the model"):
        cross_encoder.load("bert", folder, at=cpu())


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    folder = small.cross_encoder("bert", tmp_path / "bert")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be loaded"):
        cross_encoder.load("bert", folder, at=cpu())


def test_memory_that_runs_out_is_said_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    model = cross_encoder.load("bert", small.cross_encoder("bert", tmp_path / "bert"), at=cpu()).model
    pairs = model.pairs(small.QUERY, small.TEXTS)

    def full(**feed: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(model._runs, "model", full)  # type: ignore[attr-defined]
    with pytest.raises(MemoryError, match="5 pairs do not fit into"):
        model.run(pairs)


def test_the_digest_is_that_of_the_store(tmp_path: Path) -> None:
    folder = small.cross_encoder("bert", tmp_path / "bert")
    store = ModelStore(tmp_path / "store")
    made = store.add_from(Model("small", "cross-encoder", "MIT", "test", ()), folder)
    assert digest_of(store.path("small")) == made.digest("*") == digest_of(folder)
    loaded = cross_encoder.load("small", store.path("small"), at=cpu())
    assert loaded.fingerprint == cross_encoder.fingerprint("small", made.digest("*") or "")


# --- A model's own code -----------------------------------------------------------------------------------

CODE = """
from transformers import BertForSequenceClassification


class Twice(BertForSequenceClassification):
    def forward(self, **fed):
        given = super().forward(**fed)
        given.logits = given.logits * 2
        return given
"""


@pytest.fixture
def with_code(tmp_path: Path) -> Path:
    folder = small.cross_encoder("bert", tmp_path / "downloaded")
    (folder / "modeling_twice.py").write_text(CODE)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForSequenceClassification": "somebody/else--modeling_twice.Twice"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_own_code_runs_only_as_it_was_when_it_was_vouched_for(
    with_code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    with pytest.raises(ModelError, match="Python code of its own. Read it"):
        cross_encoder.load("twice", with_code, at=cpu())
    store = ModelStore(tmp_path / "store")
    store.add_from(Model("twice", "cross-encoder", "MIT", "test", ()), with_code)
    with pytest.raises(ModelError, match="Python code of its own. Read it"):
        cross_encoder.load("twice", store.path("twice"), at=cpu())
    code = hashlib.sha256(CODE.encode()).hexdigest()
    read = added.code_digest({"modeling_twice.py": code})
    store.add_from(Model("twice", "cross-encoder", "MIT", "test", (), own_code=read), with_code)
    reranker = cross_encoder.load("twice", store.path("twice"), at=cpu())
    (with_code / "config.json").write_text(
        json.dumps(json.loads((with_code / "config.json").read_text()) | {"auto_map": {}})
    )
    once = cross_encoder.load("once", with_code, at=cpu()).score_texts("?", small.TEXTS, deadline=far())
    twice = reranker.score_texts("?", small.TEXTS, deadline=far())
    assert twice.values == pytest.approx([2 * (value or 0) for value in once.values], abs=1e-4)
    (store.path("twice") / "modeling_twice.py").write_text(CODE.replace("* 2", "* 3"))
    with pytest.raises(ModelError, match="not what was vouched for"):
        cross_encoder.load("twice", store.folder / "twice", at=cpu())


# --- The real cross-encoder -------------------------------------------------------------------------------


def copy() -> Path:
    try:
        return models.folder(COPY)
    except ModelError as error:
        pytest.skip(f"no torch copy here: manage.py models torch-copy ({error})")


@pytest.fixture(scope="module")
def reranker() -> PairReranker:
    return cross_encoder.load(COPY, copy(), at=cpu(batch_tokens=1))


@pytest.mark.models
class TestTorchCopy(RerankerContract):
    pass


@pytest.mark.models
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_golden_pairs_have_their_scores_in_each_precision(dtype: str) -> None:
    assert golden.check(cross_encoder.load(COPY, copy(), at=cpu(dtype)), seconds=600) == ""


@pytest.mark.models
def test_scores_are_those_of_sentence_transformers(reranker: PairReranker) -> None:
    from sentence_transformers import CrossEncoder

    texts = [text for text in small.TEXTS if text]
    theirs = CrossEncoder(str(copy()), device="cpu").predict([(small.QUERY, text) for text in texts])
    ours = reranker.score_texts(small.QUERY, texts, deadline=far()).values
    assert ours == pytest.approx(theirs.tolist(), abs=1e-3)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ here: torch.compile needs it on a CPU")
def test_compiled_it_gives_the_same(tmp_path: Path) -> None:
    folder = small.cross_encoder("bert", tmp_path / "bert")
    usual = cross_encoder.load("bert", folder, at=cpu())
    compiled = cross_encoder.load("bert", folder, at=cpu(compiled=True))
    for texts in (small.TEXTS, small.TEXTS[:2]):
        expected = usual.score_texts(small.QUERY, texts, deadline=far()).values
        given = compiled.score_texts(small.QUERY, texts, deadline=far()).values
        assert given == pytest.approx(expected, abs=1e-4)

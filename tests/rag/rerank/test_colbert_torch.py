"""Models in the manner of ColBERT on torch: small random ones, against a plain computation."""

import json
import string
import time
from pathlib import Path
from typing import Any

import pytest

from rag.errors import ModelError
from rag.rerank import colbert
from tests import models
from tests.contracts.reranker import PASSAGES, QUERY

pytestmark = [pytest.mark.torch, pytest.mark.models]
torch = pytest.importorskip("torch", reason="no torch here: make setup-torch")
TEXTS = [passage.search_text for passage in PASSAGES]


@pytest.fixture(params=["colbert", "pylate"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A random encoder of 2 layers with a projection to 16 dimensions, as either project writes it."""
    from safetensors.torch import save_file
    from transformers import BertConfig, BertModel

    torch.manual_seed(7)
    config = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    body = BertModel(config)
    linear = torch.randn(16, 32)
    words = models.folder(models.CROSS_ENCODER) / "tokenizer.json"
    (tmp_path / "tokenizer.json").write_bytes(words.read_bytes())
    config.save_pretrained(tmp_path)
    weights = {key: value.contiguous() for key, value in body.state_dict().items()}
    if request.param == "colbert":
        weights = {f"bert.{key}": value for key, value in weights.items() if "pooler" not in key}
        save_file(weights | {"linear.weight": linear}, tmp_path / "model.safetensors")
        note = {"query_maxlen": 24, "query_token_id": "[unused0]", "doc_token_id": "[unused1]"}
        (tmp_path / "artifact.metadata").write_text(json.dumps(note))
    else:
        save_file(weights, tmp_path / "model.safetensors")
        (tmp_path / "1_Dense").mkdir()
        save_file({"linear.weight": linear}, tmp_path / "1_Dense" / "model.safetensors")
    return tmp_path


def plainly(folder: Path, padded: int) -> list[float]:
    """MaxSim as ColBERT computes it, one text at a time, divided by the number of question tokens."""
    from safetensors.torch import load_file
    from tokenizers import Tokenizer
    from transformers import AutoConfig, BertModel

    weights = load_file(folder / "model.safetensors")
    dense = folder / "1_Dense" / "model.safetensors"
    linear = load_file(dense)["linear.weight"] if dense.exists() else weights.pop("linear.weight")
    body = BertModel(AutoConfig.from_pretrained(folder)).eval()
    body.load_state_dict({k.removeprefix("bert."): v for k, v in weights.items()}, strict=False)
    words = Tokenizer.from_file(str(folder / "tokenizer.json"))
    words.no_padding()
    words.enable_truncation(511)

    def states(ids: list[int], seen: int) -> Any:
        mask = torch.tensor([[1] * seen + [0] * (len(ids) - seen)])
        with torch.no_grad():
            hidden = body(torch.tensor([ids]), attention_mask=mask).last_hidden_state[0]
        return torch.nn.functional.normalize(hidden @ linear.T, dim=-1)

    def marked(text: str, marker: str) -> list[int]:
        ids = words.encode(text).ids
        return [ids[0], words.token_to_id(marker), *ids[1:]]

    signs = {words.token_to_id(sign) for sign in string.punctuation}
    question = marked(QUERY, "[unused0]")[:padded]
    asked = states(question + [words.token_to_id("[MASK]")] * (padded - len(question)), len(question))
    scores = []
    for text in TEXTS:
        ids = marked(text, "[unused1]")
        own = states(ids, len(ids))[[token not in signs for token in ids]]
        scores.append(float((asked @ own.T).max(dim=1).values.mean()))
    return scores


def test_scores_are_those_of_a_plain_computation(folder: Path) -> None:
    ours = colbert.load("tiny", folder).score_texts(QUERY, TEXTS, deadline=time.monotonic() + 60)
    padded = 24 if (folder / "artifact.metadata").exists() else 32
    assert ours.kind == "maxsim"
    assert ours.values == pytest.approx(plainly(folder, padded), abs=1e-5)


def test_weights_of_another_model_are_refused(folder: Path) -> None:
    from safetensors.torch import save_file

    save_file({"bert.embeddings.word_embeddings.weight": torch.zeros(2, 2)}, folder / "model.safetensors")
    with pytest.raises(ModelError, match="lack"):
        colbert.load("tiny", folder)

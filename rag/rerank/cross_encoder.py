"""A cross-encoder in torch: any model of transformers that classifies a pair of texts.

The score is a logit. A model with one label gives it as it is: a published sigmoid over it is left to who
wants a probability. With several labels it is that label's against all others, `z − log Σ exp(z of the
others)`, of which the sigmoid is the published softmax; with two that is their difference.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rag.errors import ModelError, SpecError
from rag.onnx import plain
from rag.placement import Placement, digest_of, load_model, load_tokenizer, placement
from rag.rerank.base import Pair, suffix
from rag.rerank.pairs import PairReranker
from rag.rerank.torch_pairs import TorchRuns, take_options
from rag.types import ScoreKind

WEIGHTS = "*"
"""The fingerprint holds the hash of all files of the model: configuration and words move scores too."""
OPTIONS = {"max_tokens": int, "label": str, "activation": str}
MAX_TOKENS = 512
MAX_QUERY = 256
"""Tokens after which a question is cut, so that a pair keeps room for the passage."""
OFFSET = ("roberta", "xlm-roberta", "camembert", "xlm-roberta-xl")
"""Models that count positions from the one after their padding token's id."""
ANY_LENGTH = ("deberta-v2",)
"""Models whose positions are relative: their table of positions is no limit."""


def load(
    name: str,
    directory: Path,
    *,
    threads: int | None = None,
    options: Mapping[str, Any] | None = None,
    digest: str | None = None,
    at: Placement | None = None,
) -> PairReranker:
    """The model in a folder: `config.json`, safetensors, tokenizer. Raises `ModelError`, `SpecError`.

    Options: `max_tokens` of a pair, 512; `label`, the name or number of the one that means relevant;
    `activation = "sigmoid"` for probabilities instead of logits.
    """
    chosen = take_options("cross_encoder", options, OPTIONS)
    at = at or placement()
    if threads and not at.on_gpu:
        import torch

        torch.set_num_threads(threads)
    of = fingerprint(name, digest or digest_of(directory)) + suffix(chosen)
    return PairReranker(TorchPairs(directory, of, at, chosen))


def fingerprint(name: str, digest: str) -> str:
    """The fingerprint that a model will have, from its name and the digest of its files."""
    return f"{name}:{digest[:12]}:logit"


class TorchPairs:
    kind: ScoreKind

    def __init__(self, directory: Path, fingerprint: str, at: Placement, options: Mapping[str, Any]) -> None:
        activation = options.get("activation", "none")
        if activation not in ("none", "sigmoid"):
            raise SpecError(f"The option activation is none or sigmoid, not {activation!r}.")
        self.kind = "probability" if activation == "sigmoid" else "logit"
        model = load_model("AutoModelForSequenceClassification", directory, at)
        words = load_tokenizer(directory)
        config = model.config
        limit = min(options.get("max_tokens", MAX_TOKENS), _positions(config), int(words.model_max_length))
        self._words, self._question = _rust(words), _rust(words)
        self._words.enable_truncation(limit, strategy="only_second")
        self._max_query = min(MAX_QUERY, limit // 2)
        self._question.enable_truncation(self._max_query)
        self._names = [name for name in words.model_input_names if name in ("input_ids", "token_type_ids")]
        pad = words.pad_token_id if words.pad_token_id is not None else 0
        label = _label(config, str(options.get("label", "")), directory.name)
        self._runs = _Runs(model, at, pad=pad, label=label, sigmoid=self.kind == "probability")
        self.fingerprint, self.precision = fingerprint, at.precision
        self.lanes, self.batch_tokens = 1, at.batch_tokens

    def pairs(self, query: str, texts: Sequence[str]) -> list[Pair]:
        query = self._cut(query)
        encoded = self._words.encode_batch([(query, plain(text)) for text in texts])
        return [Pair(len(one.ids), {"input_ids": one.ids, "token_type_ids": one.type_ids}) for one in encoded]

    def run(self, pairs: Sequence[Pair]) -> list[float]:
        return self._runs.scores(pairs, self._names)

    def _cut(self, query: str) -> str:
        query = plain(query)
        tokens = self._question.encode(query)
        if len(tokens.ids) < self._max_query:
            return query
        return query[: max(end for _, end in tokens.offsets)]


class _Runs(TorchRuns):
    def __init__(self, model: Any, at: Placement, *, pad: int, label: int, sigmoid: bool) -> None:
        super().__init__(model, at, pad=pad)
        self._label, self._sigmoid = label, sigmoid

    def forward(self, feed: Mapping[str, Any], lengths: Sequence[int]) -> Sequence[float]:
        logits = self.model(**feed).logits.float()
        scores = logits[:, self._label]
        if logits.shape[1] > 1:
            others = [place for place in range(logits.shape[1]) if place != self._label]
            scores = scores - logits[:, others].logsumexp(dim=1)
        given: list[float] = (scores.sigmoid() if self._sigmoid else scores).tolist()
        return given


def _rust(words: Any) -> Any:
    """A tokenizer of its own, without padding: one that others set the truncation of is not for threads."""
    from tokenizers import Tokenizer

    own = Tokenizer.from_str(words.backend_tokenizer.to_str())
    own.no_padding()
    own.no_truncation()
    return own


def _positions(config: Any) -> int:
    known = int(getattr(config, "max_position_embeddings", 0) or 1 << 30)
    if config.model_type in ANY_LENGTH:
        return 1 << 30
    return known - (config.pad_token_id + 1) if config.model_type in OFFSET else known


def _label(config: Any, wanted: str, name: str) -> int:
    """The place of the label that means relevant: the second of two, or the one that the spec names."""
    names = {str(place): str(label).lower() for place, label in config.id2label.items()}
    if wanted:
        for place, label in names.items():
            if wanted.lower() in (place, label):
                return int(place)
        raise SpecError(f"The model {name} has no label {wanted!r}; there are: {', '.join(names.values())}.")
    if config.num_labels > 2:
        there_are = ", ".join(names.values())
        raise ModelError(f"The model {name} has several labels, {there_are}: name one by the option label.")
    return int(config.num_labels) - 1

"""A causal language model as a reranker: how it is asked and which word's logit is the score is published.

The passage is data: its text is tokenised without the tokens that mark turns of a chat, so that a document
which holds `<|im_end|>` says those letters and ends nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
"""The fingerprint holds the hash of all files of the model."""
OPTIONS = {"max_tokens": int, "recipe": str, "instruction": str}
MAX_TOKENS = 8192
DOCUMENT = "{document}"


@dataclass(frozen=True, slots=True)
class Recipe:
    parts: tuple[str, ...]
    """What the model reads: the first, third, … are the format's own, with its special tokens; those between
    are text, with `{query}`, `{instruction}`, and at the end of one `{document}`, which is what is cut."""
    yes: str
    no: str | None = None
    """The score is the logit of `yes` less that of `no` where there is one: its sigmoid is the published
    probability."""
    divisor: float = 1.0
    instruction: str = ""
    strips: bool = False
    """Whether white space around question and passage is taken away."""


RECIPES = {
    # Qwen3-Reranker 0.6B, 4B, 8B: model card, 2025.
    "qwen3": Recipe(
        (
            "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and "
            'the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
            "<|im_start|>user\n",
            "<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}",
            "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
        ),
        "yes",
        "no",
        instruction="Given a web search query, retrieve relevant passages that answer the query",
    ),
    # zerank-1 and -2: the question as the system's turn, the passage as the user's; sigmoid(Yes / 5).
    "zerank": Recipe(
        (
            "<|im_start|>system\n",
            "{query}",
            "<|im_end|>\n<|im_start|>user\n",
            "{document}",
            "<|im_end|>\n<|im_start|>assistant\n",
        ),
        "Yes",
        divisor=5.0,
        strips=True,
    ),
    # mxbai-rerank-base-v2, -large-v2: the publisher's package mxbai-rerank.
    "mxbai": Recipe(
        (
            "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant."
            "<|im_end|>\n<|im_start|>user\n",
            "query: {query}",
            "\n",
            "document: {document}",
            "\nYou are a search relevance expert who evaluates how well documents match search queries. For "
            "each query-document pair, carefully analyze the semantic relationship between them, then "
            "provide your binary relevance judgment (0 for not relevant, 1 for relevant).\nRelevance:"
            "<|im_end|>\n<|im_start|>assistant\n",
        ),
        "1",
        "0",
    ),
}
BY_NAME = {"qwen3-reranker": "qwen3", "zerank": "zerank", "mxbai-rerank": "mxbai"}
"""The recipe of a model whose name has this in it."""


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

    Options: `recipe`, one of `RECIPES`, by the model's name unless it is given; `instruction`, what counts as
    relevant, where the recipe has one; `max_tokens` of a pair, 8192.
    """
    chosen = take_options("causal", options, OPTIONS)
    recipe = _recipe(name, chosen)
    at = at or placement()
    if threads and not at.on_gpu:
        import torch

        torch.set_num_threads(threads)
    of = fingerprint(name, digest or digest_of(directory)) + suffix(chosen)
    instruction = str(chosen.get("instruction", recipe.instruction))
    most = int(chosen.get("max_tokens", MAX_TOKENS))
    return PairReranker(CausalPairs(directory, of, at, recipe, instruction, most))


def fingerprint(name: str, digest: str) -> str:
    """The fingerprint that a model will have, from its name and the digest of its files."""
    return f"{name}:{digest[:12]}:logit"


class CausalPairs:
    kind: ScoreKind = "logit"

    def __init__(
        self, directory: Path, fingerprint: str, at: Placement, recipe: Recipe, instruction: str, most: int
    ) -> None:
        from tokenizers import Tokenizer

        model = load_model("AutoModelForCausalLM", directory, at)
        backend = load_tokenizer(directory).backend_tokenizer
        self._format, self._text = Tokenizer.from_str(backend.to_str()), Tokenizer.from_str(backend.to_str())
        for words in (self._format, self._text):
            words.no_padding()
            words.no_truncation()
        self._text.encode_special_tokens = True
        self._recipe, self._instruction = recipe, plain(instruction)
        self._fixed = [self._ids(self._format, part) for part in recipe.parts[::2]]
        self._most = min(most, int(getattr(model.config, "max_position_embeddings", most)))
        yes, no = (
            None if word is None else self._word(word, directory.name) for word in (recipe.yes, recipe.no)
        )
        self._runs = _Runs(model, at, yes=yes or 0, no=no, divisor=recipe.divisor)
        self.fingerprint, self.precision = fingerprint, at.precision
        self.lanes, self.batch_tokens = 1, at.batch_tokens

    def pairs(self, query: str, texts: Sequence[str]) -> list[Pair]:
        """The question keeps a quarter of the room at most, and the passage loses its end."""
        room = self._most - sum(map(len, self._fixed))
        query = self._cut(plain(query), max(1, room // 4))
        wholes = []
        for part in self._recipe.parts[1::2]:
            filled = [self._filled(part, query, text) for text in (texts if DOCUMENT in part else texts[:1])]
            found = [one.ids for one in self._text.encode_batch(filled, add_special_tokens=False)]
            wholes.append(found if DOCUMENT in part else found * len(texts))
        return [self._joined([part[row] for part in wholes], room) for row in range(len(texts))]

    def run(self, pairs: Sequence[Pair]) -> list[float]:
        return self._runs.scores(pairs, ["input_ids"])

    def _joined(self, texts: list[list[int]], room: int) -> Pair:
        """The last text, which ends with the document, loses what there is no room for."""
        left = room - sum(map(len, texts[:-1]))
        texts = [*texts[:-1], texts[-1][: max(1, left)]]
        ids = list(self._fixed[0])
        for text, fixed in zip(texts, self._fixed[1:], strict=True):
            ids += text + fixed
        return Pair(len(ids), {"input_ids": ids})

    def _filled(self, part: str, query: str, text: str) -> str:
        words = {"query": query, "instruction": self._instruction, "document": plain(text)}
        return part.format_map({k: v.strip() for k, v in words.items()} if self._recipe.strips else words)

    def _cut(self, query: str, most: int) -> str:
        tokens = self._text.encode(query, add_special_tokens=False)
        return query if len(tokens.ids) <= most else query[: tokens.offsets[most - 1][1]]

    def _word(self, word: str, name: str) -> int:
        ids = self._ids(self._text, word)
        if len(ids) != 1:
            raise ModelError(f"The model {name} has no token {word!r}, of which its recipe reads the logit.")
        return ids[0]

    @staticmethod
    def _ids(words: Any, text: str) -> list[int]:
        ids: list[int] = words.encode(text, add_special_tokens=False).ids
        return ids


class _Runs(TorchRuns):
    def __init__(self, model: Any, at: Placement, *, yes: int, no: int | None, divisor: float) -> None:
        # Padding stands behind, where a model that only looks back never sees it.
        super().__init__(model, at, pad=0, masked=False)
        self._yes, self._no, self._divisor = yes, no, divisor

    def forward(self, feed: Mapping[str, Any], lengths: Sequence[int]) -> Sequence[float]:
        """The logits of two words after the last token; those of all words at all places are not needed."""
        torch = self.torch
        states = self.model.base_model(**feed, use_cache=False).last_hidden_state
        ends = torch.tensor(lengths, device=states.device) - 1
        last = states[torch.arange(len(lengths), device=states.device), ends]
        logits = self.model.get_output_embeddings()(last).float()
        scores = logits[:, self._yes] if self._no is None else logits[:, self._yes] - logits[:, self._no]
        given: list[float] = (scores / self._divisor).tolist()
        return given


def _recipe(name: str, options: Mapping[str, Any]) -> Recipe:
    there_are = ", ".join(RECIPES)
    wanted = options.get("recipe")
    if wanted is None:
        wanted = next((recipe for part, recipe in BY_NAME.items() if part in name.lower()), None)
        if wanted is None:
            raise SpecError(
                f"It is not known how {name} is asked: give the option recipe, one of {there_are}."
            )
    if wanted not in RECIPES:
        raise SpecError(f"There is no recipe {wanted!r} for causal models; there are: {there_are}.")
    return RECIPES[wanted]

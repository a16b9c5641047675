"""Late interaction computed on the spot, by any model in the manner of ColBERT (Khattab and Zaharia 2020).

Nothing is stored: question and passage are encoded when they are compared, in floats, with the model's own
projection where it has one. A folder holds either `model.onnx`, which gives token states, or for torch
`model.safetensors` with `linear.weight` beside the encoder's, as ColBERT's checkpoints have it, or with a
folder `1_Dense`, as PyLate writes it. `artifact.metadata`, where it is there, says how questions are marked
and padded.
"""

import json
import string
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rag.encode.base import Floats, unit
from rag.errors import SpecError
from rag.onnx import OnnxModel, plain, tokenizer
from rag.onnx_file import operators
from rag.placement import digest_of, placement
from rag.rerank.base import Pair, suffix
from rag.rerank.onnx import INT8
from rag.rerank.pairs import PairReranker
from rag.types import ScoreKind

WEIGHTS = "*"
"""The fingerprint holds the hash of all files of the model."""
POSITIONS = 512
QUERY_TOKENS = 32
"""A marked question is padded with mask tokens to so many, as ColBERT is trained."""
KEPT_QUERIES = 64


class States(Protocol):
    """A model's body: the states of the tokens of each text, float32 [tokens, dimension], unit length."""

    lanes: int
    batch_tokens: int
    precision: str

    def of(self, texts: Sequence[Sequence[int]], seen: Sequence[int]) -> list[Floats]:
        """`texts` are token ids; the first `seen` of each are attended to, those after only have states."""
        ...


def load(
    name: str,
    directory: Path,
    *,
    threads: int | None = None,
    options: Mapping[str, Any] | None = None,
    digest: str | None = None,
) -> PairReranker:
    """Raises `ModelError`, and `SpecError` for an unknown option.

    `markers` says whether questions are marked and padded as ColBERT was trained; by default those of torch
    are. An ONNX file has no projection, and without it that is worse.
    """
    chosen = dict(options or {})
    markers = chosen.get("markers")
    if set(chosen) - {"markers"} or not isinstance(markers, bool | None):
        raise SpecError(f"The backend colbert has the one option markers = true or false, not {options}.")
    file = directory / "model.onnx"
    body: States
    if file.exists():
        body = OnnxStates(file, threads)
    else:
        from rag.rerank.colbert_torch import TorchStates  # torch is not what a first-time user has

        body = TorchStates(directory, placement())
    marked = not file.exists() if markers is None else markers
    of = fingerprint(name, digest or digest_of(directory)) + suffix(chosen)
    return PairReranker(ColbertPairs(directory, body, of, marked))


def fingerprint(name: str, digest: str) -> str:
    """The fingerprint that a model will have, from its name and the digest of its files."""
    return f"{name}:{digest[:12]}:maxsim"


class OnnxStates:
    def __init__(self, file: Path, threads: int | None) -> None:
        self._model = OnnxModel.load(file, output="last_hidden_state", threads=threads)
        self.lanes, self.batch_tokens = self._model.threads, 1
        self.precision = "int8" if INT8 & operators(file.read_bytes()) else "float32"

    def of(self, texts: Sequence[Sequence[int]], seen: Sequence[int]) -> list[Floats]:
        return [self._one(ids, size) for ids, size in zip(texts, seen, strict=True)]

    def _one(self, ids: Sequence[int], seen: int) -> Floats:
        text = np.array([ids], np.int64)
        mask = (np.arange(len(ids)) < seen).astype(np.int64)[None]
        feed = {"input_ids": text, "attention_mask": mask, "token_type_ids": np.zeros_like(text)}
        feed = {name: array for name, array in feed.items() if name in self._model.inputs}
        try:
            return unit(self._model.session.run([self._model.output], feed)[0][0])
        except Exception as error:  # its errors have no common base but this
            raise RuntimeError(f"A model run over {len(ids)} tokens failed.") from error


class ColbertPairs:
    """A pair is a question's ids and a passage's. MaxSim is the mean over the question's states."""

    kind: ScoreKind = "maxsim"

    def __init__(self, directory: Path, body: States, fingerprint: str, marked: bool) -> None:
        self._body, self.fingerprint, self._marked = body, fingerprint, marked
        self.lanes, self.batch_tokens, self.precision = body.lanes, body.batch_tokens, body.precision
        words = tokenizer(directory / "tokenizer.json", max_tokens=POSITIONS - 1)
        self._words = words
        note = directory / "artifact.metadata"
        said = json.loads(note.read_text("utf-8")) if note.exists() else {}
        ids = words.token_to_id
        self._question, self._passage = (
            ids(said.get(f"{kind}_token_id", f"[unused{place}]"))
            for place, kind in enumerate(("query", "doc"))
        )
        self._mask = ids("[MASK]")
        self._padded = int(said.get("query_maxlen", QUERY_TOKENS))
        self._attend = bool(said.get("attend_to_mask_tokens", False))
        skipped = string.punctuation if said.get("mask_punctuation", True) else ""
        self._skipped = frozenset(ids(sign) for sign in skipped) if marked else frozenset[int | None]()
        self._queries: OrderedDict[tuple[int, ...], Floats] = OrderedDict()
        self._lock = threading.Lock()

    def pairs(self, query: str, texts: Sequence[str]) -> list[Pair]:
        question = self._ids(query, self._question)
        if self._marked:
            question = question[: self._padded]
        encoded = [self._ids(text, self._passage) for text in texts]
        return [Pair(len(ids), (tuple(question), ids)) for ids in encoded]

    def run(self, pairs: Sequence[Pair]) -> list[float]:
        passages = [pair.data[1] for pair in pairs]
        states = self._body.of(passages, [len(ids) for ids in passages])
        return [
            self._maxsim(self._query(pair.data[0]), self._compared(ids, own))
            for pair, ids, own in zip(pairs, passages, states, strict=True)
        ]

    def _ids(self, text: str, marker: int | None) -> list[int]:
        ids = self._words.encode(plain(text)).ids
        return [ids[0], marker, *ids[1:]] if self._marked and marker is not None else ids

    def _query(self, ids: tuple[int, ...]) -> Floats:
        """States of a question: where it is marked of all its tokens and its padding, else of its words."""
        with self._lock:
            if ids in self._queries:
                self._queries.move_to_end(ids)
                return self._queries[ids]
        if self._marked and self._mask is not None:
            whole = [*ids, *[self._mask] * (self._padded - len(ids))]
            states = self._body.of([whole], [len(whole) if self._attend else len(ids)])[0]
        else:
            states = self._body.of([ids], [len(ids)])[0][1:-1]
        with self._lock:
            self._queries[ids] = states
            while len(self._queries) > KEPT_QUERIES:
                self._queries.popitem(last=False)
        return states

    def _compared(self, ids: Sequence[int], states: Floats) -> Floats:
        if not self._marked:
            return states[1:-1]
        return states[[token not in self._skipped for token in ids]]

    @staticmethod
    def _maxsim(question: Floats, passage: Floats) -> float:
        if not len(question) or not len(passage):
            return -1.0
        return float((question @ passage.T).max(axis=1).mean())

"""A corpus of any size that behaves like text: invented from the passages of judged collections.

A passage's vector is that of a real passage, moved by a part of how another one differs from the mean and
by a little noise; half of its 200 words are drawn from that real passage, the rest from all of them as
often as they stand there, one in fifty is a name of its own by Zipf's law. So vectors have neighbours and
words have frequencies as in text, and no sentence is anybody's. The questions are the collections' own.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _common import ROOT
from numpy.typing import NDArray

from rag.codes import TokenCodes
from rag.encode import onnx
from rag.index.base import EncodedPassages
from rag.types import Passage, passage_id

MODEL = "bge-small-en-v1.5-int8"
TOKENS, WORDS, NAMES, COLLECTIONS = 32, 200, 1_000_000, 100
"""Codes of 32 tokens a passage, a sixth of what real ones have: a million of those take 8 GB."""
A_DOCUMENT = 10
BLOCK = 1000
"""Passages that are made, and written, together."""
MOVED, NOISE = 0.35, 0.15
EVERYTHING = tuple(f"c{number:02}" for number in range(COLLECTIONS))


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What passages are made of."""

    centres: NDArray[np.float32]
    """[n, dimension], unit length: the vectors of real passages."""
    vocabulary: NDArray[np.object_]
    words: NDArray[np.int32]
    """The words of the real passages, one after the other, as places in the vocabulary."""
    starts: NDArray[np.int64]
    """[n + 1]: where the words of each begin."""
    questions: tuple[str, ...]
    vectors: NDArray[np.float32]
    """Of the questions."""


def corpora(folder: Path) -> list[Path]:
    """The corpus files of a collection in BEIR's layout, or of a folder of such."""
    return sorted([*folder.glob("corpus.jsonl"), *folder.glob("*/corpus.jsonl")])


def material(folder: Path, cache: Path, passages: int, questions: int, threads: int = 2) -> Material:
    """Read and encode so many passages and questions of the collections in the folder, or take the cache.

    Passages are cut after 200 words.
    """
    files = corpora(folder)
    key = hashlib.sha256(f"{[str(p) for p in files]} {passages} {questions}".encode()).hexdigest()[:12]
    file = cache / f"material-{key}.npz"
    if not file.exists():
        texts = [text for path in files for text in _texts(path, passages // len(files))]
        asked = [
            text
            for path in files
            for text in _texts(path.with_name("queries.jsonl"), questions // len(files))
        ]
        vectors, meant = _encode(texts, asked, cache, key, threads)
        split = [re.findall(r"\w+", text.lower())[:WORDS] for text in texts]
        vocabulary = sorted({word for words in split for word in words})
        place = {word: number for number, word in enumerate(vocabulary)}
        np.savez(
            file,
            centres=vectors,
            vocabulary=np.array(vocabulary),
            words=np.array([place[word] for words in split for word in words], np.int32),
            starts=np.cumsum([0, *map(len, split)]),
            questions=np.array(asked),
            vectors=meant,
        )
    held: Any = np.load(file)
    return Material(
        held["centres"],
        held["vocabulary"].astype(object),
        held["words"],
        held["starts"],
        tuple(held["questions"].tolist()),
        held["vectors"],
    )


def _texts(path: Path, most: int) -> list[str]:
    """So many texts of a file, evenly spread over it."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    texts = [f"{row.get('title') or ''} {row['text']}".strip() for row in rows]
    texts = [" ".join(text.split()[:WORDS]) for text in texts if re.search(r"\w", text)]
    return [texts[i * len(texts) // most] for i in range(most)] if len(texts) > most else texts


def _encode(
    texts: list[str], asked: list[str], cache: Path, key: str, threads: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Vectors of passages and questions; what is done is kept, so that it can be interrupted."""
    encoder = onnx.load(MODEL, ROOT / "var" / "models" / MODEL, threads=threads)
    parts = []
    for start in range(0, len(texts), 256):
        part = cache / f"material-{key}-{start}.npy"
        if not part.exists():
            np.save(part, encoder.encode_passages(texts[start : start + 256]).vectors)
            print(f"  encoded {start + 256:,} of {len(texts):,} passages", end="\r", flush=True)
        parts.append(np.load(part))
    for part in cache.glob(f"material-{key}-*.npy"):
        part.unlink()
    return np.concatenate(parts), encoder.encode_queries(asked).vectors


def vectors(of: Material, block: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The real passages behind the passages of this block, and the vectors of the invented ones."""
    draw = np.random.default_rng([block, 0])
    count, dimension = of.centres.shape
    base, other = draw.integers(0, count, BLOCK), draw.integers(0, count, BLOCK)
    moved = of.centres[base] + MOVED * (of.centres[other] - of.centres.mean(axis=0))
    moved += draw.standard_normal((BLOCK, dimension), np.float32) * np.float32(NOISE / dimension**0.5)
    return base, moved / np.linalg.norm(moved, axis=1, keepdims=True)


def documents(of: Material, block: int) -> Iterator[EncodedPassages]:
    """The documents of a block, ten passages each, in a hundred collections of equal size."""
    base, made = vectors(of, block)
    draw = np.random.default_rng([block, 1])
    texts = _words(of, base, draw)
    dimension = made.shape[1]
    bits = draw.integers(0, 256, (BLOCK, TOKENS, dimension // 8), np.uint8)
    factors = np.full(TOKENS, 1 / (0.8 * dimension**0.5), np.float16)
    for first in range(0, BLOCK, A_DOCUMENT):
        number = (block * BLOCK + first) // A_DOCUMENT
        name = f"{number:07}"
        passages = tuple(
            Passage(
                id=passage_id(name, 1, position),
                document_id=name,
                version=1,
                position=position,
                collection=EVERYTHING[number % COLLECTIONS],
                title=f"Document {number}",
                headings=(),
                text=text,
                span=(0, len(text)),
                page=None,
                tokens=TOKENS,
            )
            for position, text in enumerate(texts[first : first + A_DOCUMENT])
        )
        codes = tuple(TokenCodes(bits[first + i], factors) for i in range(A_DOCUMENT))
        yield EncodedPassages(name, 1, passages, made[first : first + A_DOCUMENT], codes)


def _words(of: Material, base: NDArray[np.int64], draw: np.random.Generator) -> list[str]:
    half, names = WORDS // 2, WORDS // 50
    lengths = (of.starts[base + 1] - of.starts[base])[:, None]
    own = of.starts[base][:, None] + (draw.random((len(base), half)) * lengths).astype(np.int64)
    any_ = draw.integers(0, len(of.words), (len(base), WORDS - half - names))
    drawn = of.words[np.concatenate([own, any_], axis=1)]
    places = np.exp(draw.random((len(base), names)) * np.log(NAMES)).astype(np.int64)  # Zipf's law
    return [
        " ".join([*of.vocabulary[row], *(f"name{place}" for place in some)])
        for row, some in zip(drawn, places, strict=True)
    ]


def place_of(pid: str) -> int:
    """Number of an invented passage, from 0, by its id."""
    document, _, position = pid.split(":")
    return int(document) * A_DOCUMENT + int(position)


def truth(of: Material, count: int, k: int, collection: int | None = None) -> NDArray[np.int64]:
    """Numbers of the best `k` of the first `count` passages for each question, by exact cosines in floats."""
    best = np.full((len(of.vectors), k), -1, np.int64)
    scores = np.full((len(of.vectors), k), -2.0, np.float32)
    for block in range(count // BLOCK):
        places = np.arange(block * BLOCK, (block + 1) * BLOCK)
        here = vectors(of, block)[1]
        if collection is not None:
            mine = places // A_DOCUMENT % COLLECTIONS == collection
            places, here = places[mine], here[mine]
        both = np.concatenate([scores, of.vectors @ here.T], axis=1)
        named = np.concatenate([best, np.broadcast_to(places, (len(best), len(places)))], axis=1)
        keep = np.argpartition(-both, k, axis=1)[:, :k]
        scores, best = np.take_along_axis(both, keep, 1), np.take_along_axis(named, keep, 1)
    return best

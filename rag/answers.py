"""The ground, too: the values of an answer. What it says, what that stands on, and what writing it took."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Citation:
    """A part of the answer and the part of a passage that carries it."""

    marker: int
    """Number of the passage in the context, from 1."""
    passage_id: str
    span: tuple[int, int]
    """Cited characters in the parsed document's text."""
    answer_span: tuple[int, int]
    """Characters of the answer's text that this citation supports, its marker not included."""


FinishReason = Literal["answered", "no_answer", "length", "failed", "stopped"]
"""`length`: the limit of tokens came first; `failed`: the generator broke off; `stopped`: the asker left."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer's text with markers such as `[1]`, and what they point at.

    `no_answer` says that the documents do not answer the question: `text` then says so in a sentence.
    """

    text: str
    citations: tuple[Citation, ...]
    finish_reason: FinishReason
    confidence: float | None = None
    """What the refusal was decided on, in the scale of the generator's own threshold."""
    unknown_markers: int = 0
    """Markers that pointed at no passage of the context and were taken out."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What writing an answer took. A zero, or nothing, says that it is not known."""

    model: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    """Of the prompt, tokens that the server had computed before."""
    tokens_per_s: float = 0.0
    """Written tokens a second, from the first to the last."""
    server: str = ""
    """Which of several replicas wrote it: its number in the list, from 1."""
    prompt: str = ""
    """Fingerprint of the prompt's words, without passages: `answer:3f2a91c0`."""
    usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Confidence:
    """How likely it is that the context answers the question, from 0 to 1, and what that was made of."""

    value: float
    features: Mapping[str, float]


Verdict = Literal["supported", "unsupported", "unchecked"]


@dataclass(frozen=True, slots=True)
class Check:
    """One sentence of the answer, held against the passages that it cites."""

    span: tuple[int, int]
    """Characters of the answer's text, markers not included."""
    verdict: Verdict
    markers: tuple[int, ...]
    """The passages that it cites."""
    score: float | None = None
    """What the verdict was decided on, in the scale of the verifier."""
    reason: str = ""
    """In plain words, for what is not supported or was not checked."""

"""What happens to a question: the events that the pipeline yields, in order. Their fold is the trace."""

from collections.abc import Mapping
from dataclasses import dataclass

from rag.answers import Answer, Check, Citation, Confidence, Usage
from rag.types import (
    NOTHING_SPENT,
    ContextPassage,
    Expansion,
    Passage,
    Query,
    Ranking,
    Rewriting,
    Spent,
    Timing,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """First event: what is asked, of which index, by which spec."""

    query: Query
    pipeline: str
    spec: Mapping[str, object]
    fingerprint: str
    index_version: str
    readable: int
    """Passages in the collections that the asker may read."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The question that is searched and answered instead of the follow-up that was typed."""

    rewriting: Rewriting
    timing: Timing


@dataclass(frozen=True, slots=True)
class Expanded:
    expansion: Expansion
    timing: Timing


@dataclass(frozen=True, slots=True)
class Encoded:
    timing: Timing


@dataclass(frozen=True, slots=True)
class Ranked:
    ranking: Ranking
    timing: Timing
    asked: int
    """How many candidates the stage was given or asked for; it may have scored fewer."""
    partial: str = ""
    """Why a leg may lack passages that are there: a clause such as "2 of 5 shards answered"."""
    spent: Spent = NOTHING_SPENT
    """What the scores of a reranker cost and stand on."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A stage that gave no ranking, with the reason in plain words."""

    stage: str
    reason: str
    timing: Timing
    failed: bool = True
    """False where the spec leaves the stage out or there was nothing to do."""


@dataclass(frozen=True, slots=True)
class Permitted:
    """The check of access at the end of retrieval: how many found passages may not be read (any more)."""

    refused: int
    timing: Timing


@dataclass(frozen=True, slots=True)
class Packed:
    """Passages handed to the generator, and the candidates within reach that were left out, with why."""

    context: tuple[ContextPassage, ...]
    dropped: tuple[tuple[str, str], ...]
    timing: Timing
    widened: tuple[Passage, ...] = ()
    """Passages that are handed over with what stands around them: the same id, a wider span and its text."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """Whether the context answers the question at all: below the threshold nothing is written."""

    confidence: Confidence
    threshold: float
    timing: Timing


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer's text, in order. The pieces joined are the answer's text.

    An empty one says that the model is at work: whoever passes events on can see whether the asker is there.
    """

    text: str
    citations: tuple[Citation, ...] = ()
    """Those that this piece completes."""


@dataclass(frozen=True, slots=True)
class Generated:
    """Last event: the whole answer. `first_ms` is when its first piece came, from the start of generation."""

    answer: Answer
    usage: Usage
    timing: Timing
    first_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """After the answer: each of its sentences held against what it cites, in order."""

    checks: tuple[Check, ...]
    timing: Timing


Event = (
    Began
    | Rewritten
    | Expanded
    | Encoded
    | Ranked
    | Skipped
    | Permitted
    | Packed
    | Weighed
    | Delta
    | Generated
    | Verified
)

"""What becomes of each file of an ingest, and the counts of a run."""

from collections import Counter
from dataclasses import dataclass, field

from rag.index.base import EncodedPassages
from rag.parse.base import ParsedDocument
from rag.types import Passage
from search_app.sources import Source


@dataclass(frozen=True, slots=True)
class Row:
    """What the database knew of a document when the run began."""

    id: int
    version: int
    intact: bool
    """Indexed, and the index holds it: with the same content and recipe there is nothing to do."""
    content_hash: str
    recipe: str


@dataclass(frozen=True, slots=True)
class Seen:
    source: Source
    row: Row
    content_hash: str
    size: int


@dataclass(frozen=True, slots=True)
class Unchanged:
    seen: Seen


@dataclass(frozen=True, slots=True)
class Failed:
    seen: Seen
    reason: str


@dataclass(frozen=True, slots=True)
class Parsed:
    seen: Seen
    document: ParsedDocument
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    seen: Seen
    document: ParsedDocument
    passages: EncodedPassages


@dataclass(slots=True)
class Report:
    """What a run did. Each file is counted once: indexed, unchanged or failed."""

    counts: Counter[str] = field(default_factory=Counter)
    by_format: dict[str, Counter[str]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    passages: int = 0
    swept: int = 0
    """Index entries that an earlier run, killed, had left without a row."""
    seconds: float = 0.0
    encoder_seconds: float = 0.0
    encoded_passages: int = 0
    """Passages that went through the encoder; the others had the text of one that did."""

    def add(self, result: Unchanged | Failed | Encoded) -> None:
        state = type(result).__name__.lower().replace("encoded", "indexed")
        self.counts[state] += 1
        self.by_format.setdefault(result.seen.source.format or "-", Counter())[state] += 1
        if isinstance(result, Failed):
            self.reasons[result.reason] += 1
        if isinstance(result, Encoded):
            self.passages += len(result.passages.passages)

    @property
    def files(self) -> int:
        return self.counts.total()

    @property
    def outside_encoder(self) -> float:
        """Share of the run during which the encoder did not work, 0 to 1."""
        return 1 - min(1.0, self.encoder_seconds / self.seconds) if self.seconds else 0.0

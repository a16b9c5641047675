"""What becomes of each claimed document, and the counts of a run."""

from collections import Counter
from dataclasses import dataclass, field

from rag.index.base import EncodedPassages
from rag.parse.base import ParsedDocument
from rag.types import Passage
from search_app.claims import Claim


@dataclass(frozen=True, slots=True)
class Failed:
    """Its content cannot be indexed."""

    claim: Claim
    reason: str


@dataclass(frozen=True, slots=True)
class Broken:
    """Something unexpected happened over it; the next attempt may go well."""

    claim: Claim
    error: Exception


@dataclass(frozen=True, slots=True)
class Parsed:
    claim: Claim
    document: ParsedDocument
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    claim: Claim
    document: ParsedDocument
    passages: EncodedPassages


Done = Failed | Broken | Encoded


@dataclass(slots=True)
class Report:
    """What a run did. Each document is counted once for each time that it came to an end."""

    counts: Counter[str] = field(default_factory=Counter)
    """indexed; unchanged: it was made of this content already, and was found; failed; again: an attempt
    went wrong, and it is queued for the next; refused: replaced, retried or deleted meanwhile."""
    passages: int = 0
    removed: int = 0
    """Removals from the index that it did."""
    swept: int = 0
    """Index entries without a row, which a run that was killed had left."""
    seconds: float = 0.0
    encoder_seconds: float = 0.0
    encoded_passages: int = 0
    """Passages that went through the encoder; the others had the text of one that did."""

    def __iadd__(self, other: "Report") -> "Report":
        self.counts += other.counts
        self.passages += other.passages
        self.removed += other.removed
        self.swept += other.swept
        self.seconds += other.seconds
        self.encoder_seconds += other.encoder_seconds
        self.encoded_passages += other.encoded_passages
        return self

    @property
    def documents(self) -> int:
        return self.counts.total()

    @property
    def outside_encoder(self) -> float:
        """Share of the run during which the encoder did not work, 0 to 1."""
        return 1 - min(1.0, self.encoder_seconds / self.seconds) if self.seconds else 0.0

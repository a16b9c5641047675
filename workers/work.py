"""A rerank job in a worker's hand: how far it is, and what it will be answered."""

from dataclasses import dataclass, field

from rag.rerank.base import Pair
from rag.rerank.message import Job, Refused, Reply, Scored
from workers.held import Held


@dataclass(slots=True, eq=False)
class Work:
    """Times in seconds of `time.monotonic()`. Whoever calls it holds the scheduler's lock."""

    job: Job
    held: Held
    came: float
    until: float
    """When it is to be answered, whatever there is by then."""
    share_s: float
    """Computing that counts for whose turn it is: a new job begins where the others are."""
    pairs: list[Pair] = field(default_factory=list)
    """Its texts, as many as are tokenised, in their order."""
    waiting: list[int] = field(default_factory=list)
    """Places of the pairs that no run has begun, in their order."""
    scored: dict[int, float] = field(default_factory=dict)
    tokens: int = 0
    """Tokens that the model read for it, its part of the padding included."""
    preparing: bool = False
    at_work: int = 0
    """Threads that tokenise or compute something of it at this moment."""
    no_more: bool = False
    """Nothing more of it is begun: there is no time left, or it failed."""
    failed: str = ""
    """Why, where something of it could not be scored."""
    _from: float = 0.0
    _busy_s: float = 0.0

    @property
    def can_run(self) -> bool:
        return bool(self.waiting) and not self.no_more and self.held.running < self.held.model.lanes

    @property
    def to_prepare(self) -> bool:
        return not self.preparing and not self.no_more and len(self.pairs) < len(self.job.texts)

    @property
    def done(self) -> bool:
        """Whether nothing more is to come."""
        whole = len(self.pairs) == len(self.job.texts) and not self.waiting
        return not self.at_work and (whole or self.no_more)

    def begin(self, now: float) -> None:
        if not self.at_work:
            self._from = now
        self.at_work += 1

    def end(self, now: float) -> None:
        self.at_work -= 1
        if not self.at_work:
            self._busy_s += now - self._from

    def fail(self, why: str) -> None:
        self.failed, self.no_more = why, True

    def reply(self, now: float) -> Reply:
        """What there is: a scored prefix, or why there is none."""
        if self.failed:
            return Refused(id=self.job.id, code="failed", sentence=f"The rerank worker {self.failed}.")
        texts = len(self.job.texts)
        prefix = next((place for place in range(texts) if place not in self.scored), texts)
        if texts and not prefix:
            sentence = "The cross-encoder had no time left to score a single passage."
            return Refused(id=self.job.id, code="too_late", sentence=sentence)
        busy_s = self._busy_s + (now - self._from if self.at_work else 0.0)
        return Scored(
            id=self.job.id,
            kind=self.held.model.kind,
            values=tuple(self.scored[place] if place < prefix else None for place in range(texts)),
            compute_ms=busy_s * 1000,
            wait_ms=max(0.0, now - self.came - busy_s) * 1000,
            tokens=self.tokens,
            precision=self.held.model.precision,
        )

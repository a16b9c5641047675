"""What travels between a process that asks and the worker that scores: JSON, and nothing else.

A job is put into the queue `RERANK` as the one argument of the task `SCORE`; its reply is pushed to the
Redis list that the job names. A worker says that it is there by a `Beat` under a key that expires.
Decoding is strict: a field too many or of another type is refused.
"""

from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from rag.types import ScoreKind

SCORE = "rerank.score"
"""The task's name; `search_app.dispatch` sends it, `workers.rerank` has it."""
RERANK = "rerank"
"""The queue's name."""
REPLY_KEY = "sieve:reply:"
REPLY_SECONDS = 30
"""A reply that nobody fetches is gone after so long."""
BEAT_KEY = "sieve:worker:"
"""Before `<kind>:<host>-<pid>`."""
BEAT_SECONDS = 1.0
"""Between two signs of life."""
BEAT_EXPIRES_SECONDS = 4
"""After so long without one, a worker counts as gone."""

T = TypeVar("T")


class Job(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Texts to be scored for a query."""

    id: str
    query: str
    texts: tuple[str, ...]
    reranker: str
    """Fingerprint of the reranker that must score: another one refuses."""
    deadline: float
    """Unix time after which nobody waits any more. The clocks of the machines must agree."""
    reply_to: str
    """Redis list for the reply."""


class Scored(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="scored"):
    """One value per text, in the order given; None where time ran out."""

    id: str
    kind: ScoreKind
    values: tuple[float | None, ...]
    compute_ms: float
    """How long some of it was being computed."""
    wait_ms: float = 0.0
    """How long it was in the worker's hands and nothing of it was computed, because others' texts were."""
    tokens: int = 0
    """Tokens that the model read for it, its part of the padding included."""
    precision: str = ""
    """What computed: `int8`, `bfloat16 on cuda:0`."""


class Refused(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="refused"):
    """Why there are no scores: a code for programs and a sentence for people."""

    id: str
    code: Literal["other_model", "unfit", "too_late", "failed"]
    """`unfit`: the worker has the model, but it does not score as it must."""
    sentence: str


Reply = Scored | Refused


class Beat(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A worker's sign of life."""

    kind: str
    host: str
    pid: int
    started: float
    """Unix time."""
    models: tuple[str, ...] = ()
    """Fingerprints of what it holds and serves."""
    precision: dict[str, str] = {}
    """Fingerprint → what computes: `int8`, `bfloat16 on cuda:0`."""
    unfit: dict[str, str] = {}
    """Fingerprint of what it has but refuses to serve → why, in a sentence."""
    busy_since: float | None = None
    """Unix time at which it began what it is doing; None while it waits for work."""
    trouble: str = ""
    """What keeps it from working, in a sentence; nothing when it can."""


class BadMessage(ValueError):
    """A message that is none of ours, or of another version of this program."""


def encode(message: Struct) -> bytes:
    return msgspec.json.encode(message)


def decode(data: bytes, of: type[T]) -> T:
    """Raises `BadMessage`. For a reply, `of` is the union `Reply`."""
    try:
        return msgspec.json.decode(data, type=of)
    except msgspec.DecodeError as error:
        raise BadMessage(str(error)) from error


def from_plain(value: object) -> Job:
    """The job in the JSON value that the task was sent with. Raises `BadMessage`."""
    try:
        return msgspec.convert(value, Job)
    except msgspec.ValidationError as error:
        raise BadMessage(str(error)) from error


def beat_key(kind: str, host: str, pid: int) -> str:
    return f"{BEAT_KEY}{kind}:{host}-{pid}"


def broker_url(url: str) -> str:
    """The address of Redis as kombu spells it, which has another word for a socket than Redis itself.

    >>> broker_url("unix:///run/queue.sock")
    'redis+socket:///run/queue.sock'
    """
    return url.replace("unix://", "redis+socket://", 1) if url.startswith("unix://") else url

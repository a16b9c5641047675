"""How every part of the installation is, in one sentence each. Nothing is loaded and nothing is mended."""

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Min
from django.utils import timezone

from rag.errors import SieveError
from rag.rerank.message import RERANK, Beat
from rag.spec import PipelineSpec
from search_app import dispatch, index_health, indexes, model_health, pipelines
from search_app.events import event
from search_app.models import Document, Removal

LIMIT_S = 2.0
"""Seconds after which a part counts as one that does not answer."""
MIN_FREE_BYTES = 10**9
MIN_FREE_SHARE = 0.05
WORKERS = (dispatch.INGEST, RERANK)
"""Kinds of workers of which one of each must live where there is a queue."""
REQUIRED = frozenset({"database", "models", "index", "queue", "workers"})
"""Parts without which the site should get no questions. The others are for people."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part as it was a moment ago. `details` are JSON values, for staff only, as is the sentence."""

    name: str
    ok: bool
    sentence: str
    details: Mapping[str, Any] = field(default_factory=dict)


Said = tuple[bool, str, dict[str, Any]]
"""What a check gives: ok, sentence, details."""


# --- Checks ------------------------------------------------------------------------------------------------


def _database() -> Said:
    began = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    elapsed_ms = (time.perf_counter() - began) * 1000
    details = {"vendor": connection.vendor, "elapsed_ms": round(elapsed_ms, 2)}
    return True, f"The database answers in {elapsed_ms:.1f} ms.", details


def _index() -> Said:
    if at := indexes.cluster():
        return index_health.on_cluster(at, _fingerprint_begins(pipelines.default()))
    found = indexes.glance()
    if found is None:
        return True, "There is no index yet; the first document makes it.", {"passages": 0, "documents": 0}
    details = asdict(found)
    wanted = _fingerprint_begins(pipelines.default())
    if not found.encoder.startswith(wanted):
        sentence = (
            f"The index was built with the encoder {found.encoder}, but the default pipeline has "
            f"{wanted}… Run: manage.py reindex"
        )
        return False, sentence, details
    return (
        True,
        f"{found.version} holds {found.passages:,} passages of {found.documents:,} documents.",
        details,
    )


def _fingerprint_begins(spec: PipelineSpec) -> str:
    """How the fingerprint of the spec's encoder begins: its name and, where it is known, its file's hash."""
    for model in pipelines.catalogue():
        if model.name == spec.encoder.model:
            digest = next((file.sha256 for file in model.files if file.name == "model.onnx"), "")
            return f"{model.name}:{digest[:12]}"
    return f"{spec.encoder.model}:"


def _queue() -> Said:
    state = dispatch.queue_state()
    if not state.configured:
        return True, "There is no queue: each process reranks by itself.", {"configured": False}
    details = {
        "configured": True,
        "queues": [{"name": q.name, "length": q.length, "oldest_s": q.oldest_s} for q in state.queues],
    }
    if not state.reachable:
        return False, state.reason, details
    lengths = ", ".join(f"{queue.length} in {queue.name}" for queue in state.queues)
    return True, f"The queue answers. Messages that wait: {lengths or 'none'}.", details


def _workers() -> Said:
    state = dispatch.queue_state()
    if not state.configured:
        return True, "There is no queue, so no worker is needed.", {"workers": []}
    alive = {kind: len(state.alive(kind)) for kind in WORKERS}
    unfit = {model: why for beat in state.workers for model, why in beat.unfit.items()}
    details = {"workers": [_told(beat) for beat in state.workers], "alive": alive, "unfit": len(unfit)}
    if not state.reachable:
        return False, "Nothing is known of the workers: the queue cannot be reached.", details
    missing = [kind for kind, number in alive.items() if not number]
    if missing:
        return False, f"No live worker for: {', '.join(missing)}.", details
    served = {model for beat in state.workers for model in beat.models}
    for model, why in unfit.items():
        if model not in served:
            return False, f"No rerank worker serves {model}: {why}", details
    return True, f"{', '.join(f'{number} {kind}' for kind, number in alive.items())} alive.", details


def _told(beat: Beat) -> dict[str, Any]:
    now = time.time()
    return {
        "kind": beat.kind,
        "host": beat.host,
        "pid": beat.pid,
        "models": list(beat.models),
        "precision": beat.precision,
        "unfit": beat.unfit,
        "up_s": round(max(0.0, now - beat.started), 1),
        "trouble": beat.trouble,
        "busy_s": None if beat.busy_since is None else round(max(0.0, now - beat.busy_since), 1),
    }


def _disk() -> Said:
    usage = shutil.disk_usage(settings.DATA_DIR)
    details = {"free_bytes": usage.free, "total_bytes": usage.total}
    sentence = f"{usage.free / 1e9:.1f} of {usage.total / 1e9:.1f} GB are free where the data lies."
    if usage.free < MIN_FREE_BYTES or usage.free < MIN_FREE_SHARE * usage.total:
        return False, f"Only {sentence} Make room, or ingest and backups will fail.", details
    return True, sentence, details


def _ingest() -> Said:
    found = dict.fromkeys(Document.State.values, 0) | dict(
        Document.objects.order_by().values_list("state").annotate(Count("pk"))
    )
    oldest = Document.objects.filter(state=Document.State.QUEUED).aggregate(at=Min("queued"))["at"]
    waiting_s = max(0.0, (timezone.now() - oldest).total_seconds()) if oldest else 0.0
    details = {
        "documents": found,
        "oldest_queued_s": round(waiting_s, 1),
        "removals": Removal.objects.count(),
    }
    sentence = ", ".join(f"{number:,} {state}" for state, number in found.items()) + "."
    if oldest:
        sentence += f" The oldest has waited for {waiting_s:,.0f} s."
    waits = sorted({beat.trouble for beat in dispatch.queue_state().workers if beat.trouble})
    return not waits, " ".join([sentence, *(f"A worker waits: {trouble}" for trouble in waits)]), details


CHECKS: Mapping[str, Callable[[], Said]] = {
    "database": _database,
    "models": model_health.models,
    "services": model_health.services,
    "index": _index,
    "queue": _queue,
    "workers": _workers,
    "disk": _disk,
    "ingest": _ingest,
}


# --- The report --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """A check that was begun. Reports that come while it runs share it: one that hangs is not begun twice."""

    thread: threading.Thread
    answer: list[Part]


_asked: dict[str, _Asked] = {}
_asking = threading.Lock()
_well: dict[str, bool] = {}
"""How each part was last: it is logged when it turns."""


def report() -> tuple[Part, ...]:
    """Every part, in the order of `CHECKS`. Takes at most `LIMIT_S` seconds and raises nothing."""
    give_up = time.monotonic() + LIMIT_S
    return tuple(_answer(name, asked, give_up) for name, asked in [(n, _ask(n)) for n in CHECKS])


def ready(parts: tuple[Part, ...]) -> bool:
    """Whether every required part is well."""
    return all(part.ok for part in parts if part.name in REQUIRED)


def _answer(name: str, asked: _Asked, give_up: float) -> Part:
    asked.thread.join(max(0.0, give_up - time.monotonic()))
    if asked.answer:
        return asked.answer[0]
    return Part(name, False, f"There was no answer within {LIMIT_S:g} s.")


def _ask(name: str) -> _Asked:
    with _asking:
        earlier = _asked.get(name)
        if earlier is not None and earlier.thread.is_alive():
            return earlier
        answer: list[Part] = []
        thread = threading.Thread(target=_check, args=(name, answer), name=f"health-{name}", daemon=True)
        _asked[name] = _Asked(thread, answer)
        thread.start()
        return _asked[name]


def _check(name: str, answer: list[Part]) -> None:
    """In a thread of its own, with a connection to the database of its own."""
    try:
        ok, sentence, details = CHECKS[name]()
    except SieveError as error:
        ok, sentence, details = False, str(error), {}
    except Exception as error:  # a check says what is wrong, whatever that is
        ok, sentence, details = False, f"It cannot be checked: {type(error).__name__}.", {}
    finally:
        connection.close()
    if not ok and _well.get(name, True):
        event("part_not_well", part=name)
    _well[name] = ok
    answer.append(Part(name, ok, sentence, details))

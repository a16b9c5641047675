"""`python -m workers rerank`, `… encode`, `… ingest`: one worker in this process until told to end."""

import argparse
import importlib
import os
import socket
import warnings
from typing import Any

from celery.platforms import SecurityWarning
from celery.signals import setup_logging, worker_ready, worker_shutting_down

from rag.errors import SieveError
from search_app import logs
from workers.app import ENCODE, INGEST, QUEUE_URL, RERANK, app

KINDS = {
    "rerank": ("workers.rerank", RERANK),
    "encode": ("workers.encode", ENCODE),
    "ingest": ("workers.ingest_app", INGEST),
}
"""Kind of worker → the module that has its task, and its queue."""


def _ours(**_: Any) -> None:
    """In the place of Celery's own set-up of logging, which would write what messages hold."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("kind", choices=sorted(KINDS))
    kind: str = parser.parse_args().kind
    if not QUEUE_URL:
        raise SystemExit(
            "SIEVE_QUEUE is empty: say where the queue is, as in SIEVE_QUEUE=redis://localhost:6379/0"
        )
    os.environ.setdefault("SIEVE_LOG_LEVEL", "INFO")  # as the web server: it says what it does
    logs.configure()
    setup_logging.connect(_ours)
    warnings.simplefilter("ignore", SecurityWarning)  # on root: messages are JSON, nothing in them is run
    name, queue = KINDS[kind]
    module = importlib.import_module(name)
    try:
        heartbeat = module.begin()
    except SieveError as error:
        raise SystemExit(str(error)) from error

    def ready(**_: Any) -> None:
        heartbeat.start()

    def leaving(**_: Any) -> None:
        heartbeat.stop()
        module.end()

    worker_ready.connect(ready)
    worker_shutting_down.connect(leaving)
    worker = app.Worker(
        hostname=f"{kind}@{socket.gethostname()}-{os.getpid()}",
        queues=[queue],
        pool="solo",
        concurrency=1,
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    raise SystemExit(worker.exitcode or 0)


if __name__ == "__main__":
    main()

"""The Celery application of the workers. Knows neither Django nor a model, so every worker can have it.

JSON only. One message is taken at a time, and lost with the worker that took it: what must not be lost
stands in the database.
"""

import os
from pathlib import Path
from typing import Any

from celery import Celery
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown

from rag.rerank.message import RERANK, broker_url

log = get_logger(__name__)

INGEST = "ingest"
"""The queue of the ingest worker."""
ENCODE = "encode"
"""The queue of the encode worker."""
QUEUE_FILE = os.environ.get("SIEVE_QUEUE_FILE")
QUEUE_URL: str = (
    Path(QUEUE_FILE).read_text("utf-8").strip() if QUEUE_FILE else os.environ.get("SIEVE_QUEUE", "")
)
MODEL_DIR: Path = Path(
    os.environ.get("SIEVE_MODEL_DIR")
    or Path(os.environ.get("SIEVE_DATA_DIR") or Path(__file__).resolve().parent.parent / "var") / "models"
).absolute()


class PatientConsumer(Consumer):
    """Comes back within a second when Redis does; Celery's own pauses grow to half a minute."""

    def ensure_connected(self, conn: Any) -> Any:
        def failed(error: Exception, pause: float) -> None:
            if not said:
                log.warning("The queue cannot be reached; trying again until it can.", exc_info=error)
                said.append(True)

        said: list[bool] = []
        conn.ensure_connection(
            failed, None, interval_start=0.1, interval_step=0.2, interval_max=0.9, callback=maybe_shutdown
        )
        self.first_connection_attempt = False
        if said:
            log.warning("The queue is there again.")
        return conn


app = Celery("sieve", broker=broker_url(QUEUE_URL) or "memory://", set_as_current=False, fixups=())
app.conf.update(
    accept_content=["json"],
    task_serializer="json",
    task_acks_late=True,
    task_ignore_result=True,
    task_default_queue=INGEST,
    task_routes={"rerank.*": {"queue": RERANK}, "encode.*": {"queue": ENCODE}, "ingest.*": {"queue": INGEST}},
    task_create_missing_queues=True,
    worker_prefetch_multiplier=1,
    worker_pool="solo",
    worker_consumer="workers.app:PatientConsumer",
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_cancel_long_running_tasks_on_connection_loss=True,  # silences a notice; a solo worker has none
    broker_connection_retry_on_startup=True,
    # No message comes again: nobody waits for a job so long, and what is to be done stands in the rows.
    # Without that emulation a message is one command of Redis instead of four.
    broker_transport_options={"ack_emulation": False, "socket_connect_timeout": 2},
)

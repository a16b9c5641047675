"""The ingest worker: short pieces of work, each of which begins with a message.

The rows of the database say what is to be done; a message only says that there may be something. Uploads
send one, a piece that leaves more to do sends one, and so does the clock, every few seconds: Redis may lose
a message, whatever its settings, and no document waits for it longer than that.
"""

import os
import threading
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "search_app.settings")
django.setup()

from celery.utils.log import get_logger  # noqa: E402
from django.db import close_old_connections  # noqa: E402
from redis import RedisError  # noqa: E402

from search_app.dispatch import WORK  # noqa: E402
from workers import ingest  # noqa: E402  (rows can be imported only now)
from workers.app import INGEST, QUEUE_URL, app  # noqa: E402
from workers.heartbeat import Heartbeat, client  # noqa: E402

log = get_logger(__name__)

KIND = "ingest"
TICK_SECONDS = 2.0
"""Between two looks at the rows."""

_heartbeat = Heartbeat(QUEUE_URL, KIND, trouble=ingest.trouble)
_redis = client(QUEUE_URL)


def begin() -> Heartbeat:
    threading.Thread(target=_clock, name="clock", daemon=True).start()
    return _heartbeat


def end() -> None:
    """Have the piece that is being worked on end soon."""
    ingest.stop()


@app.task(name=WORK)
def work() -> None:
    close_old_connections()
    try:
        with _heartbeat.busy():
            more = ingest.work()
    finally:
        close_old_connections()
    if more:
        _send()


def _send() -> None:
    """Have another piece begin, unless a message waits already: they must not become more and more."""
    try:
        if not _redis.llen(INGEST):
            work.apply_async(retry=False)
    except (RedisError, OSError, work.OperationalError) as error:
        log.warning("The queue cannot be reached; the clock will try again.", exc_info=error)


def _clock() -> None:
    while True:
        try:
            close_old_connections()
            if ingest.tick():
                _send()
            close_old_connections()
        except Exception:  # the next round tries again; without the clock a lost message would stay lost
            log.exception("A look at the rows broke.")
        time.sleep(TICK_SECONDS)

"""Settings of the web server: `gunicorn --config python:search_app.gunicorn`.

One process, because the models are loaded once in each; threads, because a question waits for its
stream and the models release Python's lock while they compute. Most of the threads wait: how many compute
at the same time, `search_app.seats` says.
"""

import errno
import os
import socket
import struct
import threading
from typing import Any

from gunicorn import util
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import TConn, ThreadWorker

from search_app import logs
from search_app.environment import whole

SEATS = whole("SIEVE_THREADS", 24, least=1)
"""Requests that compute at the same time: `search_app.seats`."""
WAITING = whole("SIEVE_STREAMS", 232)
"""Threads besides, for answers that are on their way to somebody."""
SEND_BUFFER = 2**19
"""Bytes of an answer that the system takes off a thread's hands: more than a page with an answer has."""
STALLED_S = 20
"""A reader who does not make room for more within this time is dropped."""


class SafeLogger(Logger):
    """Gunicorn's own lines in the same form as all others, without what they were filled in with."""

    def setup(self, cfg: object) -> None:
        super().setup(cfg)
        # A server says what it does, a command only what is wrong.
        os.environ.setdefault("SIEVE_LOG_LEVEL", "INFO")
        logs.configure()

    # Each names its caller as the place in the code: there the message stands as it is, not filled in.

    def critical(self, msg: str, *args: Any, **more: Any) -> None:
        self.error_log.critical(msg, *args, stacklevel=2, **more)

    def error(self, msg: str, *args: Any, **more: Any) -> None:
        self.error_log.error(msg, *args, stacklevel=2, **more)

    def warning(self, msg: str, *args: Any, **more: Any) -> None:
        self.error_log.warning(msg, *args, stacklevel=2, **more)

    def exception(self, msg: str, *args: Any, **more: Any) -> None:
        self.error_log.exception(msg, *args, stacklevel=2, **more)


class Worker(ThreadWorker):
    """Threads that no reader can hold for long, however slowly he reads."""

    def handle_request(self, req: Any, conn: TConn) -> bool:
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", STALLED_S, 0))
        try:
            return bool(super().handle_request(req, conn))
        except BlockingIOError as error:  # what the system says after that time
            raise BrokenPipeError(errno.EPIPE, "the reader is too slow") from error

    def handle(self, conn: TConn) -> Any:
        """Waits here for the client to close its side, not in the thread that takes all connections."""
        again = super().handle(conn)
        if again is False:
            util.close_graceful(conn.sock)
            conn.close = lambda graceful=False: None
        return again


def post_worker_init(worker: object) -> None:
    """Have the models ready before the first question comes; requests are served meanwhile."""
    from search_app import warming

    threading.Thread(target=warming.warm_up, name="warm-up", daemon=True).start()


logger_class = SafeLogger
wsgi_app = "search_app.wsgi:application"
bind = os.environ.get("SIEVE_BIND") or "127.0.0.1:8000"
worker_class = Worker
workers = 1
threads = SEATS + WAITING
timeout = 120
"""Seconds without a sign of life after which the process is started anew."""
graceful_timeout = 30
keepalive = 5
limit_request_line = 8190
"""Bytes: a question of 2,000 letters fits into an address in most scripts."""
limit_request_fields = 60
accesslog = None
"""No access log: its lines would hold what people ask. Events `request` name the route instead."""

"""What the first question would have to wait for, done before it comes."""

import logging
import time

from django.db import DatabaseError, connection

from rag.errors import SieveError
from search_app import dispatch, pipelines

log = logging.getLogger(__name__)

PATIENCE_S = 60.0
"""At a first start the tables are made while the server starts."""


def warm_up() -> None:
    """Load the default pipeline, encode a word, and meet the queue."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            pipelines.get().encoder.encode_queries(["warm"])
            dispatch.queue_state()
            return
        except (SieveError, DatabaseError) as error:
            if time.monotonic() > deadline:
                log.warning("The models could not be loaded ahead of the first question.", exc_info=error)
                return
            time.sleep(0.5)
        finally:
            connection.close()

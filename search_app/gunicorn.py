"""Settings of the web server: `gunicorn --config python:search_app.gunicorn`.

One process, because the models are loaded once in each; threads, because a question waits for its
stream and the models release Python's lock while they compute.
"""

import os

wsgi_app = "search_app.wsgi:application"
bind = os.environ.get("SIEVE_BIND") or "127.0.0.1:8000"
worker_class = "gthread"
workers = 1
threads = int(os.environ.get("SIEVE_THREADS") or 8)
timeout = 120
"""Seconds without a sign of life after which the process is started anew."""
graceful_timeout = 30
keepalive = 5
accesslog = None
"""No access log: its lines would hold what people ask."""

"""The WSGI application. The server's settings are in `search_app/gunicorn.py`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "search_app.settings")
application = get_wsgi_application()

from search_app import checks, pipelines  # noqa: E402  (rows can be imported only now)

checks.refuse_to_start()
pipelines.score_by_queue()

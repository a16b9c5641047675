"""What the ingest worker does, as plain functions: the queue's tasks and timers call them."""

import os

import django
from django.apps import apps

if not apps.ready:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "search_app.settings")
    django.setup()


def work() -> bool:
    """Take up documents that are due, for about 20 seconds. True: there is more to do, call again."""
    return False


def tick() -> bool:
    """What is to be done every few seconds. True: there is work, send a hint to the ingest queue."""
    return False


def stop() -> None:
    """Let a `work` that runs in another thread of this process end soon; it gives back what it claimed."""

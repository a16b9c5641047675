"""What the workers import and register: run apart, because these tests have Django loaded already."""

import json
import os
import subprocess
import sys
from pathlib import Path

from rag.encode.message import ENCODE
from rag.rerank import message
from search_app import dispatch

ROOT = Path(__file__).resolve().parents[2]


def python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_rerank_worker_has_no_django() -> None:
    """Nor needs it: kombu looks for it by itself, and is told here that there is none."""
    code = (
        "import sys; sys.modules['django'] = None; import workers.app, workers.rerank, "
        "workers.encode, workers.heartbeat; "
        "names = {m.split('.')[0] for m, value in sys.modules.items() if value is not None}; "
        "print(*sorted(names & {'django', 'search_app', 'torch'}))"
    )
    assert python(code).split() == []
    assert python(code, DJANGO_SETTINGS_MODULE="search_app.settings").split() == []


def test_the_tasks_that_are_sent_are_the_tasks_that_are_there() -> None:
    code = (
        "import json, workers.rerank, workers.encode, workers.ingest_app; "
        "from workers.app import INGEST, RERANK, app; "
        "route = lambda name: app.amqp.router.route({}, name)['queue'].name; "
        "tasks = [t for t in app.tasks if not t.startswith('celery.')]; "
        "print(json.dumps({t: route(t) for t in tasks} | {'queues': [INGEST, RERANK]}))"
    )
    there = json.loads(python(code, SIEVE_QUEUE="redis://localhost:1/0"))
    assert there == {
        dispatch.WORK: dispatch.INGEST,
        message.SCORE: message.RERANK,
        ENCODE: dispatch.ENCODE,
        "queues": list(dispatch.QUEUES),
    }


def test_the_application_is_careful() -> None:
    code = (
        "import json; from workers.app import app; c = app.conf; print(json.dumps([c.task_serializer, "
        "c.accept_content, c.task_acks_late, c.worker_prefetch_multiplier, c.task_ignore_result]))"
    )
    assert json.loads(python(code)) == ["json", ["json"], True, 1, True]


def test_a_worker_without_a_queue_says_what_to_set() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workers", "rerank"],
        cwd=ROOT,
        env=os.environ | {"SIEVE_QUEUE": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "SIEVE_QUEUE is empty: say where the queue is, as in SIEVE_QUEUE=redis://localhost:6379/0"
    )


def test_a_worker_without_its_model_says_how_to_get_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workers", "rerank"],
        cwd=ROOT,
        env=os.environ | {"SIEVE_QUEUE": "redis://localhost:1/0", "SIEVE_MODEL_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Get it with: manage.py models pull ms-marco-MiniLM-L-12-v2-int8" in done.stderr
    assert "Traceback" not in done.stderr

"""What the last `manage.py verify` found, kept beside the index for whoever looks at its health."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_datetime

NAME = "verified.json"


@dataclass(frozen=True, slots=True)
class Verified:
    """When it was, and a sentence for each problem."""

    at: datetime
    problems: tuple[str, ...]


def keep(problems: Sequence[str]) -> None:
    """Note the outcome of a check that has just ended, in place of the one before."""
    settings.INDEX_DIR.mkdir(parents=True, exist_ok=True)
    draft = settings.INDEX_DIR / f".{NAME}.{os.getpid()}"
    draft.write_text(json.dumps({"at": timezone.now().isoformat(), "problems": list(problems)}), "utf-8")
    draft.replace(settings.INDEX_DIR / NAME)


def last() -> Verified | None:
    """The last outcome; None when it was never checked here, or when the note cannot be read."""
    try:
        noted = json.loads((settings.INDEX_DIR / NAME).read_text("utf-8"))
        at = parse_datetime(noted["at"])
        return Verified(at, tuple(str(problem) for problem in noted["problems"])) if at else None
    except (OSError, ValueError, KeyError, TypeError):
        return None

"""The answer so far, as the finished page shows it: what is sent while it is written."""

import time
from typing import Protocol

from django.template.loader import render_to_string

from rag.events import Delta, Event, Generated, Rewritten, Skipped
from rag.trace import Trace
from search_app.pages.answer import said_context

GAP_S = 0.1
"""At least so long between two pieces of an answer: nobody reads faster, and each is rendered whole."""
SHARE = 20
"""And so many times as long as rendering took: beside many others it takes long, and is done less often."""
LONGEST_S = 2.0


class Recorded(Protocol):
    @property
    def trace(self) -> Trace: ...


class SoFar:
    """Renders what is said so far after the events that change it, not more often than `GAP_S` allows.

    What came after the last rendering is made up for when the writing ends.
    """

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self._due_at = 0.0
        self._behind = False

    def after(self, event: Event) -> str:
        """The HTML of the part `said`; empty where there is nothing new, or not yet."""
        if isinstance(event, Rewritten):
            return self._render()
        if isinstance(event, Delta):
            self._behind = self._behind or bool(event.text)
            due = time.monotonic() >= self._due_at
        else:
            due = isinstance(event, Generated | Skipped)
        return self._render() if due and self._behind else ""

    def _render(self) -> str:
        began = time.monotonic()
        html = render_to_string("search/_said.html", said_context(self._recorded.trace, live=True))
        ended = time.monotonic()
        self._due_at = ended + max(GAP_S, min(SHARE * (ended - began), LONGEST_S))
        self._behind = False
        return html

"""Citations, validated while the answer is being written.

No marker is ever shown that points at nothing: unknown ones are taken out and counted, and what could still
become one is held back until it is known. The only square brackets in an answer are those of its markers.

A marker cites for the sentence that it stands in or that ended just before it; where it begins a text or a
line, for the sentence after it. Two markers in one sentence share it: each stands for what comes before it.
"""

import re
from collections.abc import Sequence

from rag.answers import Citation
from rag.events import Delta
from rag.evidence import evidence
from rag.marks import Group, Marks
from rag.sentences import sentences
from rag.types import Passage

Span = tuple[int, int]
_ENDS = tuple(".!?…。！？:;")
_OPENS = re.compile(r"<(?=[^\W\d_]|[/!?])")
_BULLETS = "-*•‣–—+#> \t\n"


class Citing:
    """Fed with raw text in any pieces, it gives clean deltas; joined they are `text`."""

    def __init__(self, context: Sequence[Passage]) -> None:
        """`context[i]` has the marker `i + 1`."""
        self.text = ""
        self.citations: list[Citation] = []
        self.unknown = 0
        self._context = context
        self._marks = Marks()
        self._told = 0
        """Characters and citations that a delta has given."""
        self._told_citations = 0
        self._space = ""
        """White space that is shown only once something follows it."""
        self._removed = False
        """Whether a marker was taken out since the last character."""
        self._lost = ""
        """White space before that one."""
        self._opening: list[int] = []
        """Markers before any text: shown once there is some."""
        self._leading: list[int] = []
        """Shown, and for the sentence that follows."""
        self._group: list[int] = []
        """Those written since the last word."""
        self._after = 0
        """Where the text after the last marker begins."""
        self._claim: Span | None = None

    def feed(self, piece: str) -> Delta:
        for part in self._marks.feed(piece):
            self._take(part)
        return self._delta()

    def end(self) -> Delta:
        for part in self._marks.end():
            self._take(part)
        if self._leading:
            self._cite(self._leading, self._following() or self._claim or self._all())
            self._leading = []
        return self._delta()

    def _delta(self) -> Delta:
        new = Delta(self.text[self._told :], tuple(self.citations[self._told_citations :]))
        self._told, self._told_citations = len(self.text), len(self.citations)
        return new

    def _take(self, part: str | Group) -> None:
        if isinstance(part, Group):
            self._mark(part)
            return
        for run in _runs(part):
            self._blank(run) if run.isspace() else self._write(run)

    # --- text --------------------------------------------------------------------------------------

    def _blank(self, run: str) -> None:
        if (self.text or self._opening) and not (self._removed and "\n" in self._space):
            self._space += run

    def _write(self, run: str) -> None:
        for number in self._opening:
            self.text += f"[{number}]"
            self._leading.append(number)
            self._after = len(self.text)
        self._opening = []
        if not self._space and self.text:
            before = self.text[-1]
            opens = before == "<" and (run[0].isalpha() or run[0] in "/!?")
            linked = before == "]" and run[0] in "(:"
            parted = self._removed and before.isalnum() and run[0].isalnum()
            self._space = " " if opens or linked or parted else ""
        self.text += self._space + _OPENS.sub("< ", run)
        self._space, self._removed = "", False
        if any(c.isalnum() for c in run):
            self._group = []

    # --- markers -----------------------------------------------------------------------------------

    def _mark(self, group: Group) -> None:
        numbers = [n for n in dict.fromkeys(group.numbers) if 1 <= n <= len(self._context)]
        self.unknown += sum(not 1 <= n <= len(self._context) for n in group.numbers)
        new = [n for n in numbers if n not in self._group]
        if not new:
            if not self._removed:
                self._lost = self._space
            self._space = self._space if "\n" in self._space else ""
            self._removed = True
            return
        if self._removed:
            self._space = self._space or self._lost
        self._group += new
        if not self.text:
            self._opening += new
            return
        self._place(new)
        if self.text.endswith("!") and not self._space:
            self._space = " "
        self.text += self._space + "".join(f"[{n}]" for n in new)
        self._space, self._removed = "", False
        self._after = len(self.text)

    def _place(self, new: list[int]) -> None:
        """Decide what these stand for, before they are written."""
        segment = self.text[self._after :]
        words = any(c.isalnum() for c in segment)
        line_so_far = (segment + self._space).rpartition("\n")[2]
        line = not any(c.isalnum() for c in line_so_far) and (
            "\n" in segment + self._space or not any(c.isalnum() for c in self.text)
        )
        if not words and not line:
            if self._leading:
                self._leading += new
            else:
                self._cite(new, self._claim or self._all())
            return
        begins = line
        if self._leading:
            spans = self._spans()
            closed = segment.rstrip("\"'”’»)").endswith(_ENDS) and bool(self._space)
            self._cite(self._leading, self._following() or self._claim or self._all())
            self._leading = []
            begins = begins or (closed and len(spans) == 1)
        if begins:
            self._claim = self._last() or self._claim
            self._leading = list(new)
        else:
            self._cite(new, self._last() or self._all())

    def _cite(self, numbers: Sequence[int], claim: Span) -> None:
        self._claim = claim
        said = self.text[slice(*claim)]
        for number in numbers:
            passage = self._context[number - 1]
            start, end = evidence(said, passage.text)
            first = passage.span[0]
            self.citations.append(Citation(number, passage.id, (first + start, first + end), claim))

    def _spans(self) -> list[Span]:
        """Sentences since the last marker, without bullets before them."""
        found = []
        for start, end in sentences(self.text[self._after :]):
            piece = self.text[self._after + start : self._after + end]
            start += len(piece) - len(piece.lstrip(_BULLETS + ".,;:!?"))
            if any(c.isalnum() for c in piece):
                found.append((self._after + start, self._after + end))
        return found

    def _following(self) -> Span | None:
        return next(iter(self._spans()), None)

    def _last(self) -> Span | None:
        spans = self._spans()
        return spans[-1] if spans else None

    def _all(self) -> Span:
        """Where nothing else is there to stand for: what is written."""
        return 0, max(1, len(self.text))


def _runs(text: str) -> list[str]:
    """White space and what is between it, in turn."""
    runs: list[str] = []
    for letter in text:
        if runs and runs[-1][-1].isspace() == letter.isspace():
            runs[-1] += letter
        else:
            runs.append(letter)
    return runs

"""Every way to see something, tried by one person and judged by the model."""

import json
import random
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from rag.errors import SieveError
from rag.trace import Trace, fold
from search_app import selectors
from search_app.asking import Recording, ask
from tests.search_app.rights.model import Person, words_in
from tests.search_app.rights.pages import Pages
from tests.search_app.rights.world import COMMON, World


@dataclass
class Surfaces:
    world: World
    random: random.Random
    pages: Pages
    counts: Counter[str] = field(default_factory=Counter)

    def one(self, person: Person) -> None:
        """One random query of this person on one random surface."""
        ways: list[tuple[Callable[[Person], str | None], int]] = [
            (self.search, 50),
            (self.answer, 15),
            (self.trace, 20),
            (self.document, 15),
            (self.page, 8),
        ]
        (way,) = self.random.choices([w for w, _ in ways], [weight for _, weight in ways])
        self.counts[way(person) or way.__name__] += 1

    def page(self, person: Person) -> str:
        return f"page: {self.pages.one(person)}"

    # --- Questions ---------------------------------------------------------------------------------------

    def search(self, person: Person) -> None:
        self._question(person, record=False)

    def answer(self, person: Person) -> None:
        self._question(person, record=True)

    def _question(self, person: Person, *, record: bool) -> None:
        """Ask for words that all share, or for a document's own, read or not, in all or some collections."""
        model = self.world.model
        found = model.searchable(person)
        own = self.random.choice(found) if found and self.random.random() < 0.4 else None
        words = self.random.choices(COMMON, k=3)
        names: list[str] = []
        if own is not None:
            words.append(self.world.lure(own))
        elif self.random.random() < 0.5:
            words.append(self._any_lure())
        if self.random.random() < 0.2:
            names = [self.random.choice(list(model.libraries))]
        question = " ".join(words)
        readable = [name for name in model.libraries if model.may_read(person, name)]
        try:
            recording = ask(question, viewer=self.world.viewer(person), collections=names)
            trace = self._kept(recording) if record else fold(recording.stream)
        except SieveError as error:
            said = str(error)
            for name in names:
                said = said.replace(name, "")
            assert not model.foreign(person, said), said
            asked = names or readable
            nothing = not any(model.papers[n].collection in asked for n in self._indexed())
            assert nothing or not set(names) <= set(readable), f"{person} got: {error}"
            return
        assert set(names) <= set(readable), f"{person} asked in {names}"
        text, used = text_of(trace), used_text_of(trace)
        assert not model.foreign(person, text + said_of(trace)), f"{person} found foreign passages"
        if own is not None and model.papers[own].collection in (names or readable):
            assert words_in(text) & self.world.current_words(own), f"{person} did not find document {own}"
        if record:
            self.world.note_trace(person, str(recording.trace_id), text, used)

    def _kept(self, recording: Recording) -> Trace:
        """The trace of a question that is kept; of one in five the asker leaves before the answer."""
        if self.random.random() < 0.8:
            return recording.finish()
        with closing(recording.events()) as events:
            for _ in zip(range(self.random.randint(3, 6)), events, strict=False):
                pass
        return recording.trace

    def _indexed(self) -> list[int]:
        return [n for n, paper in self.world.model.papers.items() if paper.current is not None]

    def _any_lure(self) -> str:
        """A word of any content there ever was."""
        contents = list(self.world.model.contents)
        return self.random.choice(contents).replace("mk", "lu", 1) if contents else "ferry"

    # --- What is kept ------------------------------------------------------------------------------------

    def trace(self, person: Person) -> None:
        """Open any trace: as the page of the trace, as JSON, as the page of the answer."""
        model = self.world.model
        if not model.traces:
            return
        trace_id = self._some_trace(person)
        viewer = self.world.viewer(person)
        whole = selectors.trace(viewer, uuid.UUID(trace_id))
        assert (whole is not None) == model.may_open(person, trace_id), f"{person} and trace {trace_id}"
        if whole is not None:
            shown = text_of(whole.trace) + said_of(whole.trace) + json.dumps(selectors.exported(whole))
            assert not model.foreign(person, shown, old=True), f"{person} saw foreign text in a trace"
        answer = selectors.answer(viewer, uuid.UUID(trace_id))
        assert (answer is not None) == model.may_open(person, trace_id, answer=True)
        if answer is not None:
            shown = text_of(answer.trace) + said_of(answer.trace)
            assert not model.foreign(person, shown, old=True), f"{person} saw foreign text in an answer"

    def _some_trace(self, person: Person) -> str:
        """More often one that may be opened, and of late."""
        traces = list(self.world.model.traces)[-60:]
        mine = [t for t in traces if self.world.model.traces[t].owner == (person.user or person.name)]
        return self.random.choice(mine if mine and self.random.random() < 0.6 else traces)

    def document(self, person: Person) -> None:
        """Open any document there ever was, in any version."""
        model = self.world.model
        if not model.papers:
            return
        number = self.random.choice(list(model.papers))
        opened = selectors.document(self.world.viewer(person), number, self.random.choice([None, 1, 2]))
        assert (opened is not None) == (number in model.searchable(person)), f"{person} and {number}"
        if opened is not None:
            shown = f"{opened.version.title} {opened.version.text} {opened.document.name}"
            assert not model.foreign(person, shown)
            assert words_in(shown) & self.world.current_words(number)


def text_of(trace: Trace) -> str:
    """All that the passages of a trace say."""
    return "\n".join(f"{p.title}\n{p.headings}\n{p.text}" for p in trace.passages.values())


def used_text_of(trace: Trace) -> str:
    """The same of those that the answer saw."""
    passages = trace.passages
    used = [passages[c.passage_id] for c in trace.context]
    return "\n".join(f"{p.title}\n{p.headings}\n{p.text}" for p in used)


def said_of(trace: Trace) -> str:
    """What a trace says beside its passages, less the question."""
    answer = trace.answer.text if trace.answer else ""
    return f"{answer} {trace.query.collections} {trace.skipped} {trace.dropped}"

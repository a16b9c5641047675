"""The same by HTTP: what a browser or a program is shown, judged by the model."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponseBase
from django.test import Client

from search_app import keys
from search_app.access import ASKER
from search_app.models import ApiKey, Collection, TraceRecord
from tests.search_app.rights.model import Person, words_in
from tests.search_app.rights.people import BACKEND
from tests.search_app.rights.walking import text_of
from tests.search_app.rights.world import COMMON, World


@dataclass
class Pages:
    """Browsers of all people, and a key for the one who has one."""

    world: World
    random: random.Random
    clients: dict[str, Client] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    """Questions of each browser that must stand in its history."""

    def ways(self, person: Person) -> list[Callable[[Person], None]]:
        api = [self.api_search, self.api_answer, self.api_documents, self.api_document, self.api_trace]
        api += [self.api_traces, self.api_collections]
        if person.limit is not None:  # a key opens no pages
            return api
        return [self.stream, self.trace, self.shared, self.document, self.history, self.export, *api]

    def one(self, person: Person) -> str:
        """One random request; the name of its surface."""
        way = self.random.choice(self.ways(person))
        way(person)
        return way.__name__

    def client(self, person: Person) -> Client:
        if person.limit is not None:
            return self._key(person)
        if person.name not in self.clients:
            client = Client()
            if person.user is None:
                session = client.session
                session[ASKER] = person.name
                session.save()
            else:
                client.force_login(self.world.users[person.user], backend=BACKEND)
            self.clients[person.name] = client
        return self.clients[person.name]

    def _key(self, person: Person) -> Client:
        rows = Collection.objects.filter(name__in=person.limit or ())
        if person.name not in self.clients:
            user = self.world.users[person.user or ""]
            _, text = keys.make(user, person.name, ["search", "read"], list(rows))
            self.clients[person.name] = Client(headers={"Authorization": f"Bearer {text}"})
        ApiKey.objects.get(name=person.name).collections.set(rows)
        return self.clients[person.name]

    def get(self, person: Person, path: str, *, old: bool = False, may: bool | None = None) -> str:
        """What is at an address. It must be 200 when it `may` be read, else 404; and nothing foreign."""
        return self.checked(person, self.client(person).get(path), path, old=old, may=may)

    def checked(
        self, person: Person, response: HttpResponseBase, path: str, *, old: bool, may: bool | None
    ) -> str:
        expected = {True: 200, False: 404, None: response.status_code}[may]
        assert response.status_code == expected, f"{person} got {response.status_code} at {path}"
        text = text_of(response)
        found = self.world.model.foreign(person, text, old=old)
        assert not found, f"{person} saw {found} at {path}"
        return text

    # --- Questions ---------------------------------------------------------------------------------------

    def question(self, person: Person) -> tuple[str, int | None]:
        """A question, and the document whose passage it must find."""
        found = self.world.model.searchable(person)
        own = self.random.choice(found) if found else None
        words = self.random.choices(COMMON, k=2)
        return " ".join([*words, self.world.lure(own)] if own is not None else words), own

    def stream(self, person: Person) -> None:
        question, own = self.question(person)
        response = self.client(person).get("/ask/stream", {"q": question})
        text = self.checked(person, response, "/ask/stream", old=False, may=True)
        link = re.search(r"/answers/([0-9a-f-]{36})", text)
        assert link or own is None, f"{person} got no answer at all"
        if link:
            self.asked[person.name] = self.asked.get(person.name, 0) + 1
            self.note(person, link[1], own)

    def note(self, person: Person, trace_id: str, own: int | None) -> None:
        """Remember the trace; it found the person's `own` document, however far below on the page."""
        record = TraceRecord.objects.get(pk=trace_id)
        found = set(map(int, record.documents))
        assert own is None or own in found, f"{person} did not find document {own}"
        self.world.note_documents(person, trace_id, found, map(int, record.used))

    def _post(self, person: Person, path: str) -> None:
        question, own = self.question(person)
        response = self.client(person).post(path, json.dumps({"question": question}), "application/json")
        self.checked(person, response, path, old=False, may=None)
        assert response.status_code == 200 or (response.status_code == 409 and own is None)
        if response.status_code == 200:
            self.note(person, response.json()["trace_id"], own)

    def api_search(self, person: Person) -> None:
        self._post(person, "/api/v1/search")

    def api_answer(self, person: Person) -> None:
        self._post(person, "/api/v1/answers")

    # --- What is kept ------------------------------------------------------------------------------------

    def _trace_id(self, *, shared: bool) -> str | None:
        traces = self.world.model.traces
        chosen = [t for t in list(traces)[-80:] if traces[t].shared or not shared]
        return self.random.choice(chosen) if chosen else None

    def trace(self, person: Person) -> None:
        self._trace(person, self._trace_id(shared=False))

    def shared(self, person: Person) -> None:
        self._trace(person, self._trace_id(shared=True))

    def _trace(self, person: Person, trace_id: str | None) -> None:
        if trace_id is None:
            return
        model = self.world.model
        may = model.may_open(person, trace_id)
        self.get(person, f"/traces/{trace_id}/", old=True, may=may)
        self.get(person, f"/traces/{trace_id}.json", old=True, may=may)
        may = model.may_open(person, trace_id, answer=True)
        self.get(person, f"/answers/{trace_id}", old=True, may=may)

    def api_trace(self, person: Person) -> None:
        trace_id = self._trace_id(shared=False)
        if trace_id is not None:
            may = self.world.model.may_open(person, trace_id)
            self.get(person, f"/api/v1/traces/{trace_id}", old=True, may=may)

    def api_traces(self, person: Person) -> None:
        text = self.get(person, "/api/v1/traces?limit=200", old=True)
        model, who = self.world.model, person.user or person.name
        own = [t for t in model.traces if model.traces[t].owner == who and model.may_open(person, t)]
        listed = {row["id"] for row in json.loads(text.partition("\n\n")[2])["results"]}
        assert listed <= set(own), f"{person} was listed traces of others"
        assert listed >= set(own[-30:]) or len(own) > 100, f"{person} misses own traces"

    def history(self, person: Person) -> None:
        text = self.get(person, "/history/", old=True)
        for conversation in set(re.findall(r"/history/([0-9a-f-]{36})", text)) if text else ():
            if self.random.random() < 0.1:
                self.get(person, f"/history/{conversation}", old=True, may=True)
                self.get(person, f"/history/{conversation}.md", old=True, may=True)

    def export(self, person: Person) -> None:
        text = self.get(person, "/history/export.json", old=True, may=True)
        asked: Any = json.loads(text.partition("\n\n")[2])
        found = json.dumps(asked).count('"question"')
        assert found == self.asked.get(person.name, 0), f"{person} has {found} questions in the export"
        self.get(person, "/history/export.md", old=True, may=True)

    # --- Documents ---------------------------------------------------------------------------------------

    def document(self, person: Person) -> None:
        number = self.random.choice(list(self.world.model.papers))
        may = number in self.world.model.searchable(person)
        text = self.get(person, f"/documents/{number}", may=may)
        original = self.get(person, f"/documents/{number}/file", may=may)
        if may:
            assert self.world.current_words(number) & words_in(text) & words_in(original)

    def api_document(self, person: Person) -> None:
        model, number = self.world.model, self.random.choice(list(self.world.model.papers))
        may = model.may_read_paper(person, number)
        self.get(person, f"/api/v1/documents/{number}", may=may)
        if not may or number in model.searchable(person):  # else it says that there is no text yet
            self.get(person, f"/api/v1/documents/{number}/text", may=may)

    def api_documents(self, person: Person) -> None:
        text = self.get(person, "/api/v1/documents?limit=200", may=True)
        model = self.world.model
        listed = {row["id"] for row in json.loads(text.partition("\n\n")[2])["results"]}
        assert listed == {number for number in model.papers if model.may_read_paper(person, number)}

    def api_collections(self, person: Person) -> None:
        text = self.get(person, "/api/v1/collections?limit=200", may=True)
        model = self.world.model
        listed = {row["name"] for row in json.loads(text.partition("\n\n")[2])["results"]}
        assert listed == {name for name in model.libraries if model.may_read(person, name)}

"""The application and the model of its rights, changed together: one method a change."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.contrib.auth.models import Group, User

from search_app import collecting, uploads
from search_app.access import Viewer
from search_app.models import Collection, Document, TraceRecord
from tests.search_app.rights.indexing import Worker
from tests.search_app.rights.model import Asked, Library, Model, Paper, Person, word, words_in

COMMON = ("ferry", "harbour", "tide", "lantern", "anchor", "compass", "rope", "sail", "keel", "deck", "mast")
GROUPS, USERS_A_GROUP, COLLECTIONS = 3, 5, 8


@dataclass
class World:
    """Three groups of five users, a visitor, one of the staff, and a key for some collections."""

    random: random.Random
    worker: Worker
    model: Model = field(default_factory=Model)
    people: list[Person] = field(default_factory=list)
    users: dict[str, User] = field(default_factory=dict)
    words: int = 0

    def build(self) -> None:
        for g in range(GROUPS):
            group = Group.objects.create(name=f"group{g}")
            self.model.members[group.name] = set()
            for u in range(USERS_A_GROUP):
                self._person(f"user{g}{u}")
                self.join(f"user{g}{u}", group.name)
        self._person("chief", staff=True)
        self.people += [Person("visitor"), Person("key", user="user00", limit=frozenset())]
        for number in range(COLLECTIONS):
            name = word("cm", number)
            Collection.objects.create(name=name, title=f"All of {name.upper()}", public=number == 0)
            self.model.libraries[name] = Library(public=number == 0)
            if number:
                self.grant_group(f"group{number % GROUPS}", name)
        self.limit([word("cm", 1), word("cm", 2)])

    def _person(self, name: str, *, staff: bool = False) -> None:
        self.users[name] = User.objects.create(username=name, is_staff=staff)
        self.people.append(Person(name, user=name, staff=staff))

    def viewer(self, person: Person) -> Viewer:
        """The viewer whom the application makes of this person's request."""
        if person.user is None:
            return Viewer(asker=person.name)
        only = None if person.limit is None else tuple(sorted(person.limit))
        return Viewer(user_id=self.users[person.user].pk, is_staff=person.staff, only=only)

    # --- People ------------------------------------------------------------------------------------------

    def join(self, user: str, group: str) -> None:
        self.users[user].groups.add(Group.objects.get(name=group))
        self.model.members[group].add(user)

    def leave(self, user: str, group: str) -> None:
        self.users[user].groups.remove(Group.objects.get(name=group))
        self.model.members[group].discard(user)

    def disband(self, group: str) -> None:
        """A group goes with all that it may read; another one gets its name, and nobody is in it."""
        Group.objects.get(name=group).delete()
        Group.objects.create(name=group)
        self.model.members[group] = set()
        for library in self.model.libraries.values():
            library.groups.discard(group)

    def limit(self, collections: list[str]) -> None:
        """Cut the key to these collections."""
        key = self.people[-1]
        self.people[-1] = Person(key.name, user=key.user, limit=frozenset(collections))

    # --- Collections -------------------------------------------------------------------------------------

    def grant_user(self, user: str, collection: str) -> None:
        Collection.objects.get(name=collection).readers.add(self.users[user])
        self.model.libraries[collection].users.add(user)

    def revoke_user(self, user: str, collection: str) -> None:
        Collection.objects.get(name=collection).readers.remove(self.users[user])
        self.model.libraries[collection].users.discard(user)

    def grant_group(self, group: str, collection: str) -> None:
        Collection.objects.get(name=collection).groups.add(Group.objects.get(name=group))
        self.model.libraries[collection].groups.add(group)

    def revoke_group(self, group: str, collection: str) -> None:
        Collection.objects.get(name=collection).groups.remove(Group.objects.get(name=group))
        self.model.libraries[collection].groups.discard(group)

    def publish(self, collection: str, public: bool) -> None:
        Collection.objects.filter(name=collection).update(public=public)
        self.model.libraries[collection].public = public

    def renew(self, collection: str) -> None:
        """A collection goes with its documents; a new one gets its name, which nobody may read."""
        collecting.delete(Collection.objects.get(name=collection))
        Collection.objects.create(name=collection, title=f"All of {collection.upper()}", public=False)
        self.model.libraries[collection] = Library(public=False)
        for paper in self.model.papers.values():
            if paper.collection == collection:
                paper.exists, paper.current = False, None
        limit = self.people[-1].limit or frozenset()
        self.limit([name for name in limit if name != collection])

    # --- Documents ---------------------------------------------------------------------------------------

    def upload(self, collection: str) -> None:
        self.words += 1
        mark = word("nm", self.words)
        self._put(collection, f"folder/{mark}.md", mark)

    def replace(self, number: int) -> None:
        paper = self.model.papers[number]
        self._put(paper.collection, paper.name, paper.word)

    def _put(self, collection: str, name: str, mark: str) -> None:
        self.words += 1
        content, lure = word("mk", self.words), word("lu", self.words)
        text = self._text(content, lure)
        arrivals = uploads.arrive(name, [text.encode()])
        (put,) = uploads.put(Collection.objects.get(name=collection), arrivals)
        paper = self.model.papers.setdefault(put.document.pk, Paper(collection, name, mark))
        assert paper.exists, "the id of a deleted document was given again"
        paper.newest += 1
        self.model.contents[content] = (put.document.pk, paper.newest)

    def _text(self, content: str, lure: str) -> str:
        """Two sections of a few passages: title, headings and every sentence carry the content's word."""
        parts = [f"# Title {content}\n"]
        for _ in range(2):
            parts.append(f"## Part {content}\n")
            for _ in range(self.random.randint(1, 3)):
                words = " ".join(self.random.choices(COMMON, k=8))
                parts.append(f"The {words} near {lure} belongs to {content}.\n")
        return "\n".join(parts)

    def delete(self, number: int) -> None:
        uploads.delete(Document.objects.filter(pk=number))
        self.model.papers[number].exists = False
        self.model.papers[number].current = None

    def work(self) -> None:
        """The ingest worker does all there is to be done."""
        self.worker.work()
        for paper in self.model.papers.values():
            if paper.exists:
                paper.current = paper.newest

    def lure(self, number: int) -> str:
        """What to ask for to find the current content of a document."""
        contents = self.model.contents
        mark = next(
            w for w, found in contents.items() if found == (number, self.model.papers[number].current)
        )
        return mark.replace("mk", "lu", 1)

    def current_words(self, number: int) -> set[str]:
        """The word of the content that is searched."""
        wanted = (number, self.model.papers[number].current)
        return {word for word, of in self.model.contents.items() if of == wanted}

    # --- Traces ------------------------------------------------------------------------------------------

    def note_trace(self, person: Person, trace_id: str, text: str, used: str) -> None:
        """Remember a trace by the words in the text of its passages and of those the answer saw."""
        papers, cited = (
            frozenset(self.model.contents[w][0] for w in words_in(t) if w in self.model.contents)
            for t in (text, used)
        )
        self.note_documents(person, trace_id, papers, cited)

    def note_documents(
        self, person: Person, trace_id: str, papers: Iterable[int], used: Iterable[int]
    ) -> None:
        self.model.traces[trace_id] = Asked(person.user or person.name, frozenset(papers), frozenset(used))

    def share(self, trace_id: str, shared: bool) -> None:
        TraceRecord.objects.filter(pk=trace_id).update(shared=shared)
        self.model.traces[trace_id].shared = shared

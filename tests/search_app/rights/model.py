"""The rights as the handbook states them, in plain sets. It knows nothing of the application.

- A collection is read by everybody when it is public, else by the users it names, by the members of the
  groups it names, and by staff. A key reads what its user reads, inside the collections it is limited to.
- A document is found, opened and cited in its current content only, and only while it exists.
- A trace is for who asked, for staff and, once shared, for who has the link: each of them only while he may
  read all of its documents that still exist. What came from a deleted document is in it for nobody.

Every content carries words of its own, so that whatever is shown says by itself where it came from.
"""

import re
from dataclasses import dataclass, field

_WORD = re.compile(r"(?:mk|nm|cm)[a-z]{5}(?=zq)")


def word(kind: str, number: int) -> str:
    """A word of its own: `mk` of a content, `nm` of a document, `cm` of a collection, `lu` to ask with."""
    letters = ""
    for _ in range(5):
        number, digit = divmod(number, 26)
        letters = chr(ord("a") + digit) + letters
    return f"{kind}{letters}zq"


def words_in(text: str) -> set[str]:
    """The words of contents, documents and collections that a text holds."""
    return {f"{found}zq" for found in _WORD.findall(text.lower())}


@dataclass(frozen=True)
class Person:
    """Somebody who reads; `limit` is of an API key."""

    name: str
    user: str | None = None
    staff: bool = False
    limit: frozenset[str] | None = None


@dataclass
class Library:
    """A collection: who may read it."""

    public: bool
    users: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)


@dataclass
class Paper:
    """A document: its own word, and the words of its contents."""

    collection: str
    name: str
    word: str
    current: int | None = None
    """Number of the content that is searched; None: none yet."""
    newest: int = 0
    exists: bool = True


@dataclass
class Asked:
    """A trace: who asked, what its passages and the passages of its answer came from."""

    owner: str
    papers: frozenset[int]
    used: frozenset[int]
    shared: bool = False


@dataclass
class Model:
    members: dict[str, set[str]] = field(default_factory=dict)
    libraries: dict[str, Library] = field(default_factory=dict)
    papers: dict[int, Paper] = field(default_factory=dict)
    contents: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Word of a content to its document and number."""
    traces: dict[str, Asked] = field(default_factory=dict)

    def may_read(self, person: Person, collection: str) -> bool:
        library = self.libraries[collection]
        if person.limit is not None and collection not in person.limit:
            return False
        if person.staff or library.public:
            return True
        groups = {name for name, members in self.members.items() if person.user in members}
        return person.user is not None and (person.user in library.users or bool(groups & library.groups))

    def may_read_paper(self, person: Person, number: int) -> bool:
        paper = self.papers[number]
        return paper.exists and self.may_read(person, paper.collection)

    def searchable(self, person: Person) -> list[int]:
        """Documents of which this person finds the current content."""
        return [
            number
            for number, paper in self.papers.items()
            if paper.current is not None and self.may_read_paper(person, number)
        ]

    def may_open(self, person: Person, trace: str, *, answer: bool = False) -> bool:
        """Whether the trace, or only its answer, is to be seen."""
        asked = self.traces[trace]
        if not (person.staff or asked.shared or asked.owner == (person.user or person.name)):
            return False
        papers = asked.used or asked.papers if answer else asked.papers
        return all(self.may_read_paper(person, number) for number in papers if self.papers[number].exists)

    def foreign(self, person: Person, text: str, *, old: bool = False) -> set[str]:
        """Words in the text that this person must not see; `old` contents are allowed in what is kept."""
        given = self.contents.keys() | self.libraries.keys() | {paper.word for paper in self.papers.values()}
        return {found for found in words_in(text) & given if not self._may_see(person, found, old)}

    def _may_see(self, person: Person, found: str, old: bool) -> bool:
        if found in self.libraries:
            return self.may_read(person, found)
        if found in self.contents:
            number, content = self.contents[found]
            kept = old or self.papers[number].current == content
            return kept and self.may_read_paper(person, number)
        return any(
            self.may_read_paper(person, number)
            for number, paper in self.papers.items()
            if paper.word == found
        )

"""What every parser must do. Subclass `ParserContract` and give `NAME`, `sample` and what it holds."""

import random
import re
import unicodedata
from collections import Counter
from typing import ClassVar

import pytest

from rag.errors import ParseError
from rag.parse import select
from rag.parse.base import ParsedDocument
from rag.parse.clean import clean

_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.lower()))


def check_invariants(document: ParsedDocument) -> None:
    """The promises of `ParsedDocument`."""
    text = document.text
    assert text.strip()
    assert document.title.strip() == document.title != ""
    assert not _FORBIDDEN.search(text + document.title)
    assert unicodedata.is_normalized("NFC", text)
    assert clean(text) == text
    assert text.encode("utf-8").decode("utf-8") == text
    starts = [heading.start for heading in document.headings]
    assert starts == sorted(starts)
    for heading in document.headings:
        assert heading.level >= 1
        assert text.startswith(heading.text, heading.start)
        assert heading.start == 0 or text[heading.start - 1] == "\n"
    assert list(document.pages) == sorted(document.pages)
    assert all(0 <= page <= len(text) for page in document.pages)
    if document.pages:
        assert document.pages[0] == 0


class ParserContract:
    """The sample is the harbour text of `tests.rag.parse.samples`, unless a subclass says otherwise."""

    NAME: ClassVar[str]
    """File name of the sample."""
    MODULE: ClassVar[str]
    HEADINGS: ClassVar[tuple[tuple[int, str], ...]] = ()
    PAGES: ClassVar[int] = 0
    LINES: ClassVar[tuple[str, ...]] = ()
    """Lines of the text, in this order."""
    TITLE: ClassVar[str]

    def sample(self) -> bytes:
        raise NotImplementedError

    def empty(self) -> bytes | None:
        """A valid file without text, where the format has such."""
        return None

    def parsed(self) -> ParsedDocument:
        return select.parse(self.sample(), self.NAME)

    def test_is_chosen_for_its_suffixes(self) -> None:
        module = select.parser(self.MODULE)
        for suffix in module.SUFFIXES:
            assert select.choose(self.sample(), "name" + suffix.upper()) == self.MODULE
        assert module.parse(self.sample(), self.NAME) == self.parsed()

    def test_keeps_the_invariants(self) -> None:
        check_invariants(self.parsed())

    def test_finds_title_headings_and_pages(self) -> None:
        document = self.parsed()
        assert document.title == self.TITLE
        assert tuple((h.level, h.text) for h in document.headings) == self.HEADINGS
        assert len(document.pages) == self.PAGES

    def test_keeps_the_lines_in_order(self) -> None:
        lines = iter(self.parsed().text.split("\n"))
        for wanted in self.LINES:
            assert wanted in lines, f"{wanted!r} is not among the lines, or not in its place"

    def test_reads_the_same_twice(self) -> None:
        assert self.parsed() == self.parsed()

    def test_refuses_a_file_without_text(self) -> None:
        data = self.empty()
        if data is None:
            pytest.skip("the format has no empty form of its own")
        with pytest.raises(ParseError, match=r"no |empty"):
            select.parse(data, self.NAME)

    def test_survives_damage(self) -> None:
        """Cut anywhere or with bytes changed, a file is read in part or refused with a sentence."""
        whole = self.sample()
        source = random.Random(7)
        damaged = [whole[: len(whole) * part // 8] for part in range(8)]
        for _ in range(24):
            changed = bytearray(whole)
            for _ in range(source.randint(1, 12)):
                changed[source.randrange(len(changed))] = source.randrange(256)
            damaged.append(bytes(changed))
        for data in damaged:
            try:
                document = select.parse(data, self.NAME)
            except ParseError as error:
                assert re.fullmatch(r"(?s)[A-Z].{10,}[.]", str(error)), str(error)
            else:
                check_invariants(document)

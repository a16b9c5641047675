"""Comma- and tab-separated values: one line for each row."""

import csv
import io

from rag.errors import ParseError
from rag.parse.base import ParsedDocument
from rag.parse.compose import Composer
from rag.parse.decode import decode

SUFFIXES = (".csv", ".tsv")
_MAX_FIELD = 1_000_000
_DELIMITERS = ",;\t|"


def parse(data: bytes, name: str) -> ParsedDocument:
    text = decode(data).replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    csv.field_size_limit(_MAX_FIELD)
    composer = Composer()
    try:
        for row in csv.reader(io.StringIO(text), delimiter=_delimiter(text, name)):
            composer.row(row)
    except csv.Error as error:
        raise ParseError(f"The table cannot be read: {error}.") from error
    return composer.finish(name)


def _delimiter(text: str, name: str) -> str:
    """The candidate that cuts the first lines most evenly into more than one cell."""
    if name.lower().endswith(".tsv"):
        return "\t"
    lines = [line for line in text[:65_536].split("\n")[:50] if line.strip()][:20]
    best, best_score = ",", 0.0
    for candidate in _DELIMITERS:
        counts = [line.count(candidate) for line in lines]
        if counts and counts[0]:
            score = sum(1 for count in counts if count == counts[0]) / len(counts)
            if score > best_score:
                best, best_score = candidate, score
    return best

"""The stages of an ingest that run in threads of their own. They touch no database."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from django import db

from rag.encode.base import Encoder
from rag.errors import ParseError, SieveError
from rag.parse.base import ParsedDocument
from rag.spec import SplitSpec
from rag.split import split
from search_app import contents
from search_app.ahead import Ahead
from search_app.claims import Claim
from search_app.encoding import RememberingEncoder
from search_app.ingest_results import Broken, Encoded, Failed, Parsed

PARSING = 1
"""Raise it when parsers or split give other results than before: documents are then made anew."""
ENCODED_TOGETHER = 32
"""Passages of small documents gathered for the encoder."""
NO_TEXT = "The file has no text."
OUTAGES = (OSError, sqlite3.OperationalError, db.OperationalError, db.InterfaceError, SieveError)
"""A full disk, a database that does not answer, a model that is not there: no document is at fault."""

Parse = Callable[[bytes, str], ParsedDocument]


class Parts(Protocol):
    """What reading needs."""

    @property
    def parse(self) -> Parse: ...
    @property
    def encoder(self) -> Encoder: ...
    @property
    def split(self) -> SplitSpec: ...


def recipe(encoder: Encoder, split: SplitSpec) -> str:
    """What, apart from the content, a document's passages depend on."""
    return (
        f"parsing {PARSING}, split {split.max_tokens}/{split.overlap_tokens}, encoder {encoder.fingerprint}"
    )


def read_all(claims: Iterable[Claim], parts: Parts) -> Iterator[Failed | Broken | Parsed]:
    """Read, parse and split each document, in order."""
    for claim in claims:
        yield _read(claim, parts)


def _read(claim: Claim, parts: Parts) -> Failed | Broken | Parsed:
    try:
        document = parts.parse(contents.read(claim.content_hash), claim.name)
        passages = split(
            document,
            document_id=str(claim.document),
            version=claim.fence,
            collection=claim.collection,
            encoder=parts.encoder,
            spec=parts.split,
        )
    except ParseError as error:
        return Failed(claim, str(error))
    except OUTAGES:
        raise
    except Exception as error:
        return Broken(claim, error)
    return Parsed(claim, document, tuple(passages)) if passages else Failed(claim, NO_TEXT)


def encode_all(
    results: Ahead[Failed | Broken | Parsed], encoder: RememberingEncoder
) -> Iterator[Failed | Broken | Encoded]:
    """Encode what is parsed, several small documents together; the order of the others may change."""
    waiting: list[Parsed] = []
    for result in results:
        if isinstance(result, Parsed):
            waiting.append(result)
        else:
            yield result
        if sum(len(parsed.passages) for parsed in waiting) >= ENCODED_TOGETHER or not results.ready:
            yield from _encode(waiting, encoder)
            waiting = []
    yield from _encode(waiting, encoder)


def _encode(parsed: Sequence[Parsed], encoder: RememberingEncoder) -> Iterable[Broken | Encoded]:
    try:
        encoded = encoder.encode([result.passages for result in parsed])
    except OUTAGES:
        raise
    except Exception as error:
        if len(parsed) == 1:
            return [Broken(parsed[0].claim, error)]
        return [one for result in parsed for one in _encode([result], encoder)]  # the others are not at fault
    pairs = zip(parsed, encoded, strict=True)
    return [Encoded(result.claim, result.document, passages) for result, passages in pairs]

"""What an index on disk is, without opening its vectors or knowing its encoder: for who watches over it."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rag.codes import SCHEME
from rag.errors import IndexCorrupt
from rag.index import layout, rows


@dataclass(frozen=True, slots=True)
class Glance:
    """The version in use and how much it holds."""

    version: str
    encoder: str
    """Fingerprint of the encoder whose vectors it holds."""
    passages: int
    documents: int


def glance(root: Path) -> Glance | None:
    """The index in use; None where there is none yet. Raises `IndexCorrupt` where it cannot be read."""
    version = layout.current(root)
    if version is None:
        return None
    try:
        meta = layout.Meta(**json.loads((root / version / "meta.json").read_text("utf-8")))
        with closing(rows.connect(root / version)) as connection:
            sql = "SELECT COUNT(*), COUNT(DISTINCT document_id) FROM passages WHERE live"
            passages, documents = connection.execute(sql).fetchone()
    except (OSError, ValueError, TypeError, sqlite3.Error) as error:
        raise IndexCorrupt("The index cannot be read. Run: manage.py rebuild") from error
    if (meta.scheme, meta.format) != (SCHEME, layout.FORMAT):
        raise IndexCorrupt("The index was written by another version of Sieve. Run: manage.py rebuild")
    return Glance(version, meta.encoder, passages, documents)

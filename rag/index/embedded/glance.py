"""What an index on disk is, without opening its vectors or knowing its encoder: for who watches over it."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from rag.codes import SCHEME
from rag.errors import IndexCorrupt
from rag.index.base import Glance
from rag.index.embedded import layout, rows


def glance(root: Path) -> Glance | None:
    """The index in use; None where there is none yet. Raises `IndexCorrupt` where it cannot be read."""
    version = layout.current(root)
    if version is None:
        return None
    try:
        meta = layout.Meta(**json.loads((root / version / "meta.json").read_text("utf-8")))
        with closing(rows.connect(root / version)) as connection:
            # grouped, SQLite counts along an index; COUNT(DISTINCT) sorts, seven times as long
            sql = """SELECT COALESCE(SUM(n), 0), COUNT(*) FROM
                (SELECT COUNT(*) AS n FROM passages WHERE live GROUP BY document_id)"""
            passages, documents = connection.execute(sql).fetchone()
    except (OSError, ValueError, TypeError, sqlite3.Error) as error:
        raise IndexCorrupt("The index cannot be read. Run: manage.py reindex") from error
    if (meta.scheme, meta.format) != (SCHEME, layout.FORMAT):
        raise IndexCorrupt("The index was written by another version of Sieve. Run: manage.py reindex")
    return Glance(version, meta.encoder, passages, documents)

"""Golden traces: four questions over a small corpus, answered by the default pipeline.

`make golden` writes them anew after a change that is meant to move a rank; the moved rank
then shows in the diff.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rag import backends, spec
from rag.index import embedded
from rag.ingest import encode
from rag.models import ModelStore
from rag.parse.select import parse
from rag.pipeline import Pipeline
from rag.split import split
from rag.trace import Trace
from rag.trace_store import texts, to_json
from rag.types import Query

DATA = Path(__file__).resolve().parent.parent / "data"
SPEC = Path("search_app/specs/default.toml")
QUESTIONS = {
    "fog": "Do I get my money back when the ferry is cancelled because of fog?",
    "halcyon": "Which ship was lost before the lighthouse was built?",
    "black-ball": "How do children from Skerra learn when a gale is expected?",
    "moon": "How far away is the moon?",
}


@contextmanager
def harbour() -> Iterator[Pipeline]:
    """The default pipeline over the corpus in `tests/data/harbour`."""
    loaded = spec.load(SPEC)
    assert loaded.rerank and loaded.generate
    store = ModelStore(Path(os.environ.get("SIEVE_MODEL_DIR", "var/models")))
    live = backends.Backends(store.path)
    encoder = live.encoder(loaded.encoder)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        embedded.create(root, encoder.fingerprint, encoder.dimension)
        writer = embedded.open_writer(
            root, encoder.fingerprint, encoder.dimension, languages={"harbour": "en"}
        )
        documents = [
            split(
                parse(path.read_bytes(), path.name),
                document_id=path.stem,
                version=1,
                collection="harbour",
                encoder=encoder,
                spec=loaded.split,
            )
            for path in sorted((DATA / "harbour").iterdir())
        ]
        writer.write(encode(documents, encoder))
        writer.close()
        index = embedded.open_reader(root, encoder.fingerprint, encoder.dimension)
        yield live.pipeline("default", loaded, index)


def ask(pipeline: Pipeline, name: str) -> Trace:
    return pipeline.answer(Query(id=name, text=QUESTIONS[name], collections=("harbour",)))


def main() -> None:
    with harbour() as pipeline:
        for name in QUESTIONS:
            trace = ask(pipeline, name)
            stored = {"trace": to_json(replace(trace, timings=(), first_ms=None)), "texts": texts(trace)}
            path = DATA / "golden" / f"{name}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(stored, indent=1, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()

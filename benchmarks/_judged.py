"""What benchmarks on judged collections share: a collection's index, kept between runs, and its pipeline."""

import argparse
import os
from pathlib import Path

from _common import ROOT


def arguments(said: str, limit: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=said)
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="DIR", help="judged collections, BEIR layout"
    )
    parser.add_argument(
        "--limit", type=int, default=limit, metavar="N", help=f"questions, {limit} unless said"
    )
    parser.add_argument(
        "--kept", type=Path, default=data() / "bench", metavar="FOLDER", help="of the indexes"
    )
    return parser.parse_args()


def data() -> Path:
    return Path(os.environ.get("SIEVE_DATA_DIR") or ROOT / "var")


def opened(folder: Path, kept: Path, language: str = "en"):  # type: ignore[no-untyped-def]
    """The collection, its documents by their id in the index, and the default pipeline without an answer."""
    import msgspec

    from rag import evaluate, spec
    from rag.backends import Backends
    from rag.index import embedded
    from rag.models import ModelStore

    models = Path(os.environ.get("SIEVE_MODEL_DIR") or data() / "models")
    parts = Backends(ModelStore(models).path)
    default = msgspec.structs.replace(spec.load(ROOT / "search_app/specs/default.toml"), generate=None)
    encoder = parts.encoder(default.encoder)
    judged = evaluate.read(folder)
    root = kept / f"index-{folder.name}"
    documents = dict(evaluate.kept_index(judged, root, encoder, default.split, language))
    index = embedded.open_reader(root, encoder.fingerprint, encoder.dimension)
    return judged, documents, parts.pipeline("default", default, index)


def reranked_as(pipeline, **changes):  # type: ignore[no-untyped-def]
    """The same pipeline with other values under `[rerank]`."""
    import dataclasses

    import msgspec

    rerank = msgspec.structs.replace(pipeline.spec.rerank, **changes)
    return dataclasses.replace(pipeline, spec=msgspec.structs.replace(pipeline.spec, rerank=rerank))

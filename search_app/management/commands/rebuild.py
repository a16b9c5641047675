from collections.abc import Iterator
from typing import Any

from django.conf import settings

from rag.encode.base import Encoder
from rag.index import embedded
from rag.index.base import EncodedPassages
from rag.ingest import encode
from search_app import pipelines, selectors, services
from search_app.management.base import SieveCommand, progress


class Command(SieveCommand):
    help = (
        "Make a new version of the index from the database, without the files, and put it in use.\n"
        "Searches go on in the old version until then; killed on the way, the old version stays.\n\n"
        "Exit code 0: the new version is in use. Exit code 1: it is not; the reason stands in the last line."
    )

    def run(self, **options: Any) -> None:
        encoder = pipelines.encoder()
        total = len(selectors.indexed_documents())
        documents = progress(encoded(encoder), total=total, unit="document", label="Rebuild the index")
        version = embedded.rebuild(
            settings.INDEX_DIR,
            encoder.fingerprint,
            encoder.dimension,
            documents,
            languages=selectors.languages(),
        )
        services.note_encoder(encoder.fingerprint)
        self.say(f"{version} is in use: {total} documents.")


def encoded(encoder: Encoder) -> Iterator[EncodedPassages]:
    """The current version of every document, as it was split, encoded anew."""
    for document, version in selectors.current_versions():
        passages = list(selectors.passages(document, version))
        yield from encode([passages], encoder)

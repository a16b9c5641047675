from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings

from rag.encode.base import Encoder
from rag.errors import SieveError
from rag.index import embedded
from rag.index.base import EncodedPassages
from rag.ingest import encode
from rag.spec import EncoderSpec
from search_app import gate, indexes, pipelines, promotion, reindexing, selectors, services
from search_app.management.base import CommandParser, SieveCommand, progress
from search_app.models import Reindex


class Command(SieveCommand):
    help = (
        "Make a new version of the index from the database, without the files.\n"
        "The embedded index is put in use when it is whole; killed on the way, the old version stays.\n"
        "On a cluster the new version is built beside the one in use, kept up to date by every writer,\n"
        "verified, and waits for `promote`. Killed on the way, the same command goes on.\n\n"
        "Exit code 0: the new version is built (with --promote: in use). Exit code 1: it is not; the reason\n"
        "stands in the last line."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--encoder",
            metavar="MODEL",
            help="on a cluster: a model of the catalogue, or BACKEND/MODEL; by default that of the pipeline",
        )
        parser.add_argument("--promote", action="store_true", help="put it in use when it is whole")
        parser.add_argument("--anyway", action="store_true", help="promote it even where it finds less")
        parser.add_argument(
            "--gate",
            type=Path,
            metavar="DIR",
            help="judgements of your own: queries.jsonl and qrels/test.tsv over names of documents",
        )
        parser.add_argument(
            "--cancel", action="store_true", help="build nothing: give up what is being built, and delete it"
        )

    def run(self, **options: Any) -> None:
        if indexes.cluster() is None:
            chosen = [name for name in ("encoder", "promote", "gate", "cancel") if options[name]]
            if chosen:
                raise SieveError(f"--{chosen[0]} is for an index on a cluster. {reindexing.EMBEDDED}")
            self._rebuild()
        elif options["cancel"]:
            self.say(f"{promotion.cancel() or 'The re-index'} is given up and deleted.")
        else:
            self._build(options)

    def _rebuild(self) -> None:
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

    def _build(self, options: dict[str, Any]) -> None:
        row = reindexing.wanted(encoder_named(options["encoder"]))
        with progress(total=row.total, unit="document", label="Build the index") as bar:

            def moved(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            reindexing.build(row, moved, wait=True)
        if row.state != Reindex.State.READY:
            raise SieveError(f"{row.index} is not whole: {row.reason}")
        self.say(f"{row.index} is whole: {row.total} documents, by the encoder {row.model}.")
        gate.judge(row, gate.of_folder(options["gate"]) if options["gate"] else None)
        self.say(gate.sentence(row))
        if options["promote"]:
            promotion.promote(anyway=options["anyway"])
            self.say(f"{row.index} is in use. To go back: manage.py rollback")
        else:
            self.say("It is kept up to date and is not in use yet. Next: manage.py promote")


def encoder_named(name: str | None) -> EncoderSpec | None:
    """The encoder of `BACKEND/MODEL`, or of a model of the catalogue, with the default pipeline's backend."""
    if name is None:
        return None
    backend, slash, model = name.partition("/")
    if slash:
        return EncoderSpec(backend=backend, model=model)
    encoders = (model for model in pipelines.catalogue() if "encoder" in model.use)
    known = [model.name for model in encoders if "cross" not in model.use]
    if name not in known:
        raise SieveError(f"There is no encoder {name!r}. There are: {', '.join(known)}.")
    return EncoderSpec(backend=pipelines.default().encoder.backend, model=name)


def encoded(encoder: Encoder) -> Iterator[EncodedPassages]:
    """The current version of every document, as it was split, encoded anew."""
    for document, version in selectors.current_versions():
        passages = list(selectors.passages(document, version))
        yield from encode([passages], encoder)

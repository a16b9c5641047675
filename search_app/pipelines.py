"""From the name of a spec to its live parts, for questions and for documents; loaded once a process."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import msgspec
from django.conf import settings

from rag import spec as specs
from rag.backends import Backends
from rag.encode.base import Encoder
from rag.errors import ModelError, SpecError
from rag.index import embedded
from rag.index.embedded import EmbeddedReader, EmbeddedWriter
from rag.models import ModelStore
from rag.parse.sandbox import ParserPool
from rag.pipeline import Pipeline
from rag.spec import PipelineSpec
from search_app import dispatch, ingest_stages, selectors
from search_app.ingesting import Ingest
from search_app.models import PipelineVersion

_loading = threading.RLock()
_swept = False
"""Whether this process has held the whole index against the database."""


# --- Specs -----------------------------------------------------------------------------------------------


def names() -> tuple[str, ...]:
    """Names of the pipelines there are: the files, and those of which a saved version is in use."""
    saved = PipelineVersion.objects.filter(active=True).values_list("name", flat=True)
    return tuple(sorted({*(path.stem for path in settings.SPEC_DIR.glob("*.toml")), *saved}))


def spec(name: str) -> PipelineSpec:
    """The spec in use under this name: the saved version that is active, else the file.

    It is looked up anew each time, so that a change counts from the next question on in every process.
    Raises `SpecError` naming those there are.
    """
    saved = PipelineVersion.objects.filter(name=name, active=True).values_list("spec", flat=True).first()
    if saved is not None:
        return specs.from_mapping(saved)
    if name not in names():
        raise SpecError(f"There is no pipeline {name!r}. There are: {', '.join(names())}.")
    return from_file(name)


@lru_cache
def from_file(name: str) -> PipelineSpec:
    """The spec in the file of this name, as it was when it was first read. Raises `SpecError`."""
    return specs.load(settings.SPEC_DIR / f"{name}.toml")


def default() -> PipelineSpec:
    return spec(settings.DEFAULT_PIPELINE)


# --- Parts -----------------------------------------------------------------------------------------------


def store() -> ModelStore:
    return ModelStore(settings.MODEL_DIR)


@lru_cache
def backends() -> Backends:
    return Backends(store().path, elsewhere=_queued if _score_by_queue else None)


_score_by_queue = False


def score_by_queue() -> None:
    """Where there is a queue, have the rerank worker hold the cross-encoders instead of this process.

    The process that answers requests says so when it starts; commands score by themselves.
    """
    global _score_by_queue
    _score_by_queue = bool(settings.QUEUE_URL)
    backends.cache_clear()


def _queued(model: str) -> dispatch.QueuedReranker:
    """The cross-encoder of this name in the rerank worker; its fingerprint is that of the pinned files."""
    from rag.rerank.onnx import fingerprint

    pinned = {file.name: file.sha256 for file in store().model(model).files}
    if "model.onnx" not in pinned:
        raise ModelError(f"The model {model} is no cross-encoder.")
    return dispatch.QueuedReranker(fingerprint(model, pinned["model.onnx"]), settings.QUEUE_URL)


def encoder(of: PipelineSpec | None = None) -> Encoder:
    """The encoder of this spec, or of the default one. Raises `ModelError` saying how to get its model."""
    with _loading:
        return backends().encoder((of or default()).encoder)


@lru_cache
def _opened(root: Path, fingerprint: str, dimension: int) -> EmbeddedReader:
    embedded.create(root, fingerprint, dimension)
    return embedded.open_reader(root, fingerprint, dimension)


def reader(of: Encoder) -> EmbeddedReader:
    """The application's index, open for reading; an empty one is made where there is none."""
    with _loading:
        return _opened(settings.INDEX_DIR, of.fingerprint, of.dimension)


def writer(of: Encoder, *, wait_s: float = 0.0) -> EmbeddedWriter:
    """The index's one writer, to be closed. Raises `IndexBusy` when another process has it.

    It must be told the languages of collections before it writes.
    """
    reader(of)
    return embedded.open_writer(settings.INDEX_DIR, of.fingerprint, of.dimension, wait_s=wait_s)


# --- Pipelines -------------------------------------------------------------------------------------------


def get(name: str | None = None, *, collections: Sequence[str] = ()) -> Pipeline:
    """The live pipeline of this name; a collection that is asked alone may bring its own weights.

    Raises `SpecError` for a name that is none, `ModelError` when its encoder's model is not here.
    """
    name = name or settings.DEFAULT_PIPELINE
    blend = selectors.own_blend(collections)
    plain = spec(name)
    return build(name, plain if blend is None else msgspec.structs.replace(plain, blend=blend))


def build(name: str, wanted: PipelineSpec) -> Pipeline:
    """A live pipeline of any spec over the application's index."""
    with _loading:
        return backends().pipeline(name, wanted, reader(encoder(wanted)))


def recipe() -> str:
    """What documents are made by now: parser, split and encoder. Raises `ModelError`."""
    return ingest_stages.recipe(encoder(), default().split)


@contextmanager
def ingest() -> Iterator[Ingest]:
    """The work on documents, by the default spec. It holds the index's writer until it is left.

    The first one in a process, and one after a process that was killed or broke, sweeps the index.
    Raises `IndexBusy` when another process is at it, `ModelError` when the encoder's model is not here.
    """
    global _swept
    of = encoder()
    held = writer(of)
    try:
        at_work = settings.INDEX_DIR / "at-work"  # there is one while somebody is, and after a sudden death
        sweep = at_work.exists() or not _swept
        at_work.touch()
        with ParserPool() as pool:
            yield Ingest(
                parse=lambda data, name: pool.submit(data, name).result(),
                encoder=of,
                split=default().split,
                reader=reader(of),
                writer=held,
                group_passages=settings.INGEST_GROUP_PASSAGES,
                group_seconds=settings.INGEST_GROUP_SECONDS,
                sweep=sweep,
            )
        at_work.unlink(missing_ok=True)
        _swept = True
    finally:
        held.close()


def forget() -> None:
    """Let go of every loaded part: the next question loads them anew."""
    global _swept
    _swept = False
    with _loading:
        for cached in (from_file, backends, _opened):
            cached.cache_clear()

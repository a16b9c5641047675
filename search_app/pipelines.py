"""From the name of a spec to its live parts, for questions and for documents; loaded once a process."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import msgspec
from django.conf import settings

from rag import services
from rag import spec as specs
from rag.backends import Backends, module
from rag.encode.base import Encoder
from rag.errors import ModelError, SpecError
from rag.index.base import EncodedPassages
from rag.index.opensearch import Meta
from rag.ingest import encode
from rag.models import Model, ModelStore
from rag.parse.sandbox import ParserPool
from rag.pipeline import Pipeline
from rag.rerank.base import Reranker, suffix
from rag.services import Service
from rag.spec import EncoderSpec, Options, PipelineSpec, RerankSpec
from search_app import dispatch, indexes, ingest_stages, score_cache, selectors
from search_app.ingesting import Ingest
from search_app.models import PipelineVersion

_loading = threading.RLock()
_swept = False
"""Whether this process has held the whole index against the database."""
LATE_S = 600.0
"""After so long what was given up in an outage has reached the index, or never will."""
_look_again: float | None = None
"""When, by the monotonic clock, it is to be swept once more because of that."""


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


def catalogue() -> tuple[Model, ...]:
    """The models there can be: the pinned ones, and those that were added to the store."""
    return ModelStore(settings.MODEL_DIR).catalogue


@lru_cache
def backends() -> Backends:
    elsewhere = _queued if _score_by_queue else None
    cached = (lambda reranker: reranker) if _score_anew else score_cache.cached()
    return Backends(store().path, elsewhere=elsewhere, services=named_services(), cached=cached)


def named_services() -> dict[str, Service]:
    """The services that pipelines may name. Raises `SpecError` where their file is wrong."""
    return services.read(settings.SERVICES_FILE)


_score_by_queue = False
_score_anew = False


def score_anew() -> None:
    """Keep no scores in this process from now on: for commands that measure time, or prove a score."""
    global _score_anew
    _score_anew = True
    backends.cache_clear()


def score_by_queue() -> None:
    """Where there is a queue, have the rerank worker hold the cross-encoders instead of this process.

    The process that answers requests says so when it starts; commands score by themselves.
    """
    global _score_by_queue
    _score_by_queue = bool(settings.QUEUE_URL)
    backends.cache_clear()


def _queued(backend: str, model: str, options: Options) -> dispatch.QueuedReranker:
    """The reranker of this name in the rerank worker; its fingerprint is that of the pinned files.

    Options that move scores are part of it: a worker that holds the model without them says that it has
    another one.
    """
    of = module("rerank", backend)
    digest = store().model(model).digest(of.WEIGHTS)
    if digest is None:
        raise ModelError(f"The model {model} has no {of.WEIGHTS}, which the backend {backend} reads.")
    fingerprint = of.fingerprint(model, digest) + suffix(options)
    return dispatch.QueuedReranker(fingerprint, settings.QUEUE_URL)


def encoder(of: PipelineSpec | None = None) -> Encoder:
    """The encoder of this spec, or of the default one. Raises `ModelError` saying how to get its model."""
    return load_encoder((of or default()).encoder)


def load_encoder(named: EncoderSpec) -> Encoder:
    """The encoder of this name. Raises `ModelError` saying how to get its model."""
    with _loading:
        loaded = backends().encoder(named)
        indexes.name(loaded, named)
        return loaded


def re_encode(wanted: Meta, document: EncodedPassages) -> EncodedPassages:
    """The same passages by the encoder of another version on the cluster.

    Raises `ModelError` where this process cannot have that encoder: then nothing may be written at all,
    or that version would lack it.
    """
    of = load_encoder(EncoderSpec(backend=wanted.backend, model=wanted.model)) if wanted.backend else None
    if of is None or of.fingerprint != wanted.encoder:
        raise ModelError(
            f"A version of the index needs the encoder {wanted.encoder}, which cannot be had here. Install "
            "its model, or drop that version: manage.py reindex --cancel, manage.py promote --drop-previous"
        )
    return encode([document.passages], of)[0]


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
        return backends().pipeline(name, wanted, indexes.reader(encoder(wanted)))


def reranker(named: RerankSpec) -> Reranker:
    """A reranker alone; windows are counted by the default encoder. Raises `ModelError`, `SpecError`."""
    with _loading:
        return backends().last(named, encoder()) if named.window_tokens else backends().cross_encoder(named)


def recipe() -> str:
    """What documents are made by now: parser, split and encoder. Raises `ModelError`."""
    return ingest_stages.recipe(encoder(), default().split)


@contextmanager
def ingest() -> Iterator[Ingest]:
    """The work on documents, by the default spec. It holds a writer of the index until it is left.

    The first one in a process, one after a process that was killed or broke, and one some time after an
    outage sweeps the index. Where there are several writers, a death elsewhere is seen by the leases.
    Raises `IndexBusy` when there can be only one and another process has it, `ModelError` when the
    encoder's model is not here.
    """
    global _swept, _look_again
    late = _look_again is not None and time.monotonic() >= _look_again
    of = encoder()
    by_queue = settings.ENCODE_BY_QUEUE and settings.QUEUE_URL
    held = indexes.writer(of, re_encode=re_encode)
    try:
        at_work = _at_work() if held.exclusive else None
        died = at_work is not None and at_work.exists()
        if at_work is not None:
            at_work.touch()
        try:
            with ParserPool() as pool:
                yield Ingest(
                    parse=lambda data, name: pool.submit(data, name).result(),
                    encoder=dispatch.QueuedEncoder(of, settings.QUEUE_URL) if by_queue else of,
                    split=default().split,
                    reader=indexes.reader(of),
                    writer=held,
                    group_passages=settings.INGEST_GROUP_PASSAGES,
                    group_seconds=settings.INGEST_GROUP_SECONDS,
                    sweep=died or late or not _swept,
                )
        except ingest_stages.OUTAGES:
            # What was begun is noted, or still has a lease that will run out. A write that was given up may
            # come after it was taken out, and not be there to be taken out.
            _look_again = time.monotonic() + LATE_S
            raise
        except BaseException:
            _swept = False
            raise
        if at_work is not None:
            at_work.unlink(missing_ok=True)
        _swept = True
        _look_again = None if late else _look_again
    finally:
        held.close()


def _at_work() -> Path:
    """A file that is there while somebody is at the index of this machine, and after a sudden death."""
    settings.INDEX_DIR.mkdir(parents=True, exist_ok=True)
    return settings.INDEX_DIR / "at-work"


def forget() -> None:
    """Let go of every loaded part: the next question loads them anew."""
    global _swept, _look_again, _score_anew
    _swept, _look_again, _score_anew = False, None, False
    with _loading:
        for cached in (from_file, backends):
            cached.cache_clear()
        indexes.forget()

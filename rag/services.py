"""Services that score or write for us: where they are, how they are spoken to, what they cost.

A pipeline names a service and a model, `cohere/rerank-v3.5`; the service stands in a TOML file of this
machine (`SIEVE_SERVICES`), a table each:

    [cohere]
    dialect = "cohere_v2"
    url = "https://api.cohere.com"
    key_file = "/run/secrets/cohere"
    usd_per_search = 0.002
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from rag.errors import SpecError

Price = Annotated[float, Meta(ge=0)]
Url = Annotated[str, Meta(pattern=r"^https?://")]


class Service(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One service. Its secret is only named here: by a path, `key_file`, or a variable, `key_env`."""

    dialect: str
    """Whose API it speaks: `cohere_v2`, `tei`, … (a module of `rag.rerank.dialects`), or `openai`: a chat."""
    url: Url
    urls: tuple[Url, ...] = ()
    """More servers with the same models, all under the same key: see `rag.chat.replicas`."""
    key_file: str = ""
    key_env: str = ""
    ca_file: str = ""
    """The certificate authority of a server inside the house."""
    timeout_ms: Annotated[int, Meta(ge=1, le=600_000)] = 10_000
    """Longest wait for one reply; a deadline may be nearer. A text that is written piece by piece has only
    its deadline, and of several servers one that is silent for so long at first is passed over."""
    max_texts: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """Texts of one request where the server takes fewer or more than its kind does by default; 0: that."""
    at_once: Annotated[int, Meta(ge=1, le=32)] = 4
    """Requests of one question at the same time, where its texts do not fit into one."""
    usd_per_search: Price = 0.0
    usd_per_million_tokens: Price = 0.0
    usd_per_million_written: Price = 0.0
    """Price of tokens that a model wrote, where that is another; 0: the same."""
    cache_salt: bool | None = None
    """Whether to send vLLM's field of this name, which keeps apart what the server remembers of prompts. Left
    out: where it says that it is vLLM. Some other servers refuse a request with it."""
    fixed: str = ""
    """A version or date of the model behind the name, where the provider has one: part of the fingerprint."""

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.url, *self.urls)))

    @property
    def key(self) -> str:
        """The secret, read when it is needed; nothing where none is named. Raises `SpecError`."""
        if not self.key_env and not self.key_file:
            return ""
        named = f"variable {self.key_env}" if self.key_env else f"file {self.key_file}"
        try:
            key = os.environ[self.key_env] if self.key_env else Path(self.key_file).read_text("utf-8")
        except (OSError, KeyError, UnicodeDecodeError) as error:
            raise SpecError(f"The {named}, which is to hold the key of a service, cannot be read.") from error
        if not re.fullmatch(r"[\x21-\x7e]+", key := key.strip()):
            raise SpecError(f"The {named} holds nothing that could be the key of a service.")
        return key


def read(file: Path | None) -> dict[str, Service]:
    """The services of a file by name; none without a file. Raises `SpecError` naming what is wrong in it."""
    if file is None:
        return {}
    try:
        return msgspec.convert(tomllib.loads(file.read_text("utf-8")), dict[str, Service])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise SpecError(f"The file of services {file.name} is wrong: {error}") from error

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
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from rag.errors import SpecError

Price = Annotated[float, Meta(ge=0)]


class Service(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One service. Its secret is only named here: by a path, `key_file`, or a variable, `key_env`."""

    dialect: str
    """Whose API it speaks: `cohere_v2`, `tei`, `openai`, … A module of `rag.rerank.dialects`."""
    url: Annotated[str, Meta(pattern=r"^https?://")]
    key_file: str = ""
    key_env: str = ""
    ca_file: str = ""
    """The certificate authority of a server inside the house."""
    timeout_ms: Annotated[int, Meta(ge=1, le=600_000)] = 10_000
    """Longest wait for one reply; a deadline may be nearer."""
    usd_per_search: Price = 0.0
    usd_per_million_tokens: Price = 0.0
    fixed: str = ""
    """A version or date of the model behind the name, where the provider has one: part of the fingerprint."""

    @property
    def key(self) -> str:
        """The secret, read when it is needed; nothing where none is named. Raises `SpecError`."""
        if self.key_env:
            return os.environ.get(self.key_env, "")
        try:
            return Path(self.key_file).read_text("utf-8").strip() if self.key_file else ""
        except OSError as error:
            raise SpecError(f"The key file {self.key_file} of a service cannot be read.") from error


def read(file: Path | None) -> dict[str, Service]:
    """The services of a file by name; none without a file. Raises `SpecError` naming what is wrong in it."""
    if file is None:
        return {}
    try:
        return msgspec.convert(tomllib.loads(file.read_text("utf-8")), dict[str, Service])
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise SpecError(f"The file of services {file.name} is wrong: {error}") from error

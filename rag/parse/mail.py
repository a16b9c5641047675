"""What both e-mail formats share: the header as text, and attachments as sections."""

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from pathlib import PurePosixPath

from rag.errors import ParseError
from rag.parse.compose import Composer

MAX_ATTACHMENTS = 50
MAX_DEPTH = 4
"""An e-mail in an e-mail in an e-mail: what lies deeper is left out."""
_depth: ContextVar[int] = ContextVar("depth", default=0)


def begin(composer: Composer, subject: str, fields: Mapping[str, str]) -> None:
    """Subject as a heading, then a line for each field that is there."""
    composer.heading(subject, 1)
    for key, value in fields.items():
        if value.strip():
            composer.line(f"{key.capitalize()}: {' '.join(value.split())}")
    composer.gap()


def attach(composer: Composer, attachments: Iterable[tuple[str, bytes]]) -> str:
    """Append each attachment that can be read; say which could not, and why."""
    from rag.parse.select import parse

    skipped: list[str] = []
    for number, (name, data) in enumerate(attachments):
        name = PurePosixPath(name.replace("\\", "/")).name[:200]
        if number >= MAX_ATTACHMENTS or _depth.get() >= MAX_DEPTH:
            skipped.append(f"{name} (too many attachments)")
            continue
        token = _depth.set(_depth.get() + 1)
        try:
            document = parse(data, name)
        except ParseError as error:
            skipped.append(f"{name} ({error})")
            continue
        finally:
            _depth.reset(token)
        composer.heading(f"Attachment: {name}", 2)
        composer.embed(document, level=2)
    return " ".join(skipped)

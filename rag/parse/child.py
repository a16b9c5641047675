"""The parsing child: limits itself, then answers one request after the other until its input ends.

Started by `rag.parse.sandbox` as `python -m rag.parse.child PARENT LIMITS`.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import BinaryIO

import msgspec

from rag.errors import ParseError
from rag.parse import wire
from rag.parse.base import ParsedDocument
from rag.parse.limits import Limits

Parse = Callable[[bytes, str], ParsedDocument]
_PR_SET_PDEATHSIG = 1
_WARM = ("html", "docx", "pdf")
"""Loaded before the first request, so that their libraries count before the limits do."""


def main(parse: Parse | None = None) -> None:
    """Serve until the input ends. `parse` replaces the parsers in tests of the limits."""
    parent, limits = int(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Limits)
    _die_with(parent)
    requests, answers = _private_pipes()
    if parse is None:
        from rag.parse import select

        for module in _WARM:
            select.parser(module)
        parse = select.parse
    _restrict(limits)
    while (request := wire.read_request(requests)) is not None:
        _allow_seconds(limits.cpu_seconds)
        answer = _answer(parse, *request, limits)
        answers.write(wire.encode(answer))
        answers.flush()
        if isinstance(answer, wire.Failed) and answer.spent:
            return


def _answer(parse: Parse, data: bytes, name: str, limits: Limits) -> wire.Answer:
    try:
        document = parse(data, name)
    except ParseError as error:
        return wire.Failed(str(error), spent=isinstance(error.__cause__, MemoryError | RecursionError))
    except MemoryError:
        return wire.Failed("Reading the file needs more memory than is allowed.", spent=True)
    if len(document.text) > limits.characters:
        return wire.Failed(
            f"The file holds more than {limits.characters:,} characters of text. Split it into smaller files."
        )
    return wire.Parsed(document)


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the parent, out of reach of libraries that write to standard output."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    return requests, answers


def _die_with(parent: int) -> None:
    """Leave no orphan that goes on parsing. Elsewhere than on Linux the end of the input does it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def _restrict(limits: Limits) -> None:
    """Limits of the kernel on this process. Files are never written: their size may be 0."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends us.
    for what, value in (
        ("RLIMIT_AS", limits.memory_bytes),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NOFILE", limits.open_files),
        ("RLIMIT_NPROC", 0),
    ):
        # macOS knows these but refuses some; the parent's clock still holds there.
        with contextlib.suppress(ValueError, OSError, AttributeError):
            resource.setrlimit(getattr(resource, what), (value, value))


def _allow_seconds(seconds: int) -> None:
    """So much processor time from now on; the kernel ends the process after it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()

"""Parses in child processes, so that no file can end, hang or fill the process that asked.

Children are fresh interpreters, not forks: a parent may hold threads and native libraries.
"""

import contextlib
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from rag.errors import ParseError
from rag.parse import wire
from rag.parse.base import ParsedDocument
from rag.parse.limits import Limits

_ROOT = str(Path(__file__).resolve().parents[2])
_READ = 1 << 20
_Job = tuple[bytes, str, "Future[ParsedDocument]"]


class _Ended(Exception):
    """The child closed its pipe or sent nonsense."""


class _TimedOut(Exception):
    """The wall clock ran out."""


class _TooLong(Exception):
    """The answer is longer than allowed."""


class ParserPool:
    """Some children, each fed by a thread of its own. Use as a context manager.

    `submit` blocks while two files a child are waiting, so that a long list of files never lies in
    memory. `child` is the module that children run; tests put a faulty one there.
    """

    def __init__(
        self, workers: int = 1, limits: Limits | None = None, *, child: str = "rag.parse.child"
    ) -> None:
        self._limits = limits or Limits()
        self._child = child
        self._jobs: queue.Queue[_Job | None] = queue.Queue(2 * workers)
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"parser-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, data: bytes, name: str) -> "Future[ParsedDocument]":
        """The parse of one file: the future gives the document or raises `ParseError` with a plain reason."""
        if self._closed:
            raise RuntimeError("the parser pool is closed")
        future: Future[ParsedDocument] = Future()
        if len(data) > self._limits.input_bytes:
            future.set_exception(
                ParseError(f"The file is larger than {self._limits.input_bytes // 2**20} MiB.")
            )
        else:
            self._jobs.put((data, name, future))
        return future

    def close(self) -> None:
        """Finish what was submitted, then end the children."""
        if not self._closed:
            self._closed = True
            for _ in self._threads:
                self._jobs.put(None)
            for thread in self._threads:
                thread.join()

    def cancel(self) -> None:
        """Drop what waits; a parse that runs is still finished or timed out by `close`."""
        with contextlib.suppress(queue.Empty):
            while job := self._jobs.get_nowait():
                job[2].cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.cancel()
        self.close()

    def _work(self) -> None:
        # The thread that starts a child must outlive it: Linux sends the parent-death signal when
        # the starting thread ends, not the process.
        with contextlib.closing(_Child(self._child, self._limits)) as child:
            while job := self._jobs.get():
                data, name, future = job
                if not future.set_running_or_notify_cancel():
                    continue
                try:
                    future.set_result(child.parse(data, name))
                except BaseException as error:
                    future.set_exception(error)
                del job, data, future


class _Child:
    """One child process, started when needed and replaced when spent."""

    def __init__(self, module: str, limits: Limits) -> None:
        self._module = module
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._parsed = 0

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Raises `ParseError`, whatever happens to the child."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._start()
        self._parsed += 1
        try:
            answer = self._exchange(data, name)
        except _TimedOut as error:
            self.close()
            raise ParseError(
                f"Reading the file took longer than {self._limits.seconds:g} seconds and was stopped."
            ) from error
        except _TooLong as error:
            self.close()
            raise ParseError(
                "The file holds more text than is allowed. Split it into smaller files."
            ) from error
        except (_Ended, msgspec.MsgspecError) as error:
            raise ParseError(self._death()) from error
        except BaseException:
            self.close()
            raise
        spent = isinstance(answer, wire.Failed) and answer.spent
        if spent or self._parsed >= self._limits.files_per_child:
            self.close()
        if isinstance(answer, wire.Failed):
            raise ParseError(answer.reason)
        return answer.document

    def close(self) -> None:
        """End the child at once; it holds nothing worth saving."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def _start(self) -> None:
        # A bare environment: what a parser can read there, a hostile file might get at.
        environment = {
            key: value
            for key, value in os.environ.items()
            if key in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")
        }
        environment |= {"PYTHONPATH": _ROOT, "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        limits = msgspec.json.encode(self._limits).decode()
        self._parsed = 0
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", self._module, str(os.getpid()), limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=environment,
            start_new_session=True,
        )
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None  # noqa: S101
            os.set_blocking(pipe.fileno(), False)

    def _exchange(self, data: bytes, name: str) -> wire.Answer:
        """Write the request and read the answer, both at once, until the deadline."""
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None  # noqa: S101
        deadline = time.monotonic() + self._limits.seconds
        outgoing = [memoryview(data), memoryview(wire.request(data, name))]
        incoming = bytearray()
        wanted = wire.HEADER.size
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdin, selectors.EVENT_WRITE)
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(max(0.0, deadline - time.monotonic())):
                    if key.fileobj is process.stdin:
                        if not _write(process.stdin, outgoing):
                            selector.unregister(process.stdin)
                        continue
                    piece = os.read(process.stdout.fileno(), min(_READ, wanted - len(incoming)))
                    if not piece:
                        raise _Ended
                    incoming += piece
                    if len(incoming) == wire.HEADER.size == wanted:
                        wanted += wire.HEADER.unpack(incoming)[0]
                        if wanted > self._limits.answer_bytes:
                            raise _TooLong
                    if len(incoming) == wanted:
                        return wire.decode(memoryview(incoming)[wire.HEADER.size :])
                if time.monotonic() >= deadline:
                    raise _TimedOut

    def _death(self) -> str:
        """Why the child is gone, from its exit status."""
        process = self._process
        assert process is not None  # noqa: S101
        try:
            status = process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            status = 0
        self.close()
        if status == -signal.SIGXCPU:
            return f"Reading the file took more than {self._limits.cpu_seconds} seconds of processor time."
        memory = self._limits.memory_bytes // 2**20
        return (
            f"The parser crashed on this file, or ran out of its {memory} MiB of memory: the file is"
            " damaged or too large when expanded."
        )


def _write(pipe: IO[bytes], outgoing: list[memoryview]) -> bool:
    """Write what fits now; False when all is written."""
    try:
        while outgoing:
            written = os.write(pipe.fileno(), outgoing[-1][:_READ])
            outgoing[-1] = outgoing[-1][written:]
            if not len(outgoing[-1]):
                outgoing.pop()
    except BlockingIOError:
        return True
    except BrokenPipeError as error:
        raise _Ended from error
    return False

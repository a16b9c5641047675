"""One node: start it, wait until it answers, say where it is, end it."""

import base64
import contextlib
import json
import os
import pwd
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.opensearch import assemble, java, users
from scripts.opensearch.releases import Release
from scripts.opensearch.trouble import Missing, Trouble

READY_S = 300.0
END_S = 60.0
SERVANT = "nobody"
"""Whom a root lets run it: it refuses to run as root."""


class Node:
    """A version in its folder. Only one process at a time may use one; see `__main__`."""

    def __init__(self, release: Release, folder: Path, say: Callable[[str], None]) -> None:
        self.release = release
        self.folder = folder
        self.home = folder / "server"
        self.console = folder / "console.log"
        self._pid_file = folder / "pid"
        self._address_file = folder / "address.json"
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._began = time.monotonic()

    # --- Start ----------------------------------------------------------------------------------------------

    def java(self) -> Path:
        lowest, highest = self.release.java
        found = java.fitting(lowest, highest, self.release.java_best)
        if found is None:
            there = ", ".join(str(number) for number in sorted(set(java.all_majors().values())))
            upto = f" to {highest}" if highest < 99 else " or later"
            best = self.release.java_best
            raise Missing(
                f"OpenSearch {self.release.version} needs Java {lowest}{upto} and was tried on {best}; "
                f"here is {there or 'none'}. Install one (Debian, where it has it: apt-get install "
                f"openjdk-{best}-jre-headless), or name the folder of one in OPENSEARCH_JAVA_HOME."
            )
        return found

    def start(self, cache: Path, port: int | None) -> None:
        """Start it, unless it runs."""
        if self.pid() is not None:
            return
        self._forget()
        if port and _free(port) != port:
            raise Trouble(f"Port {port} is taken by another program. Choose another one: PORT={port + 10}")
        home = self.java()
        self.folder.mkdir(parents=True, exist_ok=True)
        assemble.assemble(self.release, cache, self.home, home, self._say)
        before = self.address().get("ports") or [None, None]
        http = port or _free(before[0])
        transport = _free(port + 100 if port else before[1], not_=http)
        assemble.configure(self.release, self.folder, http, transport)
        if self.release.secured:
            users.write(self.folder, home)
        for name in ("data", "logs", "tmp"):
            (self.folder / name).mkdir(exist_ok=True)
        self._write_address(http, transport)
        self._say(f"Starting OpenSearch {self.release.version} on Java {java.major(home)}")
        with self.console.open("wb") as log:
            self._process = subprocess.Popen(
                [self.home / "bin" / "opensearch"],
                cwd=self.home,
                env=assemble.environment(home)
                | {"HOME": str(self.folder), "OPENSEARCH_TMPDIR": str(self.folder / "tmp")},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self._servant(home),
            )
        self._pid_file.write_text(str(self._process.pid), "utf-8")

    def _servant(self, home: Path) -> dict[str, Any]:
        """For `Popen`: the user it runs as, who gets the files that it writes."""
        if os.geteuid() != 0:
            return {}
        servant = pwd.getpwnam(SERVANT)
        for name in ("server", "data", "logs", "tmp"):
            for path in (self.folder / name, *(self.folder / name).rglob("*")):
                os.chown(path, servant.pw_uid, servant.pw_gid, follow_symlinks=False)
        who: dict[str, Any] = {"user": servant.pw_uid, "group": servant.pw_gid, "extra_groups": []}
        for file in (self.home / "bin" / "opensearch", home / "bin" / "java"):
            if subprocess.run(["test", "-x", file], **who).returncode:
                raise Trouble(
                    f"OpenSearch refuses to run as root and would run as {SERVANT}, who may not reach "
                    f"{file}. Run make as another user, or name a folder that everybody may enter in "
                    "SIEVE_OPENSEARCH_DIR."
                )
        return who

    # --- Ready ----------------------------------------------------------------------------------------------

    def wait(self) -> None:
        """Until it answers its users. Raises `Trouble` when it ends, or takes too long."""
        said = time.monotonic()
        while not self.answers():
            waited = time.monotonic() - self._began
            if self.pid() is None:
                raise Trouble(f"OpenSearch {self.release.version} ended by itself:\n{self._tail()}")
            if waited > READY_S:
                raise Trouble(f"OpenSearch {self.release.version} does not answer:\n{self._tail()}")
            if time.monotonic() - said > 5:
                said = time.monotonic()
                self._say(f"  {self.release.version}: {waited:.0f} s")
            time.sleep(0.3)
        told = self.folder / "role"
        if self.release.secured and self._differs(told):
            users.tell(self.folder, self.java(), self.address()["ports"][0])
            told.write_text(users.fingerprint(), "utf-8")

    def _differs(self, told: Path) -> bool:
        if not told.exists():  # its first start: it took the files by itself
            told.write_text(users.fingerprint(), "utf-8")
        return told.read_text("utf-8") != users.fingerprint()

    def answers(self) -> bool:
        """Whether everybody whom `address.json` names may search."""
        address = self.address()
        if not address:
            return False
        health = "/_cluster/health?wait_for_status=yellow&timeout=2s"
        asked = (
            (address["user"], address["password"], "/"),
            (address["admin_user"], address["admin_password"], health),
        )
        return all(
            _get(address["urls"][0] + path, user, password, address["ca"]) for user, password, path in asked
        )

    def address(self) -> dict[str, Any]:
        """What `address.json` says; nothing where there is none."""
        try:
            found: dict[str, Any] = json.loads(self._address_file.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return found

    def settings(self) -> dict[str, str]:
        """What the application has to be told to use it."""
        address = self.address()
        named = {
            "SIEVE_OPENSEARCH": address["urls"][0],
            "SIEVE_OPENSEARCH_USER": address["user"],
            "SIEVE_OPENSEARCH_PASSWORD": address["password"],
            "SIEVE_OPENSEARCH_CA": address["ca"],
        }
        return {name: value for name, value in named.items() if value}

    def _write_address(self, http: int, transport: int) -> None:
        known = users.passwords(self.folder) if self.release.secured else {}
        told = {
            "version": self.release.version,
            "urls": [f"{'https' if self.release.secured else 'http'}://127.0.0.1:{http}"],
            "user": "sieve" if known else "",
            "password": known.get("sieve", ""),
            "ca": str(self.folder / "tls" / "ca.pem") if known else "",
            "admin_user": "admin" if known else "",
            "admin_password": known.get("admin", ""),
            "ports": [http, transport],
        }
        _write_secret(self._address_file, json.dumps(told, indent=1) + "\n")
        lines = "".join(f"{name}='{value}'\n" for name, value in self.settings().items())
        _write_secret(self.folder / "sieve.env", lines)

    # --- End ------------------------------------------------------------------------------------------------

    def pid(self) -> int | None:
        """Its process, if that is alive and ours: after a crash the number may be another's."""
        if self._process is not None and self._process.poll() is not None:
            return None
        try:
            pid = int(self._pid_file.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return pid if str(self.home) in _command(pid) else None

    def stop(self) -> bool:
        """End it and wait until it is gone. False where it did not run."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            until = time.monotonic() + END_S
            while self.pid() is not None or _ending(pid):
                if time.monotonic() > until:
                    self._say(f"OpenSearch {self.release.version} does not end by itself: kill -9")
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                    until = time.monotonic() + END_S
                time.sleep(0.1)
        self._forget()
        return pid is not None

    def _forget(self) -> None:
        self._pid_file.unlink(missing_ok=True)

    def _tail(self) -> str:
        try:
            lines = self.console.read_text("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return "It wrote nothing."
        return "\n".join([*lines[-15:], f"All of it: {self.console}"])


def _command(pid: int) -> str:
    """The command line of a process; nothing where it has ended."""
    if os.path.isdir("/proc/self"):
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            return ""
    done = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True)
    return done.stdout


def _ending(pid: int) -> bool:
    """Whether a process that has no command line any more still has its files and ports."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _free(wanted: int | None, not_: int = 0) -> int:
    """That port if it can be had, otherwise any free one."""
    for port in (wanted, 0, 0) if wanted else (0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            if found != not_:
                return found
    raise Trouble("There is no free port on 127.0.0.1.")


def _get(url: str, user: str, password: str, ca: str) -> bool:
    request = urllib.request.Request(url)
    if user:
        token = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
        request.add_header("Authorization", f"Basic {token}")
    context = ssl.create_default_context(cafile=ca) if ca else None
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(request, timeout=5):
            return True
    except OSError:
        return False


def _write_secret(file: Path, text: str) -> None:
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
        opened.write(text)

"""The script behind `make opensearch`, with a server, a Java and a Maven that are a few lines each."""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.opensearch import __main__ as command
from scripts.opensearch import fetch, java, node, tls, users
from scripts.opensearch.node import Node
from scripts.opensearch.releases import RELEASES, Artifact, Module, Release
from scripts.opensearch.trouble import Trouble

ROOT = Path(__file__).resolve().parents[2]
PYTHON = shutil.which("python3", path="/usr/bin") or sys.executable
"""One that the user `nobody` may run."""
SERVER = """#!{python}
import http.server, pathlib, re, sys
home = pathlib.Path(__file__).parents[1]
port = re.search(r"http.port: (\\d+)", (home / "config" / "opensearch.yml").read_text())[1]
print("starting on", port, flush=True)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *words): pass
http.server.HTTPServer(("127.0.0.1", int(port)), Answer).serve_forever()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that the user `nobody` may enter, unlike pytest's."""
    path = Path(tempfile.mkdtemp(prefix="sieve-opensearch-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def a_java(folder: Path, number: int, *, released: bool = True) -> Path:
    home = folder / f"java-{number}"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text(f"#!/bin/sh\necho 'openjdk version \"{number}.0.2\"' >&2\n")
    (home / "bin" / "java").chmod(0o755)
    if released:
        (home / "release").write_text(f'IMPLEMENTOR="Somebody"\nJAVA_VERSION="{number}.0.2"\n')
    return home


def artifact(name: str, content: bytes, kind: str = "zip") -> Artifact:
    return Artifact(f"org.example:{name}:1:{kind}", hashlib.sha256(content).hexdigest())


@pytest.fixture
def release(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    """A version whose server is `SERVER`, whole in the cache."""
    monkeypatch.setattr(java, "PLACES", (str(folder / "java-*"),))
    for name in ("OPENSEARCH_JAVA_HOME", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    a_java(folder, 17)
    cache = folder / "cache"
    cache.mkdir()
    with zipfile.ZipFile(cache / "base-1.zip", "w") as archive:
        for name, script in (
            ("opensearch", SERVER.format(python=PYTHON)),
            ("opensearch-plugin", "#!/bin/sh\n"),
        ):
            archive.writestr(f"opensearch/bin/{name}", script)
        archive.writestr("opensearch/config/opensearch.yml", "")
    (cache / "jar-1.jar").write_bytes(b"jar")
    return Release(
        "0.0.1",
        java=(17, 23),
        java_best=17,
        base=artifact("base", (cache / "base-1.zip").read_bytes()),
        plugins=(),
        modules=(Module("more", "org.example.More", (artifact("jar", b"jar", "jar"),), "base", ("look",)),),
    )


@pytest.fixture
def one(folder: Path, release: Release) -> Iterator[Node]:
    made = Node(release, folder / release.version, lambda line: None)
    yield made
    made.stop()


def alive(pid: int) -> bool:
    """Not even ending: an ended child waits as a zombie for its parent to take note."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# --- A node ------------------------------------------------------------------------------------------------


def test_from_nothing_to_an_answer_and_back(one: Node, folder: Path) -> None:
    one.start(folder / "cache", None)
    one.wait()
    address, pid = one.address(), one.pid()
    assert pid is not None and one.answers()
    assert address["urls"] == [f"http://127.0.0.1:{address['ports'][0]}"] and address["user"] == ""
    assert one.settings() == {"SIEVE_OPENSEARCH": address["urls"][0]}
    assert (one.folder / "sieve.env").read_text() == f"SIEVE_OPENSEARCH='{address['urls'][0]}'\n"
    for name in ("address.json", "sieve.env"):
        assert (one.folder / name).stat().st_mode & 0o777 == 0o600
    owner = Path(f"/proc/{pid}").stat().st_uid
    assert owner != 0, "it runs as root"
    one.start(folder / "cache", None)
    assert one.pid() == pid, "it was started twice"
    assert one.stop() and one.pid() is None and not alive(pid)
    assert not one.stop() and not one.answers()


def test_what_a_module_needs_is_written_down(one: Node, folder: Path) -> None:
    one.start(folder / "cache", None)
    module = one.home / "modules" / "more"
    assert (module / "jar-1.jar").read_bytes() == b"jar"
    described = (module / "plugin-descriptor.properties").read_text().splitlines()
    assert {"name=more", "classname=org.example.More", "extended.plugins=base"} < set(described)
    assert 'RuntimePermission "look"' in (module / "plugin-security.policy").read_text()


def test_after_a_crash_it_starts_again_where_it_was(one: Node, folder: Path) -> None:
    one.start(folder / "cache", None)
    one.wait()
    before, pid = one.address(), one.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    later = Node(one.release, one.folder, lambda line: None)
    deadline = time.monotonic() + 5
    while later.pid() is not None or alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)
        one.pid()  # its parent here, who must take note of its end
    later.start(folder / "cache", None)
    later.wait()
    assert later.address() == before and later.pid() != pid
    assert later.stop()


def test_a_number_left_behind_is_not_believed(one: Node) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        one.folder.mkdir()
        (one.folder / "pid").write_text(str(other.pid))
        assert one.pid() is None and not one.stop()
        assert other.poll() is None, "somebody else's process was ended"
        other.kill()
    (one.folder / "pid").write_text("no number")
    assert one.pid() is None


def test_one_that_does_not_end_by_itself_is_killed(
    one: Node, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.start(folder / "cache", None)
    one.stop()
    deaf = "#!/bin/sh\ntrap '' TERM\ntouch tmp-deaf\nwhile :; do sleep 0.1; done\n"
    (one.home / "bin" / "opensearch").write_text(deaf)
    one.start(folder / "cache", None)
    pid = one.pid()
    while not (one.home / "tmp-deaf").exists():
        time.sleep(0.02)
    assert pid is not None
    monkeypatch.setattr(node, "END_S", 0.3)
    lines: list[str] = []
    one._say = lines.append
    assert one.stop() and not alive(pid)
    assert lines == ["OpenSearch 0.0.1 does not end by itself: kill -9"]


def test_one_that_ends_by_itself_says_why(one: Node, folder: Path) -> None:
    broken = one.home / "bin" / "opensearch"
    one.start(folder / "cache", None)
    one.stop()
    broken.write_text("#!/bin/sh\necho out of order; exit 3\n")
    one.start(folder / "cache", None)
    with pytest.raises(Trouble, match="ended by itself:\nout of order"):
        one.wait()


def test_a_taken_port_is_left_alone(one: Node, folder: Path) -> None:
    one.start(folder / "cache", None)
    port = one.address()["ports"][0]
    one.stop()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        one.start(folder / "cache", None)
        one.wait()
        assert one.address()["ports"][0] != port
        one.stop()
        with pytest.raises(Trouble, match=f"Port {port} is taken"):
            one.start(folder / "cache", port)


def test_another_making_takes_the_place_of_the_one_before(one: Node, folder: Path) -> None:
    one.start(folder / "cache", None)
    one.stop()
    (one.home / "old").touch()
    one.start(folder / "cache", None)
    one.stop()
    assert (one.home / "old").exists()
    changed = Node(replace(one.release, modules=()), one.folder, lambda line: None)
    changed.start(folder / "cache", None)
    changed.stop()
    assert not (one.home / "old").exists() and not (one.home / "modules" / "more").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is asked to run it as another user")
def test_a_folder_that_nobody_may_enter_is_named(one: Node, folder: Path) -> None:
    folder.chmod(0o700)
    with pytest.raises(Trouble, match=r"may not reach .*bin/opensearch.*SIEVE_OPENSEARCH_DIR"):
        one.start(folder / "cache", None)
    assert one.pid() is None


# --- Java --------------------------------------------------------------------------------------------------


def test_without_java_it_says_which_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "PLACES", (str(folder / "java-*"),))
    monkeypatch.setenv("PATH", str(folder))
    for name in ("OPENSEARCH_JAVA_HOME", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    one = Node(RELEASES["3.6.0"], folder / "3.6.0", lambda line: None)
    with pytest.raises(Trouble, match="3.6.0 needs Java 21 or later and was tried on 25; here is none"):
        one.java()
    a_java(folder, 11)
    a_java(folder, 17, released=False)
    with pytest.raises(Trouble, match=r"here is 11, 17\. .*openjdk-25-jre-headless"):
        one.java()
    newer = a_java(folder, 26)
    assert one.java() == newer
    old = Node(RELEASES["2.19.1"], folder / "2.19.1", lambda line: None)
    assert old.java().name == "java-17"


def test_a_java_that_is_named_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "PLACES", ())
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("JAVA_HOME", str(folder / "nothing"))
    monkeypatch.setenv("OPENSEARCH_JAVA_HOME", str(a_java(folder, 25)))
    assert java.fitting(21, 99, 25) == folder / "java-25"
    assert java.fitting(11, 23, 17) is None


# --- Maven -------------------------------------------------------------------------------------------------


@pytest.fixture
def maven(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One that brings `content`, or fails where there is none, and counts how often it was asked."""
    (folder / "bin").mkdir()
    script = folder / "bin" / "mvn"
    script.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >>{folder}/asked\n'
        f'[ -f {folder}/content ] || {{ echo "[ERROR] no such thing"; exit 1; }}\n'
        'while [ "$1" != -f ]; do shift; done\n'
        'into=$(sed -n "s|.*<outputDirectory>\\(.*\\)</outputDirectory>.*|\\1|p" "$2")\n'
        f'mkdir -p "$into" && cp {folder}/content "$into/thing-1.zip"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}/bin:/usr/bin:/bin")
    return folder / "content"


def test_a_file_is_fetched_once(folder: Path, maven: Path) -> None:
    maven.write_bytes(b"thing")
    lines: list[str] = []
    for _ in range(2):
        fetch.fetch([artifact("thing", b"thing")], folder / "cache", lines.append)
    assert [path.name for path in (folder / "cache").iterdir()] == ["thing-1.zip"]
    assert lines == ["Fetching 1 files by Maven"]
    assert len((folder / "asked").read_text().splitlines()) == 1


def test_another_file_than_the_pinned_one_is_refused(folder: Path, maven: Path) -> None:
    maven.write_bytes(b"something else")
    with pytest.raises(Trouble, match=r"thing-1\.zip is not the file that is pinned"):
        fetch.fetch([artifact("thing", b"thing")], folder / "cache", print)
    assert list((folder / "cache").iterdir()) == []


def test_a_damaged_file_is_fetched_anew(folder: Path, maven: Path) -> None:
    maven.write_bytes(b"thing")
    (folder / "cache").mkdir()
    (folder / "cache" / "thing-1.zip").write_bytes(b"thi")
    fetch.fetch([artifact("thing", b"thing")], folder / "cache", print)
    assert (folder / "cache" / "thing-1.zip").read_bytes() == b"thing"


def test_what_maven_says_is_passed_on(folder: Path, maven: Path) -> None:
    with pytest.raises(Trouble, match=r"no such thing\n.*settings\.xml"):
        fetch.fetch([artifact("thing", b"thing")], folder / "cache", print)


def test_without_maven_there_is_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(Trouble, match="no Maven here"):
        fetch.fetch([artifact("thing", b"thing")], folder / "cache", print)


def test_every_file_is_pinned_and_no_host_is_named() -> None:
    artifacts = {file.file: file for release in RELEASES.values() for file in release.artifacts}
    assert len(artifacts) == 17
    assert all(re.fullmatch(r"[0-9a-f]{64}", file.sha256) for file in artifacts.values())
    assert len({file.sha256 for file in artifacts.values()}) == len(artifacts)
    text = fetch._pom(artifacts.values(), Path("/a folder/<with>&marks"))
    for path in (ROOT / "scripts" / "opensearch").rglob("*.*"):
        text += path.read_text("utf-8") if path.suffix in (".py", ".yml") else ""
    assert set(re.findall(r"https?://[\w.{]+|[\w-]+\.(?:com|net|io)\b", text)) <= {"http://127.0.0.1"}


# --- Keys and users ----------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_keys_are_made_once_and_are_good(tmp_path: Path) -> None:
    tls.make(tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.glob("*.*")}
    tls.make(tmp_path)
    assert made == {path.name: path.read_bytes() for path in tmp_path.glob("*.*")}
    assert {(tmp_path / f"{name}.key").stat().st_mode & 0o777 for name in ("ca", "node", "admin")} == {0o600}
    assert made["node.key"].startswith(b"-----BEGIN PRIVATE KEY-----")
    done = subprocess.run(
        ["openssl", "x509", "-noout", "-subject", "-nameopt", "RFC2253", "-in", tmp_path / "admin.pem"],
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == f"subject={tls.ADMIN}"
    _shake_hands(tmp_path)


def _shake_hands(folder: Path) -> None:
    """A strict client trusts the node by the authority alone, under its own names."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "node.pem", folder / "node.key")
    asking = ssl.create_default_context(cafile=folder / "ca.pem")
    asking.verify_flags |= ssl.VERIFY_X509_STRICT
    for name, good in (("localhost", True), ("127.0.0.1", True), ("example.org", False)):
        near_in, near_out, far_in, far_out = (ssl.MemoryBIO() for _ in range(4))
        near = asking.wrap_bio(near_in, near_out, server_hostname=name)
        far = serving.wrap_bio(far_in, far_out, server_side=True)
        trusted = True
        for _ in range(4):
            for side, sends, to in ((near, near_out, far_in), (far, far_out, near_in)):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLCertVerificationError:
                    trusted = False
                except ssl.SSLError:
                    pass  # the other side hears that it is not trusted
                to.write(sends.read())
        assert trusted == good, name


def test_passwords_are_made_once_and_kept_secret(tmp_path: Path) -> None:
    made = users.passwords(tmp_path)
    assert made.keys() == {"admin", "sieve"} and len(set(made.values())) == 2
    assert users.passwords(tmp_path) == made
    assert (tmp_path / "passwords.json").stat().st_mode & 0o777 == 0o600


# --- The command -------------------------------------------------------------------------------------------


def call(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "scripts.opensearch", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def test_an_unknown_version_is_answered_with_those_there_are(tmp_path: Path) -> None:
    done = call("start", "9.9", SIEVE_OPENSEARCH_DIR=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "There is no 9.9 here, but: 3.6.0, 2.19.1, all."


def test_trouble_names_the_way_with_docker(tmp_path: Path) -> None:
    done = call("start", SIEVE_OPENSEARCH_DIR=str(tmp_path), PORT="80")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "docs/docker.md" in done.stderr


def test_stopping_what_does_not_run_is_no_error(tmp_path: Path) -> None:
    done = call("stop", SIEVE_OPENSEARCH_DIR=str(tmp_path / "new"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "OpenSearch 3.6.0 does not run here.",
        "OpenSearch 2.19.1 does not run here.",
    ]


def test_ports_are_numbers() -> None:
    assert command.port_of("", 1) is None and command.port_of("9200", 1) == 9201
    for text in ("80", "many", "70000"):
        with pytest.raises(Trouble, match="PORT is"):
            command.port_of(text, 0)


def test_start_says_what_to_set(
    one: Node, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIEVE_OPENSEARCH_DIR", str(folder))
    monkeypatch.delenv("PORT", raising=False)
    command.start([one.release])
    url = one.address()["urls"][0]
    assert one.answers()
    said = capsys.readouterr().out
    assert "answers after" in said and f"SIEVE_OPENSEARCH={url}" in said and "make opensearch-stop" in said
    command.start([one.release])
    assert "runs already" in capsys.readouterr().out
    command.stop([one.release])
    assert capsys.readouterr().out == "OpenSearch 0.0.1 has ended.\n"
    assert json.loads((one.folder / "address.json").read_text())["version"] == "0.0.1"


def test_what_is_missing_is_told_from_what_went_wrong(folder: Path, maven: Path) -> None:
    """77: this machine cannot have it, which continuous integration takes for a skip. 1: it failed."""
    (maven.parent / "bin" / "mvn").unlink()
    away = {"PATH": str(folder / "bin"), "SIEVE_OPENSEARCH_DIR": str(folder / "os")}
    away |= {"OPENSEARCH_JAVA_HOME": str(a_java(folder, 25))}
    done = call("start", **away)
    assert (done.returncode, done.stderr.splitlines()[0][:22]) == (77, "There is no Maven here")
    assert call("start", "9.9", **away).returncode == 1

"""The sandbox against a parser that loops, allocates, crashes, floods and writes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.errors import ParseError
from rag.parse.limits import Limits
from rag.parse.sandbox import ParserPool
from tests.rag.parse import samples

FAULTY = "tests.rag.parse.faulty_child"
LIMITS = Limits(seconds=1.5, cpu_seconds=60, memory_bytes=512 * 2**20, characters=1_000_000)
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def faulty() -> Iterator[ParserPool]:
    with ParserPool(1, LIMITS, child=FAULTY) as pool:
        yield pool


def reason(pool: ParserPool, name: str, data: bytes = b"") -> str:
    with pytest.raises(ParseError) as caught:
        pool.submit(data, name).result(timeout=30)
    # The pool goes on after every fault.
    assert pool.submit(b"abc", "well").result(timeout=30).text.split()[1] == "3"
    return str(caught.value)


def alive(process: int) -> bool:
    """Running, and not a zombie that only waits for its new parent."""
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


@pytest.mark.parametrize("fault", ["loop", "sleep", "close"])
def test_stops_what_takes_too_long(faulty: ParserPool, fault: str) -> None:
    began = time.monotonic()
    said = reason(faulty, fault)
    assert "longer than 1.5 seconds" in said or "crashed" in said
    assert time.monotonic() - began < 8


def test_limits_the_processor_time() -> None:
    limits = Limits(seconds=20, cpu_seconds=1, memory_bytes=512 * 2**20)
    with ParserPool(1, limits, child=FAULTY) as pool:
        assert "1 seconds of processor time" in reason(pool, "loop")


def test_limits_the_memory(faulty: ParserPool) -> None:
    assert "memory" in reason(faulty, "allocate")


@pytest.mark.parametrize("fault", ["crash", "exit", "nonsense"])
def test_survives_a_dead_child(faulty: ParserPool, fault: str) -> None:
    assert "crashed" in reason(faulty, fault)


@pytest.mark.parametrize("fault", ["flood", "endless"])
def test_limits_the_answer(faulty: ParserPool, fault: str) -> None:
    assert "Split it into smaller files" in reason(faulty, fault)


def test_limits_open_files(faulty: ParserPool) -> None:
    assert reason(faulty, "open")


def test_refuses_to_recurse_without_end(faulty: ParserPool) -> None:
    assert reason(faulty, "recurse")


def test_writes_no_file(faulty: ParserPool, tmp_path: Path) -> None:
    target = tmp_path / "written"
    assert "No writing" in reason(faulty, "write", str(target).encode())
    assert not target.exists() or target.stat().st_size == 0


def test_output_of_libraries_does_not_disturb(faulty: ParserPool) -> None:
    assert faulty.submit(b"", "print").result(timeout=30).title == "print"


def test_hides_the_environment(faulty: ParserPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "x")
    with ParserPool(1, LIMITS, child=FAULTY) as pool:
        assert "SECRET_KEY" not in pool.submit(b"", "environment").result(timeout=30).text


def test_reuses_its_child_and_replaces_it_in_time() -> None:
    limits = Limits(files_per_child=3)
    with ParserPool(1, limits, child=FAULTY) as pool:
        futures = [pool.submit(b"", f"file {n}") for n in range(7)]
        children = [future.result(timeout=30).text.split()[0] for future in futures]
    assert [children.count(child) for child in dict.fromkeys(children)] == [3, 3, 1]


def test_reads_large_input_and_refuses_larger() -> None:
    limits = Limits(input_bytes=8 * 2**20)
    with ParserPool(1, limits, child=FAULTY) as pool:
        assert pool.submit(bytes(8 * 2**20), "large").result(timeout=30).text.split()[1] == str(8 * 2**20)
        with pytest.raises(ParseError, match="larger than 8 MiB"):
            pool.submit(bytes(8 * 2**20 + 1), "larger").result(timeout=30)


def test_one_slow_file_does_not_stop_another_worker() -> None:
    with ParserPool(2, LIMITS, child=FAULTY) as pool:
        pool.submit(b"", "a").result(timeout=30)
        slow = pool.submit(b"", "sleep")
        for number in range(5):
            pool.submit(b"", str(number)).result(timeout=30)
        assert not slow.done()
        with pytest.raises(ParseError):
            slow.result(timeout=30)


def test_children_end_with_the_pool() -> None:
    with ParserPool(1, LIMITS, child=FAULTY) as pool:
        child = int(pool.submit(b"", "a").result(timeout=30).text.split()[0])
        assert alive(child)
    assert not alive(child)


@pytest.mark.parametrize("work", ["idle", "loop"])
def test_children_end_with_a_killed_parent(work: str) -> None:
    script = (
        "from rag.parse.sandbox import ParserPool\n"
        f"pool = ParserPool(1, child={FAULTY!r})\n"
        "print(pool.submit(b'', 'a').result().text.split()[0], flush=True)\n"
        f"pool.submit(b'', {work!r}).result()\n"
        "print('done', flush=True); import time; time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        time.sleep(0.2)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        until = time.monotonic() + 5
        while alive(child) and time.monotonic() < until:
            time.sleep(0.05)
        assert not alive(child)


def test_the_real_child_reads_every_format() -> None:
    with ParserPool(1) as pool:
        futures = [
            pool.submit(samples.docx(), "a.docx"),
            pool.submit(samples.HTML.encode(), "a.html"),
            pool.submit(samples.pdf([(12, "One line.")]), "a.pdf"),
        ]
        assert [future.result(timeout=30).title for future in futures] == [
            "Harbour rules",
            "Harbour rules",
            "a",
        ]
        with pytest.raises(ParseError, match="Supported are"):
            pool.submit(b"x", "a.exe").result(timeout=30)

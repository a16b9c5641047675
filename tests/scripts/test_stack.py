"""The supervisor: parts that die, parts that will not live, and nothing left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from scripts.part import Part
from scripts.stack import Stack, StackError
from search_app.queue_client import QueueClient

ROOT = Path(__file__).resolve().parents[2]


def until(true: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def part(lines: list[str], script: str, **options: object) -> Part:
    return Part("sheep", ["/bin/sh", "-c", script], dict(os.environ), lines.append, **options)  # type: ignore[arg-type]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def test_each_line_begins_with_the_name_of_its_part() -> None:
    lines: list[str] = []
    one = part(
        lines, "echo baa; echo; echo warning: overcommit; echo grass >&2; sleep 60", noise=["overcommit"]
    )
    one.step()
    until(lambda: len(lines) == 2)
    assert sorted(lines) == ["sheep  | baa", "sheep  | grass"]
    one.ask_to_end()
    one.end(time.monotonic() + 2)
    assert one.pid is None


def test_a_part_that_dies_is_started_again_with_a_growing_pause() -> None:
    lines: list[str] = []
    one = part(lines, "exit 3")
    deadline = time.monotonic() + 3.5
    while time.monotonic() < deadline:
        one.step()
        time.sleep(0.01)
    assert [line for line in lines if "ended" in line][:3] == [
        "sheep  | ended with exit code 3; starting it again in 0.4 s",
        "sheep  | ended with exit code 3; starting it again in 0.8 s",
        "sheep  | ended with exit code 3; starting it again in 1.6 s",
    ]
    assert one.starts in (3, 4)
    one.end(time.monotonic())


def test_what_a_part_started_dies_with_it(tmp_path: Path) -> None:
    lines: list[str] = []
    one = part(lines, "sleep 600 & echo $!; wait")
    one.step()
    until(lambda: lines)
    child = int(lines[0].split("| ")[1])
    one.kill()
    until(lambda: one.pid is None)
    until(lambda: not alive(child))
    one.step()
    assert "ended by SIGKILL" in lines[-1]
    one.end(time.monotonic())


def test_redis_is_started_again_and_ends_with_the_stack(tmp_path: Path) -> None:
    lines: list[str] = []
    with Stack(tmp_path, parts=("redis",), say=lines.append) as stack:
        stack.wait_until_ready()
        assert stack.queue_url == f"unix://{tmp_path}/queue/redis.sock"
        assert oct((tmp_path / "queue" / "redis.conf").stat().st_mode & 0o777) == "0o600"
        first = stack.pids()["redis"]
        redis.Redis.from_url(stack.queue_url).set("key", "value")
        stack.kill("redis")
        until(lambda: stack.pids().get("redis", first) != first)
        stack.wait_until_ready()
        assert redis.Redis.from_url(stack.queue_url).get("key") is None
        second = stack.pids()["redis"]
    assert not alive(second)
    assert lines == ["redis  | ended by SIGKILL; starting it again in 0.4 s"]
    assert sorted(path.name for path in (tmp_path / "queue").iterdir()) == ["redis.conf"]


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    with Stack(tmp_path / "a b%20 ü#1?", parts=("redis",)) as stack:
        stack.wait_until_ready()
        assert redis.Redis.from_url(stack.queue_url).ping()
        QueueClient(stack.queue_url).send("ingest.work", [], queue="ingest")
        assert redis.Redis.from_url(stack.queue_url).llen("ingest") == 1


def test_a_long_path_gets_a_loopback_port_with_a_password(tmp_path: Path) -> None:
    folder = tmp_path / ("long-" * 15) / ("name-" * 5)
    with Stack(folder, parts=("redis",)) as stack:
        stack.wait_until_ready()
        assert stack.queue_url.startswith("redis://:")
        assert redis.Redis.from_url(stack.queue_url).ping()
        port = int(stack.queue_url.rpartition(":")[2].partition("/")[0])
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=port).ping()


def test_one_data_folder_has_one_stack(tmp_path: Path) -> None:
    with (
        Stack(tmp_path, parts=("redis",)),
        pytest.raises(StackError, match="runs already on the data folder"),
    ):
        Stack(tmp_path, parts=("redis",)).__enter__()


def test_a_redis_of_ones_own_is_used_as_it_is(tmp_path: Path) -> None:
    stack = Stack(tmp_path, environment={"SIEVE_QUEUE": "redis://elsewhere:6379/0"}, parts=("redis",))
    assert stack.queue_url == stack.environment["SIEVE_QUEUE"] == "redis://elsewhere:6379/0"
    with stack:
        stack.wait_until_ready()
        assert stack.pids() == {}


@pytest.mark.slow
def test_a_part_that_cannot_live_is_not_waited_for(tmp_path: Path) -> None:
    lines: list[str] = []
    settings = {"SIEVE_MODEL_DIR": str(tmp_path / "no-models")}
    with (
        Stack(tmp_path, environment=settings, parts=("redis", "rerank"), say=lines.append) as stack,
        pytest.raises(StackError, match="'rerank' ends again and again"),
    ):
        stack.wait_until_ready()
    assert any("manage.py models pull" in line for line in lines)


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel to end the parts with their parent")
def test_kill_9_of_the_supervisor_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from scripts.stack import Stack\n"
        "with Stack(Path(sys.argv[1]), parts=('redis',)) as stack:\n"
        "    stack.wait_until_ready(); print(stack.pids()['redis'], flush=True); time.sleep(600)\n"
    )
    supervisor = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    pid = int(supervisor.stdout.readline())
    assert alive(pid)
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    until(lambda: not alive(pid))
    until(lambda: not listens(tmp_path / "queue" / "redis.sock"))  # its threads may end a moment later

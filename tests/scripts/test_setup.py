"""What `make setup` reads from pip's output, and what its stamp says."""

import json
from pathlib import Path

import pytest

from scripts import run, setup

PIP = """\
Collecting anyio==4.16.0 (from -r requirements.lock (line 1))
  Downloading anyio-4.16.0-py3-none-any.whl.metadata (4.7 kB)
  Downloading anyio-4.16.0-py3-none-any.whl (130 kB)
Collecting numpy==2.4.6 (from -r requirements.lock (line 9))
  Using cached https://somewhere.example/numpy-2.4.6-cp311.whl (16.9 MB)
  Downloading tiny-1.0-py3-none-any.whl
Installing collected packages: anyio, numpy
"""


def test_progress_counts_files_and_what_came_over_the_network() -> None:
    counted: dict[str, float] = {}
    lines = list(setup.progress(PIP.splitlines(), 3, counted))
    assert lines == [
        "  [ 1/3] anyio-4.16.0-py3-none-any.whl (0.1 MB)",
        "  [ 2/3] numpy-2.4.6-cp311.whl (16.9 MB, from pip's cache)",
        "  [ 3/3] tiny-1.0-py3-none-any.whl (0.0 MB)",
        "  downloaded 0.1 MB; unpacking",
    ]
    assert sum(counted.values()) == 130_000


@pytest.mark.parametrize("content", ["", "no json", None])
def test_a_broken_stamp_is_no_stamp(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "STAMP", tmp_path / "stamp.json")
    if content is not None:
        (tmp_path / "stamp.json").write_text(content)
    assert setup.read_stamp() == {}


def test_a_stamp_without_its_python_is_no_stamp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "STAMP", tmp_path / "stamp.json")
    monkeypatch.setattr(setup, "PYTHON", tmp_path / "python")
    (tmp_path / "stamp.json").write_text(json.dumps({"requirements.lock": "abc"}))
    assert setup.read_stamp() == {}
    (tmp_path / "python").touch()
    assert setup.read_stamp() == {"requirements.lock": "abc"}


@pytest.mark.parametrize("text", ["", "0", "65536", "80a", "-1", "８０００x"])
def test_a_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SystemExit, match="it must be a number from 1 to 65535"):
        run.port_of(text)


def test_disk_bytes_count_a_file_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1_000_000)
    one = run.disk_bytes(tmp_path)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert one >= 1_000_000
    assert run.disk_bytes(tmp_path) - one < 100_000


def test_an_extra_is_installed_on_top_of_the_rest() -> None:
    names = [lock.name for lock in setup.locks(True, ["torch", "openvino"])]
    assert names == [
        *("requirements.lock", "requirements-dev.lock"),
        *("requirements-torch.lock", "requirements-openvino.lock"),
    ]
    assert [lock.name for lock in setup.locks(False, [])] == ["requirements.lock"]
    assert all(setup.locks(True, [extra])[-1].is_file() for extra in setup.EXTRAS)

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rag.onnx import batches, plain
from rag.parallel import container_cores, cores, in_parallel
from tests import models


def test_batches_hold_the_budget_with_padding() -> None:
    lengths = [5, 100, 7, 30, 28, 300, 1]
    cut = batches(lengths, 64)
    assert sorted(index for batch in cut for index in batch) == list(range(len(lengths)))
    assert cut == [[5], [1], [3, 4], [2, 0, 6]]
    assert batches([], 64) == []
    assert batches([3, 9], 1) == [[1], [0]]


def test_work_is_begun_in_order_and_done_once() -> None:
    begun: list[int] = []
    in_parallel(begun.append, 100, threads=4)
    assert sorted(begun) == list(range(100))
    in_parallel(begun.append, 0, threads=4)
    in_order: list[int] = []
    in_parallel(in_order.append, 50, threads=1)
    assert in_order == list(range(50))


def test_work_goes_on_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=10)
    in_parallel(lambda _: together.wait() and None, 3, threads=3)


def test_an_error_ends_the_work_and_is_raised() -> None:
    done: list[int] = []

    def work(item: int) -> None:
        if item == 3:
            raise ValueError("the third")
        time.sleep(0.001)
        done.append(item)

    with pytest.raises(ValueError, match="the third"):
        in_parallel(work, 1000, threads=2)
    assert len(done) < 20


def test_halves_of_pairs_are_replaced_one_by_one() -> None:
    assert plain("a\ud800b\udfff") == "a?b?"
    assert plain("naïve 👍") == "naïve 👍"


@pytest.mark.parametrize(
    ("said", "given"),
    [("max 100000", None), ("200000 100000", 2), ("150000 100000", 2), ("20000 100000", 1), ("what", None)],
)
def test_a_container_gives_so_many_cores(tmp_path: Path, said: str, given: int | None) -> None:
    (tmp_path / "cpu.max").write_text(said + "\n")
    assert container_cores(tmp_path) == given


@pytest.mark.parametrize(("quota", "given"), [("-1", None), ("300000", 3)])
def test_so_does_one_of_the_first_version(tmp_path: Path, quota: str, given: int | None) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert container_cores(tmp_path) == given


def test_without_a_container_all_cores_count(tmp_path: Path) -> None:
    assert container_cores(tmp_path) is None
    assert 1 <= cores() <= (os.cpu_count() or 1)


@pytest.mark.models
def test_a_model_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    file = models.folder(models.CROSS_ENCODER) / "model.onnx"
    code = f"from rag.onnx import OnnxModel, Path; OnnxModel.load(Path({str(file)!r}), output='logits')"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
    assert list(tmp_path.rglob("*")) == []

"""Passages encoded by a real worker with the real encoder, for a real ingest."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rag.encode import onnx
from rag.encode.message import EncodedTexts, unpacked
from rag.errors import EncoderUnavailable
from rag.ingest import encode_passages
from rag.rerank.message import BadMessage
from scripts.stack import Stack
from search_app import dispatch
from search_app.dispatch import QueuedEncoder
from tests import models
from tests.contracts.reranker import PASSAGES

pytestmark = pytest.mark.models
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def here() -> onnx.OnnxEncoder:
    return onnx.load(models.ENCODER, models.folder(models.ENCODER), threads=2)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, parts=("redis",)) as running:
        running.wait_until_ready()
        dispatch._client.cache_clear()
        yield running


def test_a_worker_encodes_as_this_process_does(stack: Stack, here: onnx.OnnxEncoder) -> None:
    encoder = QueuedEncoder(here, stack.queue_url)
    with pytest.raises(EncoderUnavailable, match="No encode worker holds the encoder"):
        encode_passages(PASSAGES, encoder)
    worker = subprocess.Popen([sys.executable, "-m", "workers", "encode"], cwd=ROOT, env=stack.environment)
    try:
        client, until = dispatch._client(stack.queue_url), time.monotonic() + 120
        while not any(beat.pid == worker.pid for beat in client.workers(fresh=True)):
            assert time.monotonic() < until
            assert worker.poll() is None
            time.sleep(0.05)
        many = PASSAGES * 40  # several jobs
        vectors, codes = encode_passages(many, encoder)
        expected, known = encode_passages(PASSAGES, here)
        assert np.allclose(vectors, np.tile(expected, (40, 1)), atol=1e-6)
        assert [code.to_bytes() for code in codes] == [code.to_bytes() for code in known] * 40
        assert encode_passages([], encoder)[0].shape == (0, here.dimension)
    finally:
        worker.kill()
        worker.wait()
    began = time.monotonic()
    with pytest.raises(EncoderUnavailable, match="No encode worker"):  # its sign of life runs out
        encode_passages(PASSAGES, encoder)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("vectors", "codes"),
    [
        (b"\0" * 32, (b"",)),
        (b"\0" * 31, (b"", b"")),
        (b"\0" * 64, (b"", b"")),
        (b"\0\0\xc0\x7f" * 16, (b"", b"")),
        (b"\0" * 64, (b"12", b"")),
    ],
)
def test_a_reply_that_does_not_fit_is_refused(vectors: bytes, codes: tuple[bytes, ...]) -> None:
    reply = EncodedTexts(id="1", vectors=vectors, codes=codes)
    if (vectors, codes) == (b"\0" * 64, (b"", b"")):
        assert unpacked(reply, 2, 8)[0].shape == (2, 8)
        return
    with pytest.raises(BadMessage):
        unpacked(reply, 2, 8)

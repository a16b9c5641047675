"""A worker whose model scores otherwise than the golden pairs say takes no traffic, and says why."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.errors import RerankUnavailable
from rag.rerank import message
from scripts.stack import Stack
from search_app import dispatch
from search_app.dispatch import QueuedReranker
from tests import models

pytestmark = [pytest.mark.models, pytest.mark.slow]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A worker over a model whose tokenizer keeps capitals, of which the model knows none."""
    folder = tmp_path / "models" / models.CROSS_ENCODER
    shutil.copytree(models.folder(models.CROSS_ENCODER), folder)
    words = (folder / "tokenizer.json").read_text("utf-8")
    assert words.count('"lowercase": true') == 1
    (folder / "tokenizer.json").write_text(words.replace('"lowercase": true', '"lowercase":false'), "utf-8")
    environment = {"SIEVE_MODEL_DIR": str(folder.parent)}
    with Stack(tmp_path, parts=("redis", "rerank"), environment=environment) as running:
        running.wait_until_ready()
        yield running


def test_a_model_that_fails_the_golden_pairs_is_refused_with_the_reason(stack: Stack) -> None:
    client = dispatch._client(stack.queue_url)
    (beat,) = client.workers(fresh=True)
    assert beat.models == ()
    (model,) = beat.unfit
    assert model.startswith(f"{models.CROSS_ENCODER}:")
    assert "golden pair" in beat.unfit[model]
    with pytest.raises(RerankUnavailable, match="refuses this model: It gives golden pair"):
        QueuedReranker(model, stack.queue_url).score_texts("q", ["a"], deadline=time.monotonic() + 10)

    job = client.job("q", ["a"], model, 10.0)  # of somebody who did not look
    until = time.monotonic() + 10
    client.post(message.SCORE, [job], queue=message.RERANK, until=until)
    data = client.take(job.reply_to, 10.0, until)
    assert data is not None
    reply = message.decode(data, message.Reply)  # type: ignore[arg-type]
    assert isinstance(reply, message.Refused)
    assert reply.code == "unfit"
    assert "golden pair" in reply.sentence

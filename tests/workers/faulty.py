"""`python -m tests.workers.faulty KIND FINGERPRINT`: the worker's own process around a model that fails.

`nan` gives scores that are no numbers, `slow` takes half a minute, `memory` never has enough. The reply of
`short` lacks a value, that of `late` comes when nobody waits any more. `well` scores by length.
"""

import sys
import time
from collections.abc import Sequence

import msgspec

from rag.rerank.base import Pair
from rag.rerank.message import Job, Reply, Scored
from workers import __main__ as program
from workers import rerank
from workers.app import QUEUE_URL
from workers.heartbeat import client
from workers.held import QUESTION, Held

KIND, FINGERPRINT = sys.argv[1:3]


class Model:
    fingerprint = FINGERPRINT
    kind = "logit"
    precision = "scripted"
    lanes = batch_tokens = 1

    def pairs(self, query: str, texts: Sequence[str]) -> list[Pair]:
        return [Pair(len(text), (query, text)) for text in texts]

    def run(self, pairs: Sequence[Pair]) -> list[float]:
        ((query, text),) = (pair.data for pair in pairs)
        if query == QUESTION:  # warming up
            return [0.0]
        if KIND == "memory":
            raise MemoryError
        if KIND == "slow":
            time.sleep(30)
        return [float("nan") if KIND == "nan" else float(len(text))]


def load() -> rerank.Rerankers:
    push = rerank.to_list(client(QUEUE_URL))

    def reply(job: Job, said: Reply) -> None:
        if KIND == "late":
            time.sleep(max(0.0, job.deadline - time.time()) + 0.3)
        if KIND == "short" and isinstance(said, Scored):
            said = msgspec.structs.replace(said, values=said.values[:-1])
        push(job, said)

    return rerank.Rerankers({FINGERPRINT: Held(Model())}, reply)


if __name__ == "__main__":
    rerank.Rerankers.load = staticmethod(load)
    sys.argv = ["workers", "rerank"]
    program.main()

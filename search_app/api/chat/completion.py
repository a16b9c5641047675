"""A trace as a completion of OpenAI's API: whole, or in chunks."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rag.answers import FinishReason, Usage
from rag.trace import Trace
from search_app.api import results
from search_app.api.results import Absolute

REASONS: Mapping[FinishReason, str] = {"length": "length", "failed": "length", "stopped": "length"}
"""Every other answer is whole: `stop`."""
NOT_WRITTEN = "No answer was written: this pipeline only finds passages."
DONE = "data: [DONE]\n\n"
NO_USAGE = Usage("", 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One answer in the making. `warnings` say what was sent and is not followed."""

    trace_id: object
    model: str
    absolute: Absolute
    warnings: Sequence[str] = ()
    with_usage: bool = False
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, trace: Trace) -> dict[str, Any]:
        message = {"role": "assistant", "content": text_of(trace), "refusal": None, **self.beside(trace)}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_of(trace)}
        return self._frame("chat.completion", trace) | {"choices": [choice], "usage": usage_of(trace)}

    def chunk(self, trace: Trace, delta: Mapping[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage: dict[str, Any] = {"usage": None} if self.with_usage else {}
        return data(self._frame("chat.completion.chunk", trace) | {"choices": [choice]} | usage)

    def last(self, trace: Trace) -> str:
        """The chunk that ends the message, with what stands beside its text, and the end of the stream."""
        chunks = self.chunk(trace, self.beside(trace), finish_of(trace))
        if self.with_usage:
            usage = {"choices": [], "usage": usage_of(trace)}
            chunks += data(self._frame("chat.completion.chunk", trace) | usage)
        return chunks + DONE

    def beside(self, trace: Trace) -> dict[str, Any]:
        """Citations as OpenAI has them, and everything that Sieve says."""
        found = results.answered(trace, self.trace_id, self.absolute)
        answer = found["answer"] or {}
        citations = answer.get("citations", [])
        passages = trace.passages
        annotations = [
            {
                "type": "url_citation",
                "url_citation": {
                    "start_index": citation["answer_span"][0],
                    "end_index": citation["answer_span"][1],
                    "title": passages[citation["passage_id"]].title,
                    "url": citation["url"],
                },
            }
            for citation in citations
        ]
        said = {
            "trace_id": found["trace_id"],
            "url": found["url"],
            "question": trace.question,
            "finish_reason": answer.get("finish_reason"),
            "confidence": answer.get("confidence"),
            "citations": citations,
            "sentences": answer.get("sentences", []),
            "passages": found["passages"],
            "rerank": found["rerank"],
            "degraded": found["degraded"],
            "partial_index": found["partial_index"],
            "warnings": list(self.warnings),
        }
        return {"annotations": annotations, "sieve": said}

    def _frame(self, kind: str, trace: Trace) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.trace_id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": trace.fingerprint,
        }


def text_of(trace: Trace) -> str:
    """What the answer says; where none was written, why."""
    if trace.answer is not None:
        return trace.answer.text
    return next((skip.reason for skip in trace.skipped if skip.stage == "generate"), NOT_WRITTEN)


def finish_of(trace: Trace) -> str:
    return REASONS.get(trace.answer.finish_reason, "stop") if trace.answer else "stop"


def usage_of(trace: Trace) -> dict[str, Any]:
    usage = trace.usage or NO_USAGE
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def data(value: object) -> str:
    """A frame without a name. All of it is ASCII: some clients take more for an end of line than is one."""
    return f"data: {json.dumps(value)}\n\n"

"""How an answer came to be: what was understood, weighed, written, and what each sentence stands on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rag.answers import Check
from rag.trace import Trace
from search_app.pages.said import checked
from search_app.pages.words import count, dollars, milliseconds

FINISHED = {
    "answered": "whole",
    "no_answer": "refused: the documents do not answer",
    "length": "ended at its limit of tokens",
    "failed": "broke off",
    "stopped": "stopped, or its asker left",
}
VERDICTS = {"supported": "supported", "unsupported": "not supported", "unchecked": "not checked"}


@dataclass(frozen=True, slots=True)
class Sentence:
    text: str
    verdict: str
    said: str
    """The verdict in words."""
    markers: tuple[int, ...]
    score: str
    reason: str


@dataclass(frozen=True, slots=True)
class Weighed:
    """What was decided on before anything was written, against its threshold."""

    value: str
    threshold: str
    enough: bool | None
    features: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Written:
    understood: tuple[tuple[str, str], ...]
    """What was made of the question: a heading and what stands there."""
    texts: tuple[str, ...]
    """What was searched with it."""
    facts: tuple[tuple[str, str], ...]
    weighed: Weighed | None
    sentences: tuple[Sentence, ...]
    scale: str
    """Which verifier gave the scores, and from which on a sentence is supported; empty where none did."""


def how_written(trace: Trace, *, texts_visible: bool = True) -> Written | None:
    """None where the pipeline only searched, as it was asked."""
    understood = _understood(trace) if texts_visible else ()
    texts = trace.expansion.texts if trace.expansion and texts_visible else ()
    facts, weighed = tuple(_facts(trace)), _weighed(trace)
    sentences = tuple(_sentence(trace, check) for check in checked(trace)) if texts_visible else ()
    if not (understood or facts or weighed or sentences):
        return None
    return Written(understood, texts, facts, weighed, sentences, _scale(trace))


def _part(trace: Trace, name: str) -> Mapping[str, Any]:
    part = trace.spec.get(name)
    return part if isinstance(part, Mapping) else {}


def _understood(trace: Trace) -> tuple[tuple[str, str], ...]:
    rows = []
    if trace.rewriting:
        rows.append(("Understood as", trace.rewriting.question))
        rows.append(("By", trace.rewriting.by))
        rows.append(("With the questions before", " · ".join(trace.query.history)))
    if trace.expansion:
        number = count(len(trace.expansion.texts), "text")
        method = trace.expansion.method.replace("_", " ")
        rows.append(("Searched with", f"{number} written by {trace.expansion.by} ({method})"))
    return tuple((name, value) for name, value in rows if value)


def _facts(trace: Trace) -> list[tuple[str, str]]:
    answer, usage = trace.answer, trace.usage
    if answer is None:
        return []
    facts = [("Ended", FINISHED[answer.finish_reason])]
    if usage is not None:
        tokens = f"{usage.prompt_tokens:,}" + (
            f", {usage.cached_tokens:,} of them computed before" if usage.cached_tokens else ""
        )
        facts += [
            ("Model", usage.model),
            ("Prompt", usage.prompt),
            ("Prompt tokens", tokens if usage.prompt_tokens else ""),
            ("Tokens written", f"{usage.completion_tokens:,}" if usage.completion_tokens else ""),
            ("Tokens a second", f"{usage.tokens_per_s:.1f}" if usage.tokens_per_s else ""),
            ("Replica", usage.server),
            ("Price", dollars(usage.usd) if usage.usd else ""),
        ]
    if trace.first_ms is not None:
        facts.append(("First words", f"{milliseconds(trace.first_ms)} after writing began"))
    if answer.unknown_markers:
        said = count(answer.unknown_markers, "marker")
        facts.append(("Taken out", f"{said} that named no passage"))
    return [(name, value) for name, value in facts if value]


def _weighed(trace: Trace) -> Weighed | None:
    if trace.confidence is not None:
        threshold = _part(trace, "refuse").get("threshold")
        value, features = trace.confidence.value, trace.confidence.features
        shown = tuple((name.replace("_", " "), f"{one:.3g}") for name, one in features.items())
    elif trace.answer is not None and trace.answer.confidence is not None:
        threshold = _part(trace, "generate").get("threshold")
        value, shown = trace.answer.confidence, ()
    else:
        return None
    known = isinstance(threshold, int | float)
    return Weighed(
        _number(value), _number(threshold) if known else "", value >= threshold if known else None, shown
    )


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _sentence(trace: Trace, check: Check) -> Sentence:
    text = trace.answer.text[slice(*check.span)] if trace.answer else ""
    score = _number(check.score) if check.score is not None else "–"
    return Sentence(text, check.verdict, VERDICTS[check.verdict], check.markers, score, check.reason)


def _scale(trace: Trace) -> str:
    verify = _part(trace, "verify")
    if not trace.checks or not verify:
        return ""
    name = " ".join(str(verify[key]) for key in ("backend", "model") if verify.get(key))
    return f"{name}, supported from {verify.get('threshold')}"

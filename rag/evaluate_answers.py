"""Measure the answers of a pipeline: what they say and cite, what stands on a passage, when it refuses.

No language model judges here: gold answers, judged documents and the pipeline's own checks do.
"""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from rag.answer_gold import Gold
from rag.evaluate import COLLECTION
from rag.trace import Trace
from rag.types import Query


@dataclass(frozen=True, slots=True)
class Judgement:
    """One question: what its answer was worth. None says that the measure does not apply."""

    question: str
    answerable: bool
    finish_reason: str
    """Of the answer; `none` where nothing was written."""
    said: float | None
    """Share of the gold that it says; of answered questions that can be answered."""
    cited: tuple[int, int]
    """Of the documents that it cites, relevant ones and all."""
    citable: tuple[int, int]
    """Of the relevant documents that were handed over, those that it cites and all."""
    supported: tuple[int, int]
    """Of its sentences, those that stand on what they cite and all that were checked."""
    unchecked: int
    unknown_markers: int
    tokens: int
    first_ms: float | None
    """From the question to the first words."""
    total_ms: float

    @property
    def refused(self) -> bool:
        return self.finish_reason == "no_answer"


def judge(trace: Trace, gold: Gold, relevant: frozenset[str], documents: Mapping[str, str]) -> Judgement:
    """`documents` is document id in the index → id in the qrels; `relevant` holds ids of the qrels."""
    answer = trace.answer
    reason = answer.finish_reason if answer else "none"
    written = answer is not None and reason not in ("no_answer", "none")
    of_passage = {passage.id: documents[passage.document_id] for _, passage in trace.handed}
    cited = {of_passage[c.passage_id] for c in answer.citations} if answer and written else set()
    handed = relevant.intersection(of_passage.values())
    counted = [check for check in trace.checks if check.verdict != "unchecked"]
    began = next((t.started_ms for t in trace.timings if t.step == "generate"), 0.0)
    return Judgement(
        question=trace.query.id,
        answerable=gold.answerable,
        finish_reason=reason,
        said=gold.said(answer.text) if answer and written and gold.answerable else None,
        cited=(len(cited & relevant), len(cited)) if written and gold.answerable else (0, 0),
        citable=(len(cited & handed), len(handed)) if written and gold.answerable else (0, 0),
        supported=(sum(check.verdict == "supported" for check in counted), len(counted)),
        unchecked=len(trace.checks) - len(counted),
        unknown_markers=answer.unknown_markers if answer else 0,
        tokens=trace.usage.completion_tokens if trace.usage else 0,
        first_ms=None if trace.first_ms is None else began + trace.first_ms,
        total_ms=trace.total_ms,
    )


def measure(
    answer: Callable[[Query], Trace],
    questions: Iterable[tuple[str, str]],
    gold: Mapping[str, Gold],
    qrels: Mapping[str, Mapping[str, int]],
    documents: Mapping[str, str],
    seen: Callable[[Trace, Judgement], None] = lambda trace, judgement: None,
) -> list[Judgement]:
    """Ask every question; `seen` is told each trace as it comes."""
    found = []
    for qid, text in questions:
        trace = answer(Query(id=qid, text=text, collections=(COLLECTION,)))
        relevant = frozenset(document for document, grade in qrels.get(qid, {}).items() if grade > 0)
        found.append(judge(trace, gold[qid], relevant, documents))
        seen(trace, found[-1])
    return found


@dataclass(frozen=True, slots=True)
class AnswerReport:
    """Shares from 0 to 1, milliseconds as medians; None where there is nothing to count."""

    pipeline: str
    fingerprint: str
    questions: int
    unanswerable: int
    answered: float | None
    """Of the questions that can be answered, those that were."""
    says_gold: float | None
    """Of all questions that can be answered, the mean share of the gold that the answer says: a refusal
    says none."""
    says_gold_answered: float | None
    """The same over those that were answered."""
    citation_precision: float | None
    citation_recall: float | None
    """Over the relevant documents that were handed over: what the search did not find, none can cite."""
    supported: float | None
    unchecked: int
    unknown_markers: int
    refusal_precision: float | None
    refusal_recall: float | None
    first_ms: float | None
    first_ms_p95: float | None
    total_ms: float | None
    tokens: float

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def report(pipeline: str, fingerprint: str, found: Sequence[Judgement]) -> AnswerReport:
    can = [one for one in found if one.answerable]
    cannot = [one for one in found if not one.answerable]
    refused = [one for one in found if one.refused]
    rightly = [one for one in refused if not one.answerable]
    answered = [one for one in can if one.finish_reason not in ("no_answer", "none")]
    known = [one.said for one in answered if one.said is not None]
    first = sorted(one.first_ms for one in found if one.first_ms is not None)
    return AnswerReport(
        pipeline=pipeline,
        fingerprint=fingerprint,
        questions=len(found),
        unanswerable=len(cannot),
        answered=_share(len(answered), len(can)),
        says_gold=_share(sum(known), len(can)) if known else None,
        says_gold_answered=_share(sum(known), len(known)),
        citation_precision=_ratio(one.cited for one in can),
        citation_recall=_ratio(one.citable for one in can),
        supported=_ratio(one.supported for one in found),
        unchecked=sum(one.unchecked for one in found),
        unknown_markers=sum(one.unknown_markers for one in found),
        refusal_precision=_share(len(rightly), len(refused)) if cannot else None,
        refusal_recall=_share(len(rightly), len(cannot)),
        first_ms=statistics.median(first) if first else None,
        first_ms_p95=first[min(len(first) - 1, int(len(first) * 0.95))] if first else None,
        total_ms=statistics.median(one.total_ms for one in found) if found else None,
        tokens=statistics.fmean(one.tokens for one in found) if found else 0.0,
    )


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def _ratio(pairs: Iterable[tuple[int, int]]) -> float | None:
    parts = list(pairs)
    return _share(sum(part for part, _ in parts), sum(whole for _, whole in parts))


ROWS: tuple[tuple[str, str], ...] = (
    ("answered", "answered, of those that can be"),
    ("says_gold", "says the gold answer, of those that can be answered"),
    ("says_gold_answered", "says the gold answer, of those that were"),
    ("citation_precision", "citations that are of a relevant document"),
    ("citation_recall", "relevant documents handed over that are cited"),
    ("supported", "sentences that stand on what they cite"),
    ("refusal_precision", "refusals that were right"),
    ("refusal_recall", "unanswerable questions refused"),
)
"""Field of a report and what it says, for a table."""

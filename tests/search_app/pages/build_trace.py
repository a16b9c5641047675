"""Builds traces as a real question leaves them, from invented documents. Values depend on the seed only."""

import random
from collections.abc import Sequence
from dataclasses import replace

from rag.answers import Answer, Citation, Usage
from rag.events import Skipped
from rag.trace import Trace
from rag.types import Candidate, ContextPassage, Passage, Query, Ranking, Spent, Stage, Timing

QUESTION = "How long may a beehive be left closed in spring before the colony needs help?"

SPEC: dict[str, object] = {
    "encoder": {"backend": "onnx", "model": "bge-small-en-v1.5-int8"},
    "fuse": {"method": "zscore", "depth": 100, "bm25": 0.5, "knn": 0.5},
    "late": {"backend": "late_interaction", "depth": 200},
    "rerank": {"backend": "onnx", "model": "ms-marco-MiniLM-L-12-v2-int8", "depth": 16, "budget_ms": 500},
    "blend": {"bm25": 0.3, "knn": 0.3, "late": 0.4, "reranked": 0.3},
    "context": {"top": 5, "max_tokens": 2000},
    "generate": {"backend": "extractive", "model": "ms-marco-MiniLM-L-12-v2-int8"},
}

BOOKS = (
    ("The beekeeper's year", ("Spring", "First inspection")),
    ("Notes on wintering", ("After the frost",)),
    ("Swarms and how to read them", ("Signs", "Queen cells")),
    ("Feeding", ("Syrup", "How much")),
    ("Keeping records", ()),
    ("Diseases of the brood", ("Treatment", "What to report")),
    ("Building frames", ("Wood",)),
    ("A small flora for apiaries", ("Willow and hazel",)),
    ("The beekeeper's year", ("Summer", "Supers")),
    ("Club rules", ("Shared hives", "Opening times")),
    ("Weather and flight", ("Ten degrees",)),
)

TEXTS = (
    "A closed hive in early spring is no neglect. On the first day above twelve degrees a short look tells "
    "whether there is food and a queen. Between two looks three weeks may pass without harm, as long as the "
    "stores are known. When the weight drops by more than a frame in a week, open it sooner and feed.",
    "Colonies that come out of the frost light in weight starve within ten days of the first brood. Lift the "
    "hive at the back once a week: what you feel is the answer, and no lid has to be raised for it.",
    "Queen cells on the lower edge say that the colony has made up its mind. From a closed cell to a swarm "
    "it is nine days, so in May nobody should let more than eight days go by.",
    "Syrup of equal parts is for building, two to one is for storing. A colony takes a litre in a night when "
    "it is warm; cold syrup is left standing.",
    "Wood that lay in the rain for a year swells. Plane the top bars again before the frames go back, or "
    "they will stick when the colony is strongest.",
    "Below ten degrees bees do not fly, and a hive that is opened then loses in a minute what the cluster "
    "has warmed in a night. Whoever must look, looks at noon, out of the wind, and is brief.",
    "Whoever opens a shared hive says so in the book beside the gate, with the time.",
    "Write down the date, the weather, the number of frames with brood, and what you mean to do next time.",
)


def passage(
    number: int,
    text: str | None = None,
    *,
    title: str | None = None,
    headings: Sequence[str] | None = None,
    page: int | None = None,
) -> Passage:
    """Passage `number` of the invented shelf; documents hold seven passages each."""
    book, above = BOOKS[number % len(BOOKS)]
    body = TEXTS[number * 3 % len(TEXTS)] if text is None else text
    document, position = divmod(number, 7)
    start = 40 + position * 400
    return Passage(
        id=f"{document + 1}:1:{position}",
        document_id=str(document + 1),
        version=1,
        position=position,
        collection="bees" if number % 3 else "club",
        title=book if title is None else title,
        headings=above if headings is None else tuple(headings),
        text=body,
        span=(start, start + len(body)),
        page=page if page is not None else (number % 40 + 1 if number % 2 else None),
        tokens=40 + number % 180,
    )


def ranking(stage: Stage, kind: str, passages: Sequence[Passage], high: float, low: float) -> Ranking:
    """A ranking in the order given, its scores falling evenly from `high` to `low`."""
    step = (high - low) / max(1, len(passages) - 1)
    return Ranking(stage, kind, tuple(Candidate(p, high - i * step) for i, p in enumerate(passages)))  # type: ignore[arg-type]


def answer_over(context: Sequence[Passage]) -> Answer:
    """An answer that quotes the first sentences of the first three passages and adds one of its own."""
    text, citations = "", []
    for marker, quoted in enumerate(context[:3], start=1):
        begin = quoted.text.find(". ") + 2 if marker == 1 else 0
        end = quoted.text.find(".", begin) + 1
        sentence = quoted.text[begin:end]
        start = len(text)
        text += sentence
        span = (quoted.span[0] + begin, quoted.span[0] + end)
        citations.append(Citation(marker, quoted.id, span, (start, len(text))))
        text += f" [{marker}]" + ("\n\n" if marker == 1 else " ")
    return Answer(text + "Most years nobody notices.", tuple(citations), "answered", 1.7)


def build(
    *,
    shared: int = 37,
    depth: int = 100,
    scored: int = 12,
    asked: int = 16,
    seed: int = 7,
    skipped: Sequence[Skipped] = (),
    without: Sequence[str] = (),
    answered: str = "answered",
) -> Trace:
    """A trace with `2 * depth - shared` candidates; partial where fewer were `scored` than `asked`."""
    rng = random.Random(seed)
    total = 2 * depth - shared
    shelf = [passage(i) for i in range(total)]
    worth = {p.id: rng.expovariate(1.0) for p in shelf}

    def noisy(passages: Sequence[Passage], noise: float) -> list[Passage]:
        return sorted(passages, key=lambda p: -worth[p.id] + rng.gauss(0, noise))

    pool = shelf[:]
    rng.shuffle(pool)
    bm25, knn = noisy(pool[:depth], 0.9), noisy(pool[total - depth :], 0.7)
    place = {p.id: 0.0 for p in shelf}
    for leg in (bm25, knn):
        for rank, p in enumerate(leg, start=1):
            place[p.id] += 1 / (8 + rank)
    fused = sorted(shelf, key=lambda p: -place[p.id])
    late = noisy(fused, 0.8)
    blended = sorted(shelf, key=lambda p: late.index(p) + 1.4 * fused.index(p))
    reranked = noisy(blended[:scored], 0.4)
    top = sorted(blended[:scored], key=lambda p: reranked.index(p) + 0.8 * blended.index(p))
    final = top + blended[scored:]
    rankings = [
        ranking("bm25", "bm25", bm25, 17.5, 2.1),
        ranking("knn", "cosine", knn, 0.818, 0.411),
        ranking("fused", "zscore", fused, 2.91, -1.2),
        ranking("late", "maxsim", late, 0.742, 0.31),
        ranking("reranked", "logit", reranked, 8.68, -4.2),
        ranking("final", "blend", final, 2.4, -3.9),
    ]
    rankings = [r for r in rankings if r.stage not in without]
    last = rankings[-1].passages
    context = tuple(ContextPassage(i + 1, p.id, p.tokens) for i, p in enumerate(last[:5]))
    answer: Answer | None = answer_over(last[:5])
    if answered == "no_answer":
        answer = Answer("The documents do not answer this.", (), "no_answer", -6.1)
    elif answered == "none":
        answer = None
    return Trace(
        query=Query(id="q", text=QUESTION, collections=("bees", "club")),
        pipeline="default",
        spec=SPEC,
        fingerprint="sha256:9f2c4b1e7d3a58c60f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778",
        index_version="passages-0007",
        readable=3412,
        refused=2,
        rankings=tuple(rankings),
        asked={"bm25": depth, "knn": depth, "fused": total, "late": total, "reranked": asked, "final": total},
        skipped=tuple(skipped),
        context=context,
        answer=answer,
        usage=Usage("ms-marco-MiniLM-L-12-v2-int8", 0, 0),
        timings=(
            Timing("encode", 0.2, 8.7),
            Timing("bm25", 9.0, 4.8),
            Timing("knn", 9.0, 13.9),
            Timing("permit", 23.0, 1.1),
            Timing("fused", 24.2, 0.9),
            Timing("late", 25.3, 13.2),
            Timing("reranked", 39.0, 486.0, 441.5),
            Timing("final", 525.2, 1.4),
            Timing("pack", 526.8, 0.3),
            Timing("generate", 527.3, 214.0),
        ),
        first_ms=171.0 if answer else None,
    )


CASCADE: dict[str, object] = {
    "backend": "pointwise",
    "model": "house/small-chat",
    "depth": 20,
    "budget_ms": 2000,
    "before": [
        {"backend": "onnx", "model": "ms-marco-TinyBERT-L-2-v2", "depth": 120, "keep": 60, "budget_ms": 300},
        {"backend": "http", "model": "cohere/rerank-v3.5", "depth": 60, "keep": 20, "budget_ms": 900},
    ],
    "window_tokens": 400,
    "window_overlap": 100,
}


def build_cascade() -> Trace:
    """The same question reranked in three stages, with everything that scores can have cost."""
    trace = build(scored=18, asked=20)
    before = trace.ranking("late").passages  # type: ignore[union-attr]
    rankings = [r for r in trace.rankings if r.stage not in ("reranked", "final")]
    rankings += [
        ranking("coarse", "logit", before[:120], 6.2, -9.8),
        ranking("middle", "relevance", before[:60:2] + before[1:60:2], 0.981, 0.004),
        replace(trace.ranking("reranked"), kind="rating"),  # type: ignore[type-var]
        trace.rankings[-1],
    ]
    timings = [t for t in trace.timings if t.started_ms < 39.0]
    timings += [
        Timing("coarse", 39.0, 131.0, 119.0),
        Timing("middle", 170.5, 402.0, 402.0),
        Timing("reranked", 573.0, 1390.0, 1390.0),
        Timing("final", 1963.5, 1.4),
        Timing("pack", 1965.0, 0.3),
        Timing("generate", 1965.4, 214.0),
    ]
    return replace(
        trace,
        spec={**SPEC, "rerank": CASCADE},
        rankings=tuple(rankings),
        asked={**trace.asked, "coarse": 120, "middle": 60, "reranked": 20},
        timings=tuple(timings),
        spent={
            "coarse": Spent(texts=96, tokens=14_208, cached=24, queue_ms=11.2, precision="int8"),
            "middle": Spent(texts=71, windows=19, tokens=9_310, requests=1, usd=0.002),
            "reranked": Spent(texts=18, tokens=5_120, requests=18, repaired=2, stopped="time"),
        },
    )

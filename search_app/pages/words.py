"""How the pages name stages and scales and write numbers. There is no bare "score" anywhere."""

from rag.types import Passage

STAGE_NAMES = {
    "bm25": "BM25",
    "knn": "kNN",
    "fused": "Fused",
    "late": "Late",
    "coarse": "Coarse",
    "middle": "Middle",
    "reranked": "Reranked",
    "final": "Final",
    "answer": "Answer",
}

STAGE_MEANINGS = {
    "bm25": "by words",
    "knn": "by meaning",
    "fused": "both legs",
    "late": "MaxSim",
    "final": "blend",
    "answer": "passage number",
}

STEP_NAMES = {
    "rewrite": "understand follow-up",
    "expand": "write more texts",
    "encode": "encode question",
    "bm25": "BM25",
    "knn": "kNN",
    "permit": "check access",
    "fused": "fuse",
    "late": "late interaction",
    "coarse": "coarse stage",
    "middle": "middle stage",
    "reranked": "reranking",
    "final": "blend",
    "pack": "pack context",
    "weigh": "weigh context",
    "generate": "answer",
    "verify": "check sentences",
}

SCALE_NAMES = {
    "bm25": "BM25",
    "cosine": "cosine",
    "rrf": "RRF",
    "zscore": "z-score",
    "minmax": "min-max",
    "maxsim": "MaxSim",
    "logit": "logit",
    "probability": "probability",
    "relevance": "relevance",
    "rating": "rating",
    "ordinal": "ordinal",
    "blend": "blend",
}

_SCALE_FORMATS = {
    "bm25": ".2f",
    "cosine": ".3f",
    "rrf": ".4f",
    "zscore": "+.2f",
    "minmax": ".3f",
    "maxsim": ".3f",
    "logit": "+.2f",
    "probability": ".3f",
    "relevance": ".3f",
    "rating": ".1f",
    "ordinal": ".0f",
    "blend": "+.2f",
}


def score_text(kind: str, value: float) -> str:
    """A raw score with as many places as its scale can tell apart, and a true minus sign."""
    return format(value, _SCALE_FORMATS.get(kind, ".3f")).replace("-", "\N{MINUS SIGN}")


def milliseconds(value: float) -> str:
    """`0.4 ms`, `31 ms`, `1.98 s`."""
    if value < 9.95:
        return f"{value:.1f} ms"
    if value < 999.5:
        return f"{value:.0f} ms"
    return f"{value / 1000:.2f} s"


def dollars(value: float) -> str:
    """`$1.25`, `$0.0020`, `$0.000040`: what a question costs is a part of a cent."""
    return f"${value:,.2f}" if value >= 0.995 else f"${value:.4f}" if value >= 0.001 else f"${value:.6f}"


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `5 h`, `3 days`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 72 * 3600 else f"{seconds / 86400:.0f} days"


def megabytes(number: int) -> str:
    """`34 MB`, `1.12 GB`; of bytes, in powers of ten."""
    return (
        f"{number / 1e6:,.1f} MB"
        if number < 9.95e6
        else f"{number / 1e6:,.0f} MB"
        if number < 1e9
        else f"{number / 1e9:,.2f} GB"
    )


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 passage`, `3,412 passages`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters in one line, with an ellipsis where something was cut."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def path_of(passage: Passage) -> str:
    """Headings above the passage, outermost first, without the title of the document."""
    headings = [h for h in passage.headings if h.casefold() != passage.title.casefold()]
    return " › ".join(headings)


def place_of(passage: Passage) -> str:
    """Where in its document a passage stands: its page where there are pages, else its number."""
    return f"page {passage.page}" if passage.page is not None else f"passage {passage.position + 1}"

"""What the generator gets to read: the best passages that fit, and why the others did not."""

from collections.abc import Sequence

from rag.spec import ContextSpec
from rag.types import Candidate, ContextPassage, Passage


def pack(
    candidates: Sequence[Candidate], spec: ContextSpec
) -> tuple[list[Passage], tuple[ContextPassage, ...], tuple[tuple[str, str], ...]]:
    """Take candidates, best first, until `spec.top` are taken; the first is always taken.

    Left out are passages whose text was taken already and those that no longer fit into
    `spec.max_tokens`. Returns the passages in order of marker, their numbers, and the dropped ids
    with their reasons.
    """
    taken: list[Passage] = []
    numbered: list[ContextPassage] = []
    dropped: list[tuple[str, str]] = []
    texts: dict[str, int] = {}
    used = 0
    for candidate in candidates:
        if len(taken) == spec.top:
            break
        passage = candidate.passage
        text = " ".join(passage.text.split())
        if text in texts:
            dropped.append((passage.id, f"same text as passage {texts[text]}"))
        elif taken and used + passage.tokens > spec.max_tokens:
            dropped.append((passage.id, f"did not fit: {used + passage.tokens} of {spec.max_tokens} tokens"))
        else:
            taken.append(passage)
            numbered.append(ContextPassage(len(taken), passage.id, passage.tokens))
            texts[text] = len(taken)
            used += passage.tokens
    return taken, tuple(numbered), tuple(dropped)

"""Turns of a conversation: in a line above a new question, whole on their own page, and as a file."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from search_app.conversations import Turn
from search_app.models import Conversation
from search_app.pages.answer import answer_context
from search_app.pages.links import answer_url
from search_app.pages.said import answer_text, checked, cited_text
from search_app.pages.words import shorten

NOTES = {
    "closed": "This answer stands on documents that you may not read now, so it is not shown.",
    "gone": "A document that this answer stood on has been deleted, and the answer with it.",
    "passages": "No answer was written.",
}
BRIEF = 180
"""Characters of an answer in a line."""


def note(turn: Turn) -> str:
    """Why there is no answer to show; empty where there is one."""
    return NOTES.get(turn.state, "")


def brief(turns: Iterable[Turn]) -> list[dict[str, Any]]:
    """Question and the beginning of the answer, a line each."""
    return [
        {
            "question": turn.record.question,
            "url": answer_url(turn.record.pk) if turn.readable or turn.state == "gone" else "",
            "note": note(turn),
            "said": shorten(answer_text(turn.trace), BRIEF) if turn.trace else "",
        }
        for turn in turns
    ]


def whole(turns: Iterable[Turn]) -> list[dict[str, Any]]:
    """Turns with their answers as the answer page has them."""
    shown = []
    for turn in turns:
        context = answer_context(turn.trace, turn.record.pk) if turn.trace else {}
        url = answer_url(turn.record.pk) if turn.readable or turn.state == "gone" else ""
        shown.append(
            context | {"turn": turn, "question": turn.record.question, "url": url, "note": note(turn)}
        )
    return shown


# --- As a file -------------------------------------------------------------------------------------------


def as_value(turn: Turn) -> dict[str, Any]:
    """A turn as JSON has it. The passages are those that the answer saw, with the words it cites."""
    trace = turn.trace
    value: dict[str, Any] = {
        "id": str(turn.record.pk),
        "asked": turn.record.created.isoformat(),
        "question": turn.record.question,
        "state": turn.state,
        "answer": trace.answer.text if trace and trace.answer else None,
        "helpful": turn.liked,
        "passages": [],
    }
    if note(turn):
        value["note"] = note(turn)
    if trace is None:
        return value
    citations = trace.answer.citations if trace.answer else ()
    if trace.rewriting:
        value["understood"] = trace.rewriting.question
    if doubted := [check.span for check in checked(trace) if check.verdict == "unsupported"]:
        value["unsupported"] = [value["answer"][start:end] for start, end in doubted]
    for marker, passage in trace.handed:
        spans = sorted({c.span for c in citations if c.passage_id == passage.id})
        value["passages"].append(
            {
                "number": marker,
                "document": passage.document_id,
                "title": passage.title,
                "headings": list(passage.headings),
                "collection": passage.collection,
                "page": passage.page,
                "cited": [cited_text(passage, span) for span in spans if passage.text],
            }
        )
    return value


def as_json(pairs: Iterable[tuple[Conversation, Sequence[Turn]]]) -> Iterator[str]:
    """A list of conversations, written piece by piece."""
    between = "[\n"
    for conversation, turns in pairs:
        value = {
            "id": str(conversation.pk),
            "title": conversation.title,
            "begun": conversation.created.isoformat(),
            "questions": [as_value(turn) for turn in turns],
        }
        yield between + json.dumps(value, ensure_ascii=False, indent=1)
        between = ",\n"
    yield "[]\n" if between == "[\n" else "\n]\n"


def as_markdown(pairs: Iterable[tuple[Conversation, Sequence[Turn]]]) -> Iterator[str]:
    """The same to be read: questions as headings, answers with their sources below."""
    empty = True
    for conversation, turns in pairs:
        empty = False
        yield f"# {_line(conversation.title)}\n\n"
        for turn in turns:
            yield "".join(_turn_lines(as_value(turn)))
    if empty:
        yield "Nothing has been asked yet.\n"


def _turn_lines(value: dict[str, Any]) -> Iterator[str]:
    yield f"## {_line(value['question'])}\n\n"
    yield f"*{value['asked'][:16].replace('T', ' ')}*\n\n"
    if value.get("understood"):
        yield f"*Understood as: {_line(value['understood'])}*\n\n"
    if value["answer"]:
        yield _text(value["answer"]) + "\n\n"
    for sentence in value.get("unsupported", ()):
        yield f"*Not supported by a passage: {_line(sentence)}*\n\n"
    if value.get("note"):
        yield f"*{value['note']}*\n\n"
    for passage in value["passages"]:
        where = [passage["title"], *passage["headings"][-1:], passage["collection"]]
        if passage["page"]:
            where.append(f"page {passage['page']}")
        yield f"- \\[{passage['number']}\\] {_line(', '.join(dict.fromkeys(where)))}\n"
        for cited in passage["cited"]:
            yield f"  > {_line(cited)}\n"
    if value["passages"]:
        yield "\n"


_SPECIAL = str.maketrans({c: "\\" + c for c in "\\`*_[]<>#|"})


def _line(text: str) -> str:
    """One line in which nothing is Markdown or HTML."""
    return " ".join(text.split()).translate(_SPECIAL)


def _text(text: str) -> str:
    return "\n\n".join(_line(paragraph) for paragraph in text.split("\n") if paragraph.strip())

"""The tools: what they are called, what they take, and what they do with the rights of who calls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from django.urls import reverse
from msgspec import Struct

from rag.types import Filters
from search_app import asking, pipelines, selectors
from search_app.access import Viewer
from search_app.api import results
from search_app.api.problems import Problem
from search_app.api.results import Absolute
from search_app.mcp import shapes

NO_DOCUMENT = "There is no document {id} that you may read."


def search(asked: shapes.Search, viewer: Viewer, absolute: Absolute) -> shapes.Searched:
    recording = _ask(asked, viewer, generate=False)
    found = results.searched(recording.finish(), recording.trace_id, asked.top, absolute)
    return msgspec.convert(found, shapes.Searched)


def answer(asked: shapes.Answer, viewer: Viewer, absolute: Absolute) -> shapes.Answered:
    recording = _ask(asked, viewer, generate=True, history=asked.history)
    found = results.answered(recording.finish(), recording.trace_id, absolute)
    written = found["answer"] or {}
    said = {
        "answer": written.get("text"),
        "finish_reason": written.get("finish_reason"),
        "citations": written.get("citations", []),
        "sentences": written.get("sentences", []),
    }
    return msgspec.convert(found | said, shapes.Answered)


def get_document(asked: shapes.GetDocument, viewer: Viewer, absolute: Absolute) -> shapes.Read:
    """What may not be read is answered as what is not there."""
    opened = selectors.document(viewer, asked.document_id)
    if opened is None:
        raise Problem("not_found", NO_DOCUMENT.format(id=asked.document_id))
    row, text = opened.document, opened.version.text
    end = min(asked.offset + asked.limit, len(text))
    return shapes.Read(
        document_id=row.pk,
        version=opened.version.version,
        collection=row.collection.name,
        name=row.name,
        title=opened.version.title,
        text=text[asked.offset : end],
        offset=asked.offset,
        total=len(text),
        next_offset=end if end < len(text) else None,
        url=absolute(reverse("document", args=[row.pk])),
    )


def _ask(
    asked: shapes.Asked, viewer: Viewer, *, generate: bool, history: tuple[str, ...] = ()
) -> asking.Recording:
    if asked.pipeline is not None and asked.pipeline not in pipelines.names():
        raise Problem("not_found", f"There is no pipeline {asked.pipeline[:100]}.")
    return asking.ask(
        asked.question,
        viewer=viewer,
        collections=asked.collections,
        pipeline=asked.pipeline,
        generate=generate,
        history=history,
        filters=_filters(asked.filters),
        formats=asked.filters.formats,
    )


def _filters(asked: shapes.Filters) -> Filters:
    return Filters(
        documents=tuple(map(str, asked.documents)),
        title=asked.title.replace("\0", ""),
        phrases=tuple(phrase.replace("\0", "") for phrase in asked.phrases),
    )


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool, and the scope that a key needs for it."""

    name: str
    title: str
    description: str
    scope: str
    takes: type[Struct]
    gives: type[Struct]
    run: Callable[[Any, Viewer, Absolute], Struct]

    def call(self, arguments: Mapping[str, Any], viewer: Viewer, absolute: Absolute) -> dict[str, Any]:
        """What it gives, as JSON values. Raises `Problem` for arguments that it does not take."""
        try:
            asked = msgspec.convert(arguments, self.takes)
        except msgspec.ValidationError as error:
            raise Problem("invalid", f"{str(error)[:500]}.") from error
        return msgspec.to_builtins(self.run(asked, viewer, absolute))


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "search",
            "Search documents",
            "Finds the passages of the documents that answer a question best, by words and by meaning, "
            "reranked. Use it to read sources yourself.",
            *("search", shapes.Search, shapes.Searched, search),
        ),
        Tool(
            "answer",
            "Answer from documents",
            "Answers a question from the documents alone, each sentence with the passages that carry it, or "
            "says that they do not answer it.",
            *("search", shapes.Answer, shapes.Answered, answer),
        ),
        Tool(
            "get_document",
            "Read a document",
            "The text of a document by the id that passages and citations name, a window at a time: go on at "
            "next_offset.",
            *("read", shapes.GetDocument, shapes.Read, get_document),
        ),
    )
}


@cache
def shown(tool: Tool) -> dict[str, Any]:
    """A tool as `tools/list` has it."""
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "inputSchema": shapes.schema_of(tool.takes),
        "outputSchema": shapes.schema_of(tool.gives),
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    }

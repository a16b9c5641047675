"""The client of the Model Context Protocol's own library, pointed at this site, in both ways to connect."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from search_app import keys
from search_app.models import Collection, Document
from tests.integrations.conftest import Site

pytestmark = [pytest.mark.integrations, pytest.mark.models]

QUESTION = "When does the ferry leave?"
MODES = {"auto": "2026-07-28", "legacy": "2025-11-25", "2026-07-28": "2026-07-28"}
Doing = Callable[[Any], Awaitable[Any]]


def connected(site: Site, mode: str, do: Doing, key: str | None = None) -> Any:
    """What `do` gives of a client that is connected."""
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async def run() -> Any:
        headers = {"Authorization": f"Bearer {key or site.key}"}
        async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
            transport = streamable_http_client(f"{site.url}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                return await do(client)

    return asyncio.run(run())


@pytest.mark.parametrize("mode", MODES)
def test_tools_are_listed_called_and_held_against_their_schemas(site: Site, quoting: None, mode: str) -> None:
    """The client itself refuses what is not as the output schema says."""
    _, key = keys.make(User.objects.get(), "both", ["search", "read"])

    async def do(client: Any) -> None:
        assert client.protocol_version == MODES[mode]
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert list(tools) == ["search", "answer", "get_document"]
        found = await client.call_tool("search", {"question": QUESTION, "top": 2})
        passage = found.structured_content["passages"][0]
        assert not found.is_error and "nine" in passage["text"]
        said = (await client.call_tool("answer", {"question": QUESTION})).structured_content
        assert "nine" in said["answer"] and said["citations"][0]["document_id"] == passage["document_id"]
        read = await client.call_tool("get_document", {"document_id": passage["document_id"], "limit": 5})
        assert len(read.structured_content["text"]) == 5 and read.structured_content["next_offset"] == 5

    connected(site, mode, do, key)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_session_that_is_opened_by_hand(site: Site, mode: str) -> None:
    async def do(client: Any) -> None:
        if mode == "legacy":
            await client.send_ping()
            assert client.session.initialize_result.server_info.name == "sieve"
        assert "instruction" in client.instructions
        assert [tool.name for tool in (await client.list_tools()).tools] == ["search", "answer"]

    connected(site, mode, do)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_errors(site: Site, mode: str) -> None:
    from mcp.shared.exceptions import MCPError

    async def do(client: Any) -> None:
        wrong = await client.call_tool("search", {"question": QUESTION, "top": 1000})
        assert wrong.is_error and "50" in wrong.content[0].text
        lacking = await client.call_tool("get_document", {"document_id": 1})
        assert lacking.is_error and "scope read" in lacking.content[0].text
        with pytest.raises(MCPError) as unknown:
            await client.call_tool("rm", {})
        assert unknown.value.error.code == -32602

    connected(site, mode, do)
    with pytest.raises(Exception) as refused:
        connected(site, mode, do, "sv_wrong")
    assert "unknown, expired or revoked" in said_by(refused.value)


def said_by(error: BaseException) -> str:
    """All sentences of an error and of those inside it."""
    inner = getattr(error, "exceptions", ())
    return " ".join([str(error), *(said_by(one) for one in inner)])


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_another_collection_is_not_there_in_any_tool(site: Site, mode: str) -> None:
    Collection.objects.update(public=False)
    document = Document.objects.first()
    assert document is not None
    _, key = keys.make(User.objects.get(), "both", ["search", "read"])

    async def do(client: Any) -> None:
        hidden = await client.call_tool("get_document", {"document_id": document.pk})
        absent = await client.call_tool("get_document", {"document_id": 987654321})
        said = hidden.content[0].text
        assert hidden.is_error and absent.is_error
        assert said.replace(str(document.pk), "987654321") == absent.content[0].text
        for tool in ("search", "answer"):
            nothing = await client.call_tool(tool, {"question": QUESTION, "collections": ["notes"]})
            assert nothing.is_error and "no collection notes" in nothing.content[0].text

    connected(site, mode, do, key)

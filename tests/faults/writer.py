"""A server that writes what a test tells it to, in the manner of OpenAI's API, and keeps what it was told.

It is a real server behind a real socket: what reaches it, and when a client is gone, it sees for itself.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]
HEAD = b"HTTP/1.1 %s\r\ncontent-type: %s\r\nconnection: close\r\n\r\n"


@dataclass(slots=True)
class Asked:
    """One request for an answer."""

    prompt: str
    """All that it said, in one text."""
    came_at: float
    """By the monotonic clock, as all times here."""
    first_at: float | None = None
    ended_at: float | None = None
    """When the last piece was sent."""
    gone_at: float | None = None
    """When the client closed its side before that."""


def frames(pieces: Sequence[str]) -> bytes:
    """The body of a reply whose text comes in these pieces."""
    events: list[Any] = [{"choices": [{"index": 0, "delta": {"content": p}}]} for p in pieces]
    events += [
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": len(pieces)}},
    ]
    sent = "".join(f"data: {json.dumps(event, ensure_ascii=False)}\n\n" for event in events)
    return f"{sent}data: [DONE]\n\n".encode()


@dataclass(slots=True)
class Writer:
    """Start with `with`; set what it says, and how slowly, at any time."""

    say: Callable[[Body], Sequence[str]] = lambda body: ["Written. [1]"]
    """Pieces of text for a request."""
    first_s: float = 0.0
    """Before the first piece, as if it read the prompt."""
    gap_s: float = 0.0
    """Before each other piece."""
    split: Callable[[bytes], Sequence[bytes]] | None = None
    """Cuts the whole reply into what is sent at a time, instead of a piece at a time."""
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Writer":
        ready = threading.Event()

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            server = self._loop.run_until_complete(
                asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=2048)
            )
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            ready.set()
            self._loop.run_forever()
            server.close()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.close()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def open(self) -> int:
        """Answers that are being written now."""
        return sum(one.ended_at is None and one.gone_at is None for one in self.asked)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line, *heads = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            lengths = [h.partition(":")[2] for h in heads if h.lower().startswith("content-length:")]
            data = await reader.readexactly(int(lengths[0])) if lengths else b""
            path = line.split()[1]
            if path == "/v1/chat/completions":
                await self._answer(json.loads(data), reader, writer)
            elif path == "/v1/models":
                model = {"id": "scripted", "owned_by": "test", "max_model_len": 32768}
                writer.write(HEAD % (b"200 OK", b"application/json") + json.dumps({"data": [model]}).encode())
            elif path == "/tokenize":
                count = len(json.loads(data)["prompt"]) // 4 + 1
                body = json.dumps({"count": count}).encode()
                writer.write(HEAD % (b"200 OK", b"application/json") + body)
            else:
                writer.write(HEAD % (b"404 Not Found", b"text/plain"))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has left: that is what is looked for
        finally:
            writer.close()

    async def _answer(self, body: Body, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = Asked("\n".join(str(m["content"]) for m in body["messages"]), time.monotonic())
        self.asked.append(asked)
        left = asyncio.ensure_future(reader.read(1))  # ends when the client closes its side
        try:
            await self._pause(self.first_s, left)
            pieces = list(self.say(body))
            if not body.get("stream"):
                message = {"choices": [{"message": {"content": "".join(pieces)}, "finish_reason": "stop"}]}
                writer.write(HEAD % (b"200 OK", b"application/json") + json.dumps(message).encode())
            else:
                writer.write(HEAD % (b"200 OK", b"text/event-stream"))
                for sent in self._cut(pieces):
                    asked.first_at = asked.first_at or time.monotonic()
                    writer.write(sent)
                    await writer.drain()
                    await self._pause(self.gap_s, left)
            await writer.drain()
            asked.ended_at = time.monotonic()
        except ConnectionError:
            asked.gone_at = time.monotonic()
        finally:
            left.cancel()

    def _cut(self, pieces: Sequence[str]) -> Sequence[bytes]:
        whole = frames(pieces)
        if self.split is not None:
            return self.split(whole)
        return [part + b"\n\n" for part in whole.split(b"\n\n") if part]

    @staticmethod
    async def _pause(seconds: float, left: "asyncio.Future[bytes]") -> None:
        """Raises `ConnectionError` as soon as the client has left."""
        done, _ = await asyncio.wait({left}, timeout=seconds) if seconds else ({left} & {left}, None)
        if seconds and done or left.done():
            raise ConnectionResetError
        if not seconds:
            await asyncio.sleep(0)

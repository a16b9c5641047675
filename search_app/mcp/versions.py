"""Which revision of the protocol a request speaks.

Until 2025-11-25 a client begins with `initialize`, and later names the revision in a header. From 2026-07-28
on each request stands alone: it names revision and capabilities in `_meta`, and headers repeat what proxies
route by. 2025-03-26 and before are not spoken: they have batches, or another transport.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from search_app.mcp.rpc import HEADER_MISMATCH, INVALID_PARAMS, UNSUPPORTED_VERSION, Message, RpcError

HANDSHAKE = ("2025-06-18", "2025-11-25")
"""Spoken after `initialize`, oldest first."""
MODERN = ("2026-07-28",)
"""Spoken without it."""
SPOKEN = (*HANDSHAKE, *MODERN)
VERSION, METHOD, NAME = "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"
META_VERSION = "io.modelcontextprotocol/protocolVersion"
META_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
META_SERVER = "io.modelcontextprotocol/serverInfo"
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""Methods whose parameter is repeated in the header `Mcp-Name`."""
_ENCODED = re.compile(r"=\?base64\?(.*)\?=")


def is_modern(message: Message, headers: Mapping[str, str]) -> bool:
    """Whether a message is one that stands alone. Raises `RpcError` where it contradicts itself."""
    said = headers.get(VERSION)
    if said in HANDSHAKE:
        return False
    if said is None and not _has_envelope(message):
        return False  # `initialize`, or what follows it from a client that leaves the header out
    if message.id is None:
        _spoken(said)
    else:
        _agreed(message, headers)
    return True


def _has_envelope(message: Message) -> bool:
    meta = message.params.get("_meta")
    return isinstance(meta, dict) and META_VERSION in meta


def _agreed(message: Message, headers: Mapping[str, str]) -> None:
    said, meta = headers.get(VERSION), message.params.get("_meta")
    if said is not None and said not in MODERN and not _has_envelope(message):
        raise _unsupported(said)
    if not isinstance(meta, dict) or not {META_VERSION, META_CAPABILITIES} <= meta.keys():
        needed = f"{META_VERSION} and {META_CAPABILITIES}"
        raise RpcError(INVALID_PARAMS, f"The params need an object _meta with {needed}.")
    if said != meta[META_VERSION]:
        raise _mismatch(VERSION, META_VERSION)
    if headers.get(METHOD) != message.method:
        raise _mismatch(METHOD, "method")
    named = NAMED.get(message.method)
    if named and message.params.get(named) is not None and _name(headers) != message.params[named]:
        raise _mismatch(NAME, named)
    if not isinstance(meta[META_CAPABILITIES], dict):
        raise RpcError(INVALID_PARAMS, f"{META_CAPABILITIES} is an object.")
    _spoken(said)


def _name(headers: Mapping[str, str]) -> str | None:
    """What the header names; what no header can hold comes in Base64."""
    said = headers.get(NAME)
    found = _ENCODED.fullmatch(said) if said else None
    if found is None:
        return said
    try:
        return base64.b64decode(found[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _mismatch(header: str, field: str) -> RpcError:
    return RpcError(HEADER_MISMATCH, f"The header {header} and {field} of the message do not agree.")


def _spoken(said: str | None) -> None:
    if said not in MODERN:
        raise _unsupported(said)


def _unsupported(said: str | None) -> RpcError:
    data: dict[str, Any] = {"supported": list(SPOKEN), "requested": said}
    return RpcError(UNSUPPORTED_VERSION, f"Not spoken here. Revisions: {', '.join(SPOKEN)}.", data=data)

"""The client's connection over sockets whose requests end in time; see `rag.sockets`."""

import time
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from opensearchpy.connection import Urllib3HttpConnection
from opensearchpy.exceptions import ConnectionTimeout, SerializationError
from opensearchpy.serializer import JSONSerializer

from rag.deadline import left, within
from rag.sockets import Plain, Tls


class Connection(Urllib3HttpConnection):
    """The client's own connection with a timeout that is one of the whole request. It logs nothing:
    what fails is raised, and neither questions nor documents belong into a log."""

    def _create_urllib3_pool(self) -> None:
        super()._create_urllib3_pool()
        assert self.pool is not None
        self.pool.ConnectionCls = Tls if self.use_ssl else Plain

    def perform_request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,
        ignore: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        with within(time.monotonic() + (timeout or self.timeout)):
            seconds = left()
            if seconds <= 0:
                raise ConnectionTimeout("TIMEOUT", "the request's time is over", None)
            return super().perform_request(method, url, params, body, seconds, ignore, headers)

    def log_request_success(self, *_: Any, **__: Any) -> None:
        """Nothing."""

    def log_request_fail(self, *_: Any, **__: Any) -> None:
        """Nothing."""


class Serializer(JSONSerializer):
    """Reads answers a few times faster than the client's own."""

    def loads(self, s: str) -> Any:
        try:
            return msgspec.json.decode(s)
        except (ValueError, RecursionError) as error:
            raise SerializationError(s, error) from error

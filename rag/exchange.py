"""A request to a service and its reply, under a deadline: JSON out, bytes in, whole or as they come.

Nothing of either is logged, and no error quotes them: they hold what people asked and wrote, and a header
holds the key. What a service said of an error goes no further than `said`, for an operator's own trial.
"""

import math
import random
import ssl
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError, ProtocolError, SSLError

from rag.deadline import left, within
from rag.errors import SpecError, Unavailable
from rag.services import Service
from rag.sockets import Plain, Tls, TlsSocket, let_go

BUSY = frozenset({429, 502, 503, 504, 529})
"""Answers after which the same request may be sent again."""
TRIES = 4
PAUSE_S = 0.1
"""Before the second try where the service names no time, half as much more or less; then twice as long."""
LONGEST_S = 60.0
"""A service that wants to be left alone for longer is asked again after so long."""
MAX_REPLY = 16_000_000
PIECE = 65_536
STREAM = "text/event-stream"
CONNECTIONS = 16


class ServiceUnavailable(Unavailable):
    """No usable reply."""

    def __init__(
        self,
        sentence: str,
        *,
        late: bool = False,
        said: str = "",
        status: int = 0,
        retry_s: float | None = None,
    ) -> None:
        super().__init__(sentence)
        self.late = late
        """There would have been one, perhaps, in more time."""
        self.said = said
        """The service's own words. They may quote the request: for no log and no page."""
        self.status = status
        """Of HTTP; 0 where there was no answer."""
        self.retry_s = retry_s
        """After so long it wants to be asked again, if it says."""


class Client:
    """One service, shared by all threads of a process."""

    def __init__(self, service: Service, *, url: str = "", key: str = "", called: str = "") -> None:
        """`url` of one of its replicas instead of the first; `key` instead of the one that it names; `called`
        is what sentences call it.

        Raises `SpecError` for an address or a certificate that cannot be.
        """
        self._service, self._own_key = service, key
        self._name = called or f"The service ({service.dialect})"
        self._path, self._pool = _pool(service, url or service.url)
        self._not_before = 0.0
        """When the service may be asked again, by the monotonic clock; it said so itself."""

    def post(self, path: str, body: object, *, deadline: float) -> bytes:
        """What the service answers, at the latest when the deadline is over, in seconds of `monotonic()`.

        A service that is busy is asked again, when it said to or a little later, as long as there is time.
        Raises `ServiceUnavailable` saying why there is no answer.
        """
        data = msgspec.json.encode(body)
        return self._ask("POST", self._path + path, data, deadline)

    def get(self, path: str, *, deadline: float) -> bytes:
        """The same without a body."""
        return self._ask("GET", self._path + path, None, deadline)

    def pieces(self, path: str, body: object, *, deadline: float) -> Iterator[bytes]:
        """The reply as it comes, asked for once and read to its end; for a `rag.streams.Stream`.

        Raises `ServiceUnavailable` at any point.
        """
        headers = {"content-type": "application/json", "accept": STREAM} | self._key()
        with within(deadline):
            try:
                reply = self._begun("POST", self._path + path, msgspec.json.encode(body), headers)
                yield from self._read(reply)
            except (HTTPError, OSError) as error:
                raise self._failed(error) from error

    def _read(self, reply: BaseHTTPResponse) -> Iterator[bytes]:
        size = 0
        try:
            if not 200 <= reply.status < 300:
                raise self._refused(reply.status, reply.read1(PIECE), _lower(reply))
            if reply.headers.get("content-type", "").partition(";")[0].strip().lower() != STREAM:
                raise ServiceUnavailable(f"{self._name} answered in another format.", status=reply.status)
            while piece := reply.read1(PIECE):
                size += len(piece)
                if size > MAX_REPLY:
                    raise ServiceUnavailable(f"{self._name} sent a reply longer than any can be.")
                yield piece
        except BaseException:
            reply.close()
            raise
        let_go()
        reply.release_conn()

    def _ask(self, method: str, path: str, data: bytes | None, deadline: float) -> bytes:
        for pause in (*(PAUSE_S * 2**n for n in range(TRIES - 1)), math.inf):
            self._wait(deadline)
            status, headers, reply = self._send(method, path, data, deadline)
            if 200 <= status < 300:
                return reply
            named = _retry_after(headers)
            if status not in BUSY or (named is None and pause == math.inf):
                raise self._refused(status, reply, headers)
            if named is not None:
                self._not_before = time.monotonic() + min(named, LONGEST_S)
            else:
                _sleep(pause * random.uniform(0.5, 1.5), deadline, self._refused(status, reply, headers))
        raise self._refused(status, reply, headers)

    def _wait(self, deadline: float) -> None:
        pause = self._not_before - time.monotonic()
        if pause > 0:
            sentence = f"{self._name} is busy and wants to be left alone for {pause:.1f} s more."
            _sleep(pause, deadline, ServiceUnavailable(sentence, late=True))

    def _send(
        self, method: str, path: str, data: bytes | None, deadline: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        headers = {"content-type": "application/json", "accept": "application/json"} | self._key()
        with within(min(deadline, time.monotonic() + self._service.timeout_ms / 1000)):
            try:
                return self._whole(self._begun(method, path, data, headers))
            except (HTTPError, OSError) as error:
                raise self._failed(error) from error

    def _begun(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]
    ) -> BaseHTTPResponse:
        again = True
        while True:
            seconds = left()
            if seconds <= 0:
                raise TimeoutError("there was no time left")
            try:
                return self._pool.urlopen(
                    method,
                    path,
                    body=data,
                    headers=headers,
                    timeout=seconds if seconds < math.inf else None,
                    retries=False,
                    redirect=False,
                    assert_same_host=False,
                    preload_content=False,
                )
            except (HTTPError, OSError) as error:
                # A kept connection may have been closed by the other side just before it was used.
                if not (again and isinstance(error, ProtocolError | ConnectionError) and left() > 0):
                    raise
                again = False

    def _whole(self, reply: BaseHTTPResponse) -> tuple[int, Mapping[str, str], bytes]:
        try:
            read = reply.read(MAX_REPLY + 1)
            if len(read) > MAX_REPLY:
                raise ServiceUnavailable(f"{self._name} sent a reply longer than any can be.")
        except BaseException:
            reply.close()
            raise
        reply.release_conn()
        return reply.status, _lower(reply), read

    def _key(self) -> dict[str, str]:
        try:
            key = self._own_key or self._service.key
        except SpecError as error:
            raise ServiceUnavailable(
                f"The key of the service ({self._service.dialect}) cannot be read."
            ) from error
        return {"authorization": f"Bearer {key}"} if key else {}

    def _failed(self, error: Exception) -> ServiceUnavailable:
        if isinstance(error, NewConnectionError | NameResolutionError):
            return ServiceUnavailable(f"{self._name} cannot be reached.", late=left() <= 0)
        if isinstance(error, SSLError) and "timed out" not in str(error):
            return ServiceUnavailable(f"{self._name} shows a certificate that is not trusted here.")
        if left() <= 0 or isinstance(error, TimeoutError):
            return ServiceUnavailable(f"{self._name} gave no answer in time.", late=True)
        return ServiceUnavailable(f"{self._name} broke off the connection.")

    def _refused(self, status: int, reply: bytes, headers: Mapping[str, str]) -> ServiceUnavailable:
        why = {
            401: "does not accept the key",
            402: "asks for money: its account is empty",
            403: "does not allow this with the key",
            404: "does not know this address or this model",
            413: "takes no request so large",
            429: "is asked too often",
        }.get(status, "refused the request" if 400 <= status < 500 else "failed")
        said = reply[:2000].decode("utf-8", "replace").strip()
        sentence, named = f"{self._name} {why} (HTTP {status}).", _retry_after(headers)
        return ServiceUnavailable(sentence, said=said, status=status, retry_s=named)


def _lower(reply: BaseHTTPResponse) -> Mapping[str, str]:
    return {name.lower(): value for name, value in reply.headers.items()}


def _pool(service: Service, url: str) -> tuple[str, HTTPConnectionPool]:
    """The path that all requests begin with, and the connections, which are kept."""
    address = urlsplit(url)
    try:
        host, port = address.hostname, address.port
    except ValueError as error:
        raise SpecError(f"The url of a service ({service.dialect}) is wrong: {error}.") from error
    if not host or address.query or address.fragment or address.username:
        raise SpecError(
            f"The url of a service ({service.dialect}) is to be a scheme, a host and a path only."
        )
    options: dict[str, Any] = {"maxsize": CONNECTIONS}
    pool: HTTPConnectionPool
    if address.scheme == "https":
        try:
            context = ssl.create_default_context(cafile=service.ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise SpecError(f"The ca_file {service.ca_file} of a service cannot be read.") from error
        context.sslsocket_class = TlsSocket
        pool = HTTPSConnectionPool(host, port, ssl_context=context, **options)
        pool.ConnectionCls = Tls
    else:
        pool = HTTPConnectionPool(host, port, **options)
        pool.ConnectionCls = Plain
    return address.path.rstrip("/"), pool


def _sleep(seconds: float, deadline: float, error: ServiceUnavailable) -> None:
    """Raises the error instead where that would take until the deadline."""
    if time.monotonic() + seconds >= deadline:
        raise error
    time.sleep(seconds)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of `Retry-After`, a number or a date (RFC 9110, 10.2.3), or of `retry-after-ms`."""
    try:
        if "retry-after-ms" in headers:
            return _sensible(float(headers["retry-after-ms"]) / 1000)
        return _sensible(float(headers["retry-after"]))
    except KeyError:
        return None
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
        return _sensible(date.timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _sensible(seconds: float) -> float | None:
    return max(seconds, 0.0) if math.isfinite(seconds) else None

"""A small HTTP/1.1 client over TLS with one keep-alive connection. Knows nothing about MDM."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from simulator.errors import Disconnected

MAX_BODY_BYTES = 32 * 2**20


@dataclass(frozen=True)
class ServerResponse:
    """An HTTP response. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """The content type without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass
class _OpenSocket:
    origin: tuple[str, str, int]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used: bool = False


class HttpConnection:
    """Sends the requests of one tablet, one at a time. Every method that sends raises `Disconnected`.

    With `mid_request_pause` (seconds) the body is sent in two halves with a pause between them. `on_request_duration` is
    called with the seconds that each request took. `addresses`: where names lead that the machine does not know.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        timeout: float = 30,
        on_request_duration: Callable[[float], None] | None = None,
        addresses: Mapping[str, str] | None = None,
    ) -> None:
        self.context = context
        self.addresses = addresses or {}
        self.timeout = timeout
        self.mid_request_pause = 0.0
        self.on_request_duration = on_request_duration
        self._connection: _OpenSocket | None = None

    async def request(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> ServerResponse:
        """Send a request and return its response. It is sent again on a new connection if the kept one was already closed."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.timeout):
                connection, reused = await self._get_connection(url)
                try:
                    reply = await self._exchange(connection, method, url, headers or {}, body)
                except (OSError, EOFError):
                    if not reused:
                        raise
                    await self.close()
                    connection, _ = await self._get_connection(url)
                    reply = await self._exchange(connection, method, url, headers or {}, body)
        except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError) as error:
            await self.close()
            raise Disconnected(f"{method} {url}: {type(error).__name__} {error}") from error
        if self.on_request_duration is not None:
            self.on_request_duration(time.perf_counter() - started)
        return reply

    async def send_and_disconnect(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Send a complete request and disconnect without waiting for its response."""
        try:
            connection, _ = await self._get_connection(url)
            await self._send(connection, method, url, headers, body)
        except OSError as error:
            raise Disconnected(f"{method} {url}: {error}") from error
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connection if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(connection.writer.wait_closed(), 2)

    async def _get_connection(self, url: str) -> tuple[_OpenSocket, bool]:
        parts = urlsplit(url)
        if parts.scheme not in {"https", "http"} or not parts.hostname:
            raise ValueError(f"not an address: {url}")
        origin = (parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
        connection = self._connection
        if connection is not None and connection.origin == origin and not connection.reader.at_eof():
            return connection, connection.used
        await self.close()
        tls = self.context if origin[0] == "https" else None
        name = origin[1]
        reader, writer = await asyncio.open_connection(
            self.addresses.get(name, name), origin[2], ssl=tls, server_hostname=name if tls else None
        )
        self._connection = _OpenSocket(origin, reader, writer)
        return self._connection, False

    async def _exchange(
        self, connection: _OpenSocket, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> ServerResponse:
        await self._send(connection, method, url, headers, body)
        reply = await _read_response(connection.reader)
        connection.used = True
        if reply.headers.get("connection", "").lower() == "close":
            await self.close()
        return reply

    async def _send(self, connection: _OpenSocket, method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", "User-Agent: MDM/1.0", "Accept: */*"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method in {"PUT", "POST"}:
            lines.append(f"Content-Length: {len(body)}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if self.mid_request_pause:
            connection.writer.write(head + body[: len(body) // 2])
            await connection.writer.drain()
            await asyncio.sleep(self.mid_request_pause)
            connection.writer.write(body[len(body) // 2 :])
        else:
            connection.writer.write(head + body)
        await connection.writer.drain()


async def _read_response(reader: asyncio.StreamReader) -> ServerResponse:
    status, headers = await _read_head(reader)
    while status == 100:
        status, headers = await _read_head(reader)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _read_chunks(reader)
    elif "content-length" in headers:
        size = int(headers["content-length"])
        if not 0 <= size <= MAX_BODY_BYTES:
            raise ValueError(f"an answer of {size} bytes")
        body = await reader.readexactly(size)
    elif status in {204, 304}:
        body = b""
    else:
        body = await reader.read(MAX_BODY_BYTES)
        headers["connection"] = "close"
    return ServerResponse(status, headers, body)


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    version, code, *_ = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(f"not HTTP: {first[:60]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return int(code), headers


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        if len(body) + size > MAX_BODY_BYTES:
            raise ValueError("an answer without end")
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    while (await reader.readuntil(b"\r\n")) != b"\r\n":
        pass
    return bytes(body)

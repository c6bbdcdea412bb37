"""A stand-in for APNs, as tablets see it: JSON lines over TLS. It does not check who pushes."""

from __future__ import annotations

import asyncio
import json
import ssl
from types import TracebackType
from typing import Self


class PushStandIn:
    """Accepts `{"listen": […]}` lines and sends `{"token", "magic"}` lines."""

    def __init__(self, tls: ssl.SSLContext, port: int = 0) -> None:
        self._tls = tls
        self.port = port
        self.listeners: dict[str, asyncio.StreamWriter] = {}
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.sleep(0.05)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        while line := await reader.readline():
            for token in json.loads(line)["listen"]:
                self.listeners[token] = writer

    async def push(self, token: bytes, magic: str) -> None:
        async with asyncio.timeout(5):
            while token.hex() not in self.listeners:  # noqa: ASYNC110 - nobody sets an event here
                await asyncio.sleep(0.01)
        self.listeners[token.hex()].write(json.dumps({"token": token.hex(), "magic": magic}).encode() + b"\n")

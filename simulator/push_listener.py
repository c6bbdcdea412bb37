"""Receives pushes: one TLS connection to the stand-in for APNs serves all tablets of a process, with JSON lines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeAlias

OnPush: TypeAlias = Callable[[str], None]
_LONGEST_LINE = 65536
_TOKENS_PER_LINE = 500


class PushListener:
    """Receives the pushes of many tablets and reconnects by itself. Use it with `async with`.

    It sends lines `{"listen": [token hex, …]}`, each of which adds tokens, and receives lines `{"token", "magic"}`.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext, *, pause: float = 1.0) -> None:
        self._address = (host, port)
        self._context = context
        self._pause = pause
        self._callbacks: dict[str, OnPush] = {}
        self._unsent_tokens: list[str] = []
        self._tokens_added = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()
        self.received = 0
        self.unknown_tokens = 0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def listen(self, token: bytes, on_push: OnPush) -> None:
        """Call `on_push` with the magic of every push for `token`."""
        self._callbacks[token.hex()] = on_push
        self._unsent_tokens.append(token.hex())
        self._tokens_added.set()

    def stop_listening(self, token: bytes) -> None:
        """Ignore pushes for `token` from now on."""
        self._callbacks.pop(token.hex(), None)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(OSError, EOFError, ValueError):
                await self._listen_on_one_connection()
            self.connected.clear()
            await asyncio.sleep(self._pause)

    async def _listen_on_one_connection(self) -> None:
        host, port = self._address
        reader, writer = await asyncio.open_connection(host, port, ssl=self._context, limit=_LONGEST_LINE)
        self._unsent_tokens = list(self._callbacks)
        self._tokens_added.set()
        self.connected.set()
        telling = asyncio.create_task(self._send_tokens(writer))
        try:
            while line := await reader.readline():
                self._dispatch_push(json.loads(line))
        finally:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await telling
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), 2)

    async def _send_tokens(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await self._tokens_added.wait()
            self._tokens_added.clear()
            tokens, self._unsent_tokens = self._unsent_tokens, []
            for start in range(0, len(tokens), _TOKENS_PER_LINE):
                writer.write(json.dumps({"listen": tokens[start : start + _TOKENS_PER_LINE]}).encode() + b"\n")
                await writer.drain()

    def _dispatch_push(self, push: object) -> None:
        if not isinstance(push, dict):
            return
        self.received += 1
        on_push = self._callbacks.get(str(push.get("token", "")).lower())
        if on_push is None:
            self.unknown_tokens += 1
        else:
            on_push(str(push.get("magic", "")))

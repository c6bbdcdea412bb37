"""Runs a request of the API or the console again when its transaction met a conflict with another one; people see nothing of it."""

from __future__ import annotations

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cartable.conflicts import MAX_RETRIES, may_be_conflict

#: A request with a larger body is not run again: its body would have to be kept.
MAX_KEPT_BODY = 2**20
log = structlog.get_logger()


class ConflictRetry:
    """ASGI middleware inside the one that answers unexpected errors. Each run of a request begins with the same scope and body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = _RepeatableRequest(receive, send)
        for remaining in range(MAX_RETRIES, -1, -1):
            try:
                await self.app(dict(scope), request.receive_again(), request.send_once)
            except Exception as error:
                if remaining == 0 or not request.is_repeatable or not may_be_conflict(error):
                    raise
                log.warning("api.transaction_conflict", path=scope["path"][:200])
            else:
                return


class _RepeatableRequest:
    """A request whose body is kept while it is read, and what is known of its response."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._messages: list[Message] = []
        self._kept_bytes = 0
        self._is_answered = False

    @property
    def is_repeatable(self) -> bool:
        return not self._is_answered and self._kept_bytes <= MAX_KEPT_BODY

    def receive_again(self) -> Receive:
        """Return a `receive` that gives what was read before, then what comes."""
        kept = iter(list(self._messages))

        async def receive() -> Message:
            for message in kept:
                return message
            message = await self._receive()
            self._kept_bytes += len(message.get("body", b""))
            if self._kept_bytes <= MAX_KEPT_BODY:
                self._messages.append(message)
            return message

        return receive

    async def send_once(self, message: Message) -> None:
        self._is_answered = True
        await self._send(message)

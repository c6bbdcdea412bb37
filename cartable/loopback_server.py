"""A small HTTP server on a loopback port, for stand-ins of external services; and free ports. Knows no service."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

#: Status, body, additional headers.
LoopbackReply = tuple[int, bytes, dict[str, str]]


@dataclass(frozen=True, slots=True)
class LoopbackRequest:
    """A received request. Header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def address(self) -> str:
        """The URL of the request, without the query."""
        return f"http://{self.headers['host']}{self.path}"


@contextmanager
def serve_on_loopback(answer: Callable[[LoopbackRequest], LoopbackReply], port: int = 0) -> Iterator[str]:
    """Serve every request with `answer`, in threads; yield the base URL. Port 0 means any free port."""

    class LoopbackHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            given = {name.lower(): value for name, value in self.headers.items()}
            status, content, headers = answer(LoopbackRequest(self.command, parts.path, query, given, body))
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def __getattr__(self, name: str) -> Any:
            """Return the same handler for every HTTP method."""
            if name.startswith("do_"):
                return self._any
            raise AttributeError(name)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the library
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), LoopbackHandler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def find_free_port() -> int:
    """Return a port of loopback at which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

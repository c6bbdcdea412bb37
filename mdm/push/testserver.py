"""An APNs server for tests and trials: real HTTP/2 over TLS with a client certificate, on loopback.

It has two ports. One serves APNs: `POST /3/device/<token>`, with the topic checked against the certificate. On the other,
also over TLS, simulated tablets listen: they send one JSON line `{"listen": ["<token>", …]}` and get a line
`{"token": …, "magic": …}` per push. A push to a tablet that does not listen is stored, one per token, as Apple does.

    python -m mdm.push.testserver --port P --listen-port L --cert C --key K --client-ca A
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import ssl
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.x509.oid import NameOID
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError

from cartable.certificates import read_certificate

MAX_PAYLOAD = 4096


@dataclass(slots=True)
class ReceivedPush:
    """One push as received."""

    token: str
    magic: str
    topic: str
    headers: dict[str, str]


@dataclass(slots=True)
class PushHub:
    """Received pushes, listening connections, undelivered pushes, and scripted responses."""

    received: list[ReceivedPush] = field(default_factory=list)
    listeners: dict[str, set[asyncio.StreamWriter]] = field(default_factory=dict)
    undelivered: dict[str, str] = field(default_factory=dict)
    #: token (or "*") → responses to give instead of 200, in this order: (status, reason, further keys).
    scripted_responses: dict[str, list[tuple[int, str, dict[str, Any]]]] = field(default_factory=dict)

    def take_scripted_response(self, token: str) -> tuple[int, str, dict[str, Any]] | None:
        """Remove and return the next scripted response for this token; None when there is none."""
        for key in (token, "*"):
            if self.scripted_responses.get(key):
                return self.scripted_responses[key].pop(0)
        return None

    def deliver(self, push: ReceivedPush) -> None:
        """Send a push to the listening connections, or store it."""
        self.received.append(push)
        writers = self.listeners.get(push.token, set())
        if not writers:
            self.undelivered[push.token] = push.magic
        for writer in writers:
            _write_push(writer, push.token, push.magic)

    def add_listener(self, tokens: list[str], writer: asyncio.StreamWriter) -> None:
        """Send pushes for these tokens to this connection from now on, and stored ones at once."""
        for token in tokens:
            self.listeners.setdefault(token, set()).add(writer)
            magic = self.undelivered.pop(token, None)
            if magic is not None:
                _write_push(writer, token, magic)

    def remove_listener(self, writer: asyncio.StreamWriter) -> None:
        """Stop sending pushes to this connection."""
        for writers in self.listeners.values():
            writers.discard(writer)


def _write_push(writer: asyncio.StreamWriter, token: str, magic: str) -> None:
    writer.write(json.dumps({"token": token, "magic": magic}).encode() + b"\n")


class ApnsConnection(asyncio.Protocol):
    """One HTTP/2 connection of an MDM server."""

    def __init__(self, hub: PushHub) -> None:
        self.hub = hub
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.streams: dict[int, tuple[dict[str, str], bytearray]] = {}
        self.topic: str | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        der = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        subject = read_certificate(der).subject
        uids = subject.get_attributes_for_oid(NameOID.USER_ID)
        self.topic = str(uids[0].value) if uids else None
        self.h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            events = self.h2.receive_data(data)
        except ProtocolError:
            self.transport.close()
            return
        for event in events:
            self._handle(event)
        self._flush()

    def _handle(self, event: Event) -> None:
        if isinstance(event, RequestReceived) and event.stream_id is not None:
            headers = {str(name): str(value) for name, value in event.headers or []}
            self.streams[event.stream_id] = (headers, bytearray())
        elif isinstance(event, DataReceived) and event.stream_id is not None:
            self.streams[event.stream_id][1].extend(event.data or b"")
            self.h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        elif isinstance(event, StreamEnded) and event.stream_id is not None:
            headers, body = self.streams.pop(event.stream_id)
            self._respond(event.stream_id, headers, bytes(body))
        elif isinstance(event, ConnectionTerminated):
            self.transport.close()

    def _respond(self, stream: int, headers: dict[str, str], body: bytes) -> None:
        status, reason, extra = self._check_request(headers, body)
        content = b"" if status == 200 else json.dumps({"reason": reason, **extra}).encode()
        sent = [(":status", str(status)), ("apns-id", headers.get("apns-id", "00000000-0000-0000-0000-000000000000"))]
        if extra.get("retry-after"):
            sent.append(("retry-after", str(extra["retry-after"])))
        self.h2.send_headers(stream, sent, end_stream=not content)
        if content:
            self.h2.send_data(stream, content, end_stream=True)
        if extra.get("goaway"):
            self.h2.close_connection()

    def _check_request(self, headers: dict[str, str], body: bytes) -> tuple[int, str, dict[str, Any]]:  # noqa: PLR0911 - one line per error of Apple's
        token = headers.get(":path", "").removeprefix("/3/device/")
        if headers.get(":method") != "POST":
            return 405, "MethodNotAllowed", {}
        if not headers.get(":path", "").startswith("/3/device/"):
            return 404, "BadPath", {}
        if len(body) > MAX_PAYLOAD:
            return 413, "PayloadTooLarge", {}
        if headers.get("apns-topic") != self.topic:
            return 400, "BadTopic", {}
        if headers.get("apns-push-type") != "mdm":
            return 400, "InvalidPushType", {}
        if (scripted := self.hub.take_scripted_response(token)) is not None:
            return scripted
        try:
            payload = json.loads(body)
            bytes.fromhex(token)
        except ValueError:
            return 400, "BadDeviceToken", {}
        if set(payload) != {"mdm"}:
            return 400, "BadPayload", {}
        self.hub.deliver(ReceivedPush(token, payload["mdm"], self.topic or "", headers))
        return 200, "", {}

    def _flush(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.h2.data_to_send())


async def _serve_listener(hub: PushHub, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while line := await reader.readline():
            hub.add_listener([str(token) for token in json.loads(line)["listen"]], writer)
            await writer.drain()
    except (ValueError, KeyError, TypeError, ConnectionError):
        pass
    finally:
        hub.remove_listener(writer)
        writer.close()


def create_ssl_contexts(cert: Path, key: Path, client_ca: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the TLS contexts of the APNs port (client certificate required, `h2`) and of the listening port."""
    apns = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(client_ca))
    apns.verify_mode = ssl.CERT_REQUIRED
    apns.load_cert_chain(cert, key)
    apns.set_alpn_protocols(["h2"])
    listening = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    listening.load_cert_chain(cert, key)
    return apns, listening


async def start_server(
    hub: PushHub, contexts: tuple[ssl.SSLContext, ssl.SSLContext], port: int = 0, listen_port: int = 0
) -> tuple[asyncio.Server, asyncio.Server]:
    """Start both servers on loopback and return them. Port 0 takes any free one."""
    loop = asyncio.get_running_loop()
    apns = await loop.create_server(lambda: ApnsConnection(hub), "127.0.0.1", port, ssl=contexts[0])
    listening = await asyncio.start_server(lambda r, w: _serve_listener(hub, r, w), "127.0.0.1", listen_port, ssl=contexts[1])
    return apns, listening


async def _main(arguments: argparse.Namespace) -> None:
    contexts = create_ssl_contexts(arguments.cert, arguments.key, arguments.client_ca)
    apns, listening = await start_server(PushHub(), contexts, arguments.port, arguments.listen_port)
    async with apns, listening:
        await asyncio.gather(apns.serve_forever(), listening.serve_forever())


def main() -> None:
    """Run until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--listen-port", type=int, required=True)
    for name in ("--cert", "--key", "--client-ca"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument(
        "--end-with-stdin", action="store_true", help="end when standard input is closed: with the parent process"
    )
    arguments = parser.parse_args()
    if arguments.end_with_stdin:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(arguments))


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()

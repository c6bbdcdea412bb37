"""An APNs for tests and trials: real HTTP/2 over TLS with a client certificate, on loopback. Wakes simulated tablets.

Two ports. One speaks APNs: `POST /3/device/<token>`, topic checked against the certificate. On the other, over TLS,
tablets listen: one JSON line `{"listen": ["<token>", …]}`, then a line `{"token": …, "magic": …}` per push. What is
pushed to a tablet that does not listen is kept for it, one push per token, as Apple does.

    python -m mdm.push.testserver --port P --listen-port L --cert C --key K --client-ca A
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError

MAX_PAYLOAD = 4096


@dataclass(slots=True)
class Received:
    """One push as it arrived."""

    token: str
    magic: str
    topic: str
    headers: dict[str, str]


@dataclass(slots=True)
class PushHub:
    """What was pushed, who listens, and what the next answers shall be."""

    received: list[Received] = field(default_factory=list)
    listeners: dict[str, set[asyncio.StreamWriter]] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    #: token (or "*") → answers to give instead of 200: (status, reason, extra), first come first served.
    scripted: dict[str, list[tuple[int, str, dict[str, Any]]]] = field(default_factory=dict)

    def refusal(self, token: str) -> tuple[int, str, dict[str, Any]] | None:
        """The scripted answer for this token, if one is left."""
        for key in (token, "*"):
            if self.scripted.get(key):
                return self.scripted[key].pop(0)
        return None

    def deliver(self, push: Received) -> None:
        """Hand a push to whoever listens, or keep it."""
        self.received.append(push)
        writers = self.listeners.get(push.token, set())
        if not writers:
            self.waiting[push.token] = push.magic
        for writer in writers:
            _tell(writer, push.token, push.magic)

    def listen(self, tokens: list[str], writer: asyncio.StreamWriter) -> None:
        """From now on pushes for these tokens go to this connection; what was kept goes at once."""
        for token in tokens:
            self.listeners.setdefault(token, set()).add(writer)
            magic = self.waiting.pop(token, None)
            if magic is not None:
                _tell(writer, token, magic)

    def forget(self, writer: asyncio.StreamWriter) -> None:
        """The connection is gone."""
        for writers in self.listeners.values():
            writers.discard(writer)


def _tell(writer: asyncio.StreamWriter, token: str, magic: str) -> None:
    writer.write(json.dumps({"token": token, "magic": magic}).encode() + b"\n")


class ApnsConnection(asyncio.Protocol):
    """One HTTP/2 connection of a provider."""

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
        subject = x509.load_der_x509_certificate(der).subject
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
            self._answer(event.stream_id, headers, bytes(body))
        elif isinstance(event, ConnectionTerminated):
            self.transport.close()

    def _answer(self, stream: int, headers: dict[str, str], body: bytes) -> None:
        status, reason, extra = self._judge(headers, body)
        content = b"" if status == 200 else json.dumps({"reason": reason, **extra}).encode()
        sent = [(":status", str(status)), ("apns-id", headers.get("apns-id", "00000000-0000-0000-0000-000000000000"))]
        if extra.get("retry-after"):
            sent.append(("retry-after", str(extra["retry-after"])))
        self.h2.send_headers(stream, sent, end_stream=not content)
        if content:
            self.h2.send_data(stream, content, end_stream=True)
        if extra.get("goaway"):
            self.h2.close_connection()

    def _judge(self, headers: dict[str, str], body: bytes) -> tuple[int, str, dict[str, Any]]:  # noqa: PLR0911 - one line per refusal of Apple's
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
        if (scripted := self.hub.refusal(token)) is not None:
            return scripted
        try:
            payload = json.loads(body)
            bytes.fromhex(token)
        except ValueError:
            return 400, "BadDeviceToken", {}
        if set(payload) != {"mdm"}:
            return 400, "BadPayload", {}
        self.hub.deliver(Received(token, payload["mdm"], self.topic or "", headers))
        return 200, "", {}

    def _flush(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.h2.data_to_send())


async def _listen(hub: PushHub, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while line := await reader.readline():
            hub.listen([str(token) for token in json.loads(line)["listen"]], writer)
            await writer.drain()
    except (ValueError, KeyError, TypeError, ConnectionError):
        pass
    finally:
        hub.forget(writer)
        writer.close()


def server_contexts(cert: Path, key: Path, client_ca: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS of the APNs port (client certificate required, `h2`) and of the listening port."""
    apns = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(client_ca))
    apns.verify_mode = ssl.CERT_REQUIRED
    apns.load_cert_chain(cert, key)
    apns.set_alpn_protocols(["h2"])
    listening = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    listening.load_cert_chain(cert, key)
    return apns, listening


async def start(
    hub: PushHub, contexts: tuple[ssl.SSLContext, ssl.SSLContext], port: int = 0, listen_port: int = 0
) -> tuple[asyncio.Server, asyncio.Server]:
    """Listen on loopback, on both ports; 0 takes any free one."""
    loop = asyncio.get_running_loop()
    apns = await loop.create_server(lambda: ApnsConnection(hub), "127.0.0.1", port, ssl=contexts[0])
    listening = await asyncio.start_server(lambda r, w: _listen(hub, r, w), "127.0.0.1", listen_port, ssl=contexts[1])
    return apns, listening


def port_of(server: asyncio.Server) -> int:
    """The port a server got."""
    return int(server.sockets[0].getsockname()[1])


async def _main(arguments: argparse.Namespace) -> None:
    contexts = server_contexts(arguments.cert, arguments.key, arguments.client_ca)
    apns, listening = await start(PushHub(), contexts, arguments.port, arguments.listen_port)
    async with apns, listening:
        await asyncio.gather(apns.serve_forever(), listening.serve_forever())


def main() -> None:
    """Run until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--listen-port", type=int, required=True)
    for name in ("--cert", "--key", "--client-ca"):
        parser.add_argument(name, type=Path, required=True)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()

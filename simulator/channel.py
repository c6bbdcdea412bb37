"""The MDM messages of one tablet on the wire: check-in and connect, signed, as protocol.md sections 7 and 8 lay them out."""

from __future__ import annotations

import json
import plistlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator import signature
from simulator.device import Device, Enrolment
from simulator.errors import NotEnrolled, ServerRefused
from simulator.identity import Identity
from simulator.signature import Shape
from simulator.wire import Reply, Wire

CHECK_IN = "application/x-apple-aspen-mdm-checkin"
CONNECT = "application/x-apple-aspen-mdm; charset=UTF-8"
UNRECOGNISED = "com.apple.unrecognized.device"


@dataclass(frozen=True)
class Habits:
    """How a client writes what every client must say (protocol.md section 11). The defaults are an iPad's."""

    shape: Shape = Shape.GENUINE
    method: str = "PUT"
    binary: bool = False
    content_types: bool = True


class Channel:
    """Sends messages for one device over the wire that is open at the moment."""

    def __init__(self, device: Device, wire: Callable[[], Wire], habits: Habits) -> None:
        self.device = device
        self.habits = habits
        self._wire = wire

    @property
    def enrolment(self) -> Enrolment:
        """Raises `NotEnrolled`."""
        if self.device.enrolment is None:
            raise NotEnrolled(f"{self.device.hardware.serial} has no MDM profile")
        return self.device.enrolment

    async def authenticate(self) -> None:
        """The first message of an enrolment. Raises `ServerRefused`."""
        hardware = self.device.hardware
        message: dict[str, Any] = {
            "BuildVersion": hardware.build,
            "DeviceName": self.device.name,
            "Model": hardware.model_number[:5],
            "ModelName": hardware.model_name,
            "OSVersion": hardware.os_version,
            "ProductName": hardware.product_name,
            "SerialNumber": hardware.serial,
        }
        if hardware.cellular:
            message |= {"IMEI": "35 145120 840121 4", "MEID": "35145120840121"}
        await self._told("Authenticate", message)

    async def token_update(self, identity: Identity | None = None) -> None:
        """Token and magic; signed by `identity` when it is given. Raises `ServerRefused`."""
        message: dict[str, Any] = {"PushMagic": self.device.push_magic, "Token": self.device.push_token}
        message["AwaitingConfiguration"] = self.device.awaiting_configuration
        if not self.enrolment.token_told:
            message["UnlockToken"] = self.device.unlock_token
        await self._told("TokenUpdate", message, identity)
        self.enrolment.token_told = True

    async def check_out(self) -> None:
        """One attempt, whatever comes back."""
        await self.check_in("CheckOut", {})

    async def declarative(self, endpoint: str, data: Any = None) -> Reply:
        """A DeclarativeManagement message; `data` becomes JSON."""
        message: dict[str, Any] = {"Endpoint": endpoint}
        if data is not None:
            message["Data"] = json.dumps(data).encode()
        return await self.check_in("DeclarativeManagement", message, topic=False)

    async def fetch(self, url: str) -> bytes:
        """What is at an address of the MDM server, asked for with the tablet's identity. Raises `ServerRefused`."""
        headers = self._headers(b"", CHECK_IN, self.enrolment.identity)
        headers.pop("Content-Type", None)
        reply = await self._wire().request("GET", url, headers)
        if reply.status != 200:
            raise ServerRefused(url, reply.status, reply.body)
        return reply.body

    async def check_in(
        self, kind: str, message: dict[str, Any], identity: Identity | None = None, *, topic: bool = True
    ) -> Reply:
        """Any check-in message."""
        mdm = self.enrolment.mdm
        body = {"MessageType": kind, "UDID": self.device.hardware.udid} | ({"Topic": mdm.topic} if topic else {}) | message
        return await self.send(mdm.checkin_url, self.written(body), CHECK_IN, identity)

    async def connect(self, body: bytes) -> Reply:
        """An answer, or Idle, already written."""
        return await self.send(self.enrolment.mdm.server_url, body, CONNECT)

    async def cut(self, body: bytes) -> None:
        """Send an answer and vanish before the reply."""
        await self._wire().cut(
            self.habits.method, self.enrolment.mdm.server_url, self._headers(body, CONNECT, self.enrolment.identity), body
        )

    async def send(self, url: str, body: bytes, kind: str, identity: Identity | None = None) -> Reply:
        """A signed request to an MDM address."""
        headers = self._headers(body, kind, identity or self.enrolment.identity)
        return await self._wire().request(self.habits.method, url, headers, body)

    def written(self, message: dict[str, Any]) -> bytes:
        """A message as the client writes plists."""
        return plistlib.dumps(message, fmt=plistlib.FMT_BINARY if self.habits.binary else plistlib.FMT_XML)

    def _headers(self, body: bytes, kind: str, identity: Identity) -> dict[str, str]:
        headers = {"Content-Type": kind} if self.habits.content_types else {}
        if self.enrolment.mdm.sign_message:
            headers["Mdm-Signature"] = signature.header(identity, body, self.habits.shape, self.device.clock.now())
        return headers

    async def _told(self, kind: str, message: dict[str, Any], identity: Identity | None = None) -> None:
        reply = await self.check_in(kind, message, identity)
        if reply.status != 200:
            raise ServerRefused(kind, reply.status, reply.body)


def unenrols(reply: Reply, major: int) -> bool:
    """Whether an iPad would remove its MDM profile on this answer (protocol.md section 2.2)."""
    if reply.status == 401:
        return True
    if reply.status != 403 or major < 17:
        return False
    try:
        document = json.loads(reply.body) if reply.media_type == "application/json" else plistlib.loads(reply.body)
        return bool(document["code"] == UNRECOGNISED)
    except (ValueError, KeyError, TypeError, plistlib.InvalidFileException):
        return False

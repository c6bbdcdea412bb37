"""Sends the MDM messages of one tablet: check-in and connect requests, signed with its identity."""

from __future__ import annotations

import json
import plistlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator import signature
from simulator.declarative_habits import DeclarativeHabits
from simulator.device import DeviceState, MdmEnrollment
from simulator.errors import SimulatedTabletNotEnrolled, UnexpectedResponse
from simulator.http_connection import HttpConnection, ServerResponse
from simulator.identity import Identity
from simulator.signature import SignatureShape

CHECK_IN_MEDIA_TYPE = "application/x-apple-aspen-mdm-checkin"
CONNECT_MEDIA_TYPE = "application/x-apple-aspen-mdm; charset=UTF-8"
SHARED_IPAD_USER_ID = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"
UNRECOGNIZED_DEVICE_CODE = "com.apple.unrecognized.device"


@dataclass(frozen=True)
class MessageFormat:
    """How a client formats its MDM messages. The defaults are those of an iPad."""

    signature_shape: SignatureShape = SignatureShape.IPAD
    http_method: str = "PUT"
    binary_plists: bool = False
    sends_content_type: bool = True


class MdmChannel:
    """Sends MDM messages of one device over its current connection."""

    def __init__(self, device: DeviceState, get_connection: Callable[[], HttpConnection], habits: MessageFormat) -> None:
        self.device = device
        self.message_format = habits
        self.declarative_habits = DeclarativeHabits()
        self._get_connection = get_connection

    @property
    def enrollment(self) -> MdmEnrollment:
        """Raises `NotEnrolled`."""
        if self.device.enrollment is None:
            raise SimulatedTabletNotEnrolled(f"{self.device.hardware.serial} has no MDM profile")
        return self.device.enrollment

    async def send_authenticate(self) -> None:
        """Send Authenticate, the first message of an enrollment. Raises `UnexpectedResponse`."""
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
        await self._send_required_check_in("Authenticate", message)

    async def send_token_update(self, identity: Identity | None = None) -> None:
        """Send TokenUpdate with push token and push magic; the first one also has the unlock token.

        It is signed by `identity` when it is given. Raises `UnexpectedResponse`.
        """
        message: dict[str, Any] = {"PushMagic": self.device.push_magic, "Token": self.device.push_token}
        message["AwaitingConfiguration"] = self.device.awaiting_configuration
        if not self.enrollment.unlock_token_sent:
            message["UnlockToken"] = self.device.unlock_token
        await self._send_required_check_in("TokenUpdate", message, identity)
        self.enrollment.unlock_token_sent = True

    async def send_check_out(self) -> None:
        """Send CheckOut once, whatever the response is."""
        await self.send_check_in("CheckOut", {})

    async def send_declarative_management(self, endpoint: str, data: Any = None) -> ServerResponse:
        """Send a DeclarativeManagement message; `data` is sent as JSON."""
        message: dict[str, Any] = {"Endpoint": endpoint}
        if data is not None:
            message["Data"] = json.dumps(data).encode()
        return await self.send_check_in("DeclarativeManagement", message, topic=False)

    async def fetch_with_identity(self, url: str) -> bytes:
        """Return what is at a URL of the MDM server; the request is signed. Raises `UnexpectedResponse`."""
        return (await self.get_with_identity(url)).body

    async def get_with_identity(self, url: str) -> ServerResponse:
        """Return the response with what is at a URL of the MDM server; the request is signed. Raises `UnexpectedResponse`."""
        headers = self._build_headers(b"", CHECK_IN_MEDIA_TYPE, self.enrollment.identity)
        headers.pop("Content-Type", None)
        reply = await self._get_connection().request("GET", url, headers)
        if reply.status != 200:
            raise UnexpectedResponse(url, reply.status, reply.body)
        return reply

    async def send_check_in(
        self, kind: str, message: dict[str, Any], identity: Identity | None = None, *, topic: bool = True
    ) -> ServerResponse:
        """Send any check-in message."""
        mdm = self.enrollment.mdm_settings
        body = {"MessageType": kind, "UDID": self.device.hardware.udid} | ({"Topic": mdm.topic} if topic else {}) | message
        return await self.send_signed(mdm.checkin_url, self.serialize_plist(body), CHECK_IN_MEDIA_TYPE, identity)

    async def send_user_check_in(self, user_short_name: str, kind: str, message: dict[str, Any]) -> ServerResponse:
        """Send a check-in message on the user channel of a person on a Shared iPad."""
        user = {"UserID": SHARED_IPAD_USER_ID, "UserShortName": user_short_name, "UserLongName": user_short_name.title()}
        return await self.send_check_in(kind, user | message)

    async def send_connect(self, body: bytes) -> ServerResponse:
        """Send Idle or a command result that is already serialized."""
        return await self.send_signed(self.enrollment.mdm_settings.server_url, body, CONNECT_MEDIA_TYPE)

    async def send_connect_and_disconnect(self, body: bytes) -> None:
        """Send a command result and disconnect before the response."""
        await self._get_connection().send_and_disconnect(
            self.message_format.http_method,
            self.enrollment.mdm_settings.server_url,
            self._build_headers(body, CONNECT_MEDIA_TYPE, self.enrollment.identity),
            body,
        )

    async def send_signed(self, url: str, body: bytes, kind: str, identity: Identity | None = None) -> ServerResponse:
        """Send a signed request to an MDM URL."""
        headers = self._build_headers(body, kind, identity or self.enrollment.identity)
        return await self._get_connection().request(self.message_format.http_method, url, headers, body)

    def serialize_plist(self, message: dict[str, Any]) -> bytes:
        """Serialize a message as XML or binary plist, as the message format says."""
        return plistlib.dumps(message, fmt=plistlib.FMT_BINARY if self.message_format.binary_plists else plistlib.FMT_XML)

    def _build_headers(self, body: bytes, kind: str, identity: Identity) -> dict[str, str]:
        headers = {"Content-Type": kind} if self.message_format.sends_content_type else {}
        if self.enrollment.mdm_settings.sign_message:
            headers["Mdm-Signature"] = signature.build_mdm_signature(
                identity, body, self.message_format.signature_shape, self.device.clock.now()
            )
        return headers

    async def _send_required_check_in(self, kind: str, message: dict[str, Any], identity: Identity | None = None) -> None:
        reply = await self.send_check_in(kind, message, identity)
        if reply.status != 200:
            raise UnexpectedResponse(kind, reply.status, reply.body)


def removes_mdm_profile(reply: ServerResponse, major: int) -> bool:
    """Return whether an iPad with this major system version removes its MDM profile on this response."""
    if reply.status == 401:
        return True
    if reply.status != 403 or major < 17:
        return False
    try:
        document = json.loads(reply.body) if reply.media_type == "application/json" else plistlib.loads(reply.body)
        return bool(document["code"] == UNRECOGNIZED_DEVICE_CODE)
    except (ValueError, KeyError, TypeError, plistlib.InvalidFileException):
        return False

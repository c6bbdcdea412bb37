"""Check-in messages (Apple: MDM check-in protocol) as plain values. Reads them; what they mean is the channel's business."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from mdm.protocol.errors import BadMessage

SHARED_IPAD_USER = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"
_ID_KEYS = {"UDID", "EnrollmentID", "UserID", "UserShortName", "UserLongName", "EnrollmentUserID"}
MAX_ID = 255


@dataclass(frozen=True, slots=True)
class EnrollmentIds:
    """Every flavour of Apple identifier, folded into two keys before any logic sees them (protocol.md section 1)."""

    udid: str | None = None
    enrollment_id: str | None = None
    user_id: str | None = None
    user_short_name: str | None = None
    user_long_name: str | None = None
    enrollment_user_id: str | None = None

    @property
    def device_key(self) -> str:
        """The device: its UDID in upper case, else the EnrollmentID as sent."""
        return self.udid.upper() if self.udid else self.enrollment_id or ""

    @property
    def user_key(self) -> str | None:
        """The person on the device, if this is the user channel."""
        if self.user_id == SHARED_IPAD_USER:
            return self.user_short_name or self.user_id
        return self.user_id or self.enrollment_user_id

    @property
    def channel_key(self) -> str:
        """The device, or `device:person` on the user channel."""
        return f"{self.device_key}:{self.user_key}" if self.user_key else self.device_key

    @property
    def is_user_channel(self) -> bool:
        return self.user_key is not None


@dataclass(frozen=True, slots=True)
class CheckinMessage:
    """What all check-in messages share. `extra` keeps the keys we do not know."""

    MESSAGE_TYPE: ClassVar[str] = ""
    ids: EnrollmentIds
    unknown_keys: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Authenticate(CheckinMessage):
    """The first message of an enrolment, and of each new life of a tablet."""

    MESSAGE_TYPE: ClassVar[str] = "Authenticate"
    topic: str = ""
    serial_number: str | None = None
    os_version: str | None = None
    build_version: str | None = None
    product_name: str | None = None
    model_name: str | None = None
    device_name: str | None = None


@dataclass(frozen=True, slots=True)
class TokenUpdate(CheckinMessage):
    """Where to push. `unlock_token` and `awaiting_configuration` are None when the message did not carry them."""

    MESSAGE_TYPE: ClassVar[str] = "TokenUpdate"
    topic: str = ""
    token: bytes = b""
    push_magic: str = ""
    unlock_token: bytes | None = None
    awaiting_configuration: bool | None = None


@dataclass(frozen=True, slots=True)
class CheckOut(CheckinMessage):
    """The tablet says that it has left."""

    MESSAGE_TYPE: ClassVar[str] = "CheckOut"


@dataclass(frozen=True, slots=True)
class SetBootstrapToken(CheckinMessage):
    """Keep this token; None or empty: forget it."""

    MESSAGE_TYPE: ClassVar[str] = "SetBootstrapToken"
    bootstrap_token: bytes | None = None


@dataclass(frozen=True, slots=True)
class GetBootstrapToken(CheckinMessage):
    """Give the token back."""

    MESSAGE_TYPE: ClassVar[str] = "GetBootstrapToken"


@dataclass(frozen=True, slots=True)
class UserAuthenticate(CheckinMessage):
    """A network user wants to be managed (macOS only)."""

    MESSAGE_TYPE: ClassVar[str] = "UserAuthenticate"


@dataclass(frozen=True, slots=True)
class DeclarativeRequest(CheckinMessage):
    """A request of declarative management: tokens, declaration-items, declaration/<kind>/<id>, status."""

    MESSAGE_TYPE: ClassVar[str] = "DeclarativeManagement"
    endpoint: str = ""
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class GetToken(CheckinMessage):
    """A request for a service token."""

    MESSAGE_TYPE: ClassVar[str] = "GetToken"
    service_type: str = ""


@dataclass(frozen=True, slots=True)
class ReturnToService(CheckinMessage):
    """The tablet was told on itself to return to service (26 and later)."""

    MESSAGE_TYPE: ClassVar[str] = "ReturnToService"


@dataclass(frozen=True, slots=True)
class UnknownMessage(CheckinMessage):
    """A message type that this server does not know."""

    message_type: str = ""


#: Message type → class and {key on the wire: (attribute, kind, required)}.
_SHAPES: dict[str, tuple[type[CheckinMessage], dict[str, tuple[str, type, bool]]]] = {
    "Authenticate": (
        Authenticate,
        {
            "Topic": ("topic", str, True),
            "SerialNumber": ("serial_number", str, False),
            "OSVersion": ("os_version", str, False),
            "BuildVersion": ("build_version", str, False),
            "ProductName": ("product_name", str, False),
            "ModelName": ("model_name", str, False),
            "DeviceName": ("device_name", str, False),
        },
    ),
    "TokenUpdate": (
        TokenUpdate,
        {
            "Topic": ("topic", str, True),
            "Token": ("token", bytes, True),
            "PushMagic": ("push_magic", str, True),
            "UnlockToken": ("unlock_token", bytes, False),
            "AwaitingConfiguration": ("awaiting_configuration", bool, False),
        },
    ),
    "CheckOut": (CheckOut, {}),
    "SetBootstrapToken": (SetBootstrapToken, {"BootstrapToken": ("bootstrap_token", bytes, False)}),
    "GetBootstrapToken": (GetBootstrapToken, {}),
    "UserAuthenticate": (UserAuthenticate, {}),
    "DeclarativeManagement": (
        DeclarativeRequest,
        {"Endpoint": ("endpoint", str, True), "Data": ("data", bytes, False)},
    ),
    "GetToken": (GetToken, {"TokenServiceType": ("service_type", str, True)}),
    "ReturnToService": (ReturnToService, {}),
}


def parse_ids(message: dict[str, Any]) -> EnrollmentIds:
    """Read the identifiers of any message. Raises `BadMessage` when there is none, or one is not a short text."""
    found: dict[str, str | None] = {}
    for key in _ID_KEYS:
        value = message.get(key)
        if value is not None and (not isinstance(value, str) or len(value) > MAX_ID):
            raise BadMessage(f"{key} is not a short text")
        found[key] = value or None
    if not (found["UDID"] or found["EnrollmentID"]):
        raise BadMessage("no UDID and no EnrollmentID")
    return EnrollmentIds(
        udid=found["UDID"],
        enrollment_id=found["EnrollmentID"],
        user_id=found["UserID"],
        user_short_name=found["UserShortName"],
        user_long_name=found["UserLongName"],
        enrollment_user_id=found["EnrollmentUserID"],
    )


def parse_checkin(message: dict[str, Any]) -> CheckinMessage:
    """Turn a property list into the message it is. Raises `BadMessage`; an unknown type gives `Unknown`."""
    message_type = message.get("MessageType")
    if not isinstance(message_type, str):
        raise BadMessage("no MessageType")
    ids = parse_ids(message)
    shape = _SHAPES.get(message_type)
    if shape is None:
        return UnknownMessage(ids=ids, unknown_keys=_rest(message, set()), message_type=message_type[:MAX_ID])
    kind, keys = shape
    values = {name: _value(message, key, kind_, required=required) for key, (name, kind_, required) in keys.items()}
    given = {name: value for name, value in values.items() if value is not None}
    return kind(ids=ids, unknown_keys=_rest(message, set(keys)), **given)


def _value(message: dict[str, Any], key: str, kind: type, *, required: bool) -> Any:
    value = message.get(key)
    if value is None:
        if required:
            raise BadMessage(f"{key} is missing")
        return None
    if kind is bool and isinstance(value, str):  # some clients send the text "false"
        return value.strip().lower() in {"true", "1", "yes"}
    if not isinstance(value, kind):
        raise BadMessage(f"{key} has a wrong type")
    if isinstance(value, str) and len(value) > 1024:
        raise BadMessage(f"{key} is too long")
    return value


def _rest(message: dict[str, Any], known: set[str]) -> dict[str, Any]:
    return {key: value for key, value in message.items() if key not in known and key not in _ID_KEYS and key != "MessageType"}

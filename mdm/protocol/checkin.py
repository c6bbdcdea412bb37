"""Check-in messages (Apple: MDM check-in protocol) as plain values, and their parser. Acting on them is up to `mdm.channel`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from mdm.protocol.errors import BadMessage

SHARED_IPAD_USER = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"
#: Property list key → attribute of `EnrollmentIds`.
_ID_ATTRIBUTES = {
    "UDID": "udid", "EnrollmentID": "enrollment_id", "UserID": "user_id", "UserShortName": "user_short_name",
    "UserLongName": "user_long_name", "EnrollmentUserID": "enrollment_user_id",
}  # fmt: skip
_ID_KEYS = _ID_ATTRIBUTES.keys()
#: Keys that are known and not needed here: `NotOnConsole` concerns Macs, and no radio number is kept.
_IGNORED_KEYS = {"MessageType", "NotOnConsole", "IMEI", "MEID"}
_DISPLAY_KEYS = {"UserLongName"}
#: Device and user key together, with a colon, are a channel key of at most 255 characters.
MAX_ID = 127
MAX_TEXT = 1024


@dataclass(frozen=True, slots=True)
class EnrollmentIds:
    """All Apple identifiers of a message, and the keys derived from them: one per device, one per user.

    See docs/domain/protocol.md#identifiers.
    """

    udid: str | None = None
    enrollment_id: str | None = None
    user_id: str | None = None
    user_short_name: str | None = None
    user_long_name: str | None = None
    enrollment_user_id: str | None = None

    @property
    def device_key(self) -> str:
        """The key of the device: its UDID in upper case, or the EnrollmentID as sent."""
        return self.udid.upper() if self.udid else self.enrollment_id or ""

    @property
    def user_key(self) -> str | None:
        """The key of the user on the device; None on the device channel."""
        if self.user_id == SHARED_IPAD_USER:
            return self.user_short_name or self.user_id
        return self.user_id or self.enrollment_user_id

    @property
    def channel_key(self) -> str:
        """The key of the enrollment: the device key, or `device:user` on the user channel."""
        return f"{self.device_key}:{self.user_key}" if self.user_key else self.device_key

    @property
    def is_user_channel(self) -> bool:
        return self.user_key is not None


@dataclass(frozen=True, slots=True)
class CheckinMessage:
    """Base class of the check-in messages. `unknown_keys` holds keys that this server does not know."""

    MESSAGE_TYPE: ClassVar[str] = ""
    ids: EnrollmentIds
    unknown_keys: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Authenticate(CheckinMessage):
    """The first message of an enrollment. Each one starts a new enrollment generation."""

    MESSAGE_TYPE: ClassVar[str] = "Authenticate"
    topic: str = ""
    serial_number: str | None = None
    os_version: str | None = None
    build_version: str | None = None
    product_name: str | None = None
    model_name: str | None = None
    device_name: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class TokenUpdate(CheckinMessage):
    """The push token and magic of an enrollment. `unlock_token` and `awaiting_configuration` are None when not sent."""

    MESSAGE_TYPE: ClassVar[str] = "TokenUpdate"
    topic: str = ""
    token: bytes = b""
    push_magic: str = ""
    unlock_token: bytes | None = None
    awaiting_configuration: bool | None = None


@dataclass(frozen=True, slots=True)
class CheckOut(CheckinMessage):
    """The tablet has removed its enrollment profile."""

    MESSAGE_TYPE: ClassVar[str] = "CheckOut"


@dataclass(frozen=True, slots=True)
class SetBootstrapToken(CheckinMessage):
    """A request to store the bootstrap token; None or empty deletes the stored one."""

    MESSAGE_TYPE: ClassVar[str] = "SetBootstrapToken"
    bootstrap_token: bytes | None = None


@dataclass(frozen=True, slots=True)
class GetBootstrapToken(CheckinMessage):
    """A request for the stored bootstrap token."""

    MESSAGE_TYPE: ClassVar[str] = "GetBootstrapToken"


@dataclass(frozen=True, slots=True)
class UserAuthenticate(CheckinMessage):
    """A request to manage a network user (macOS only)."""

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
    """Somebody asked for Return to Service on the tablet itself (iPadOS 26 and later)."""

    MESSAGE_TYPE: ClassVar[str] = "ReturnToService"


@dataclass(frozen=True, slots=True)
class UnknownMessage(CheckinMessage):
    """A message type that this server does not know."""

    message_type: str = ""


#: Message type → class and {property list key: (attribute, value type, required)}.
_MESSAGE_FORMATS: dict[str, tuple[type[CheckinMessage], dict[str, tuple[str, type, bool]]]] = {
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
            "Model": ("model", str, False),
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
    """Return the identifiers of any message. Raises `BadMessage` when there is none, or one is not a short text.

    A name that is only for people to read may have any type: it is left out then. The identifiers say whose message it is,
    and without one of them it would be taken for another's.
    """
    ids: dict[str, str] = {}
    for key in _ID_KEYS & message.keys():
        value = message[key]
        # Some letters become several as capitals, and the key of a device is in capitals.
        is_short = isinstance(value, str) and len(value) <= MAX_ID and len(value.upper()) <= MAX_ID
        if is_short and value:
            ids[_ID_ATTRIBUTES[key]] = value
        elif not is_short and value is not None and key not in _DISPLAY_KEYS:
            raise BadMessage(f"{key} is not a short text")
    if "udid" not in ids and "enrollment_id" not in ids:
        raise BadMessage("no UDID and no EnrollmentID")
    return EnrollmentIds(**ids)


def parse_checkin(message: dict[str, Any]) -> CheckinMessage:
    """Return the check-in message in a property list; `UnknownMessage` for an unknown type. Raises `BadMessage`."""
    message_type = message.get("MessageType")
    if not isinstance(message_type, str):
        raise BadMessage("no MessageType")
    ids = parse_ids(message)
    message_format = _MESSAGE_FORMATS.get(message_type)
    if message_format is None:
        return UnknownMessage(ids=ids, unknown_keys=_collect_unknown_keys(message, set()), message_type=message_type[:MAX_ID])
    message_class, keys = message_format
    values = {
        name: _read_value(message, key, value_type, required=required) for key, (name, value_type, required) in keys.items()
    }
    present_values = {name: value for name, value in values.items() if value is not None}
    return message_class(ids=ids, unknown_keys=_collect_unknown_keys(message, set(keys)), **present_values)


def _read_value(message: dict[str, Any], key: str, value_type: type, *, required: bool) -> Any:
    """Return the value of a key; None when it is absent, or is optional and cannot be used. Raises `BadMessage`."""
    value = message.get(key)
    if value is None:
        if required:
            raise BadMessage(f"{key} is missing")
        return None
    if value_type is bool and isinstance(value, str):  # some clients send the text "false"
        return value.strip().lower() in {"true", "1", "yes"}
    is_usable = isinstance(value, value_type) and not (isinstance(value, str) and len(value) > MAX_TEXT)
    if not is_usable and required:
        raise BadMessage(f"{key} has a wrong type or is too long")
    return value if is_usable else None


def _collect_unknown_keys(message: dict[str, Any], known: set[str]) -> dict[str, Any]:
    return {key: value for key, value in message.items() if key not in known | _ID_KEYS | _IGNORED_KEYS}

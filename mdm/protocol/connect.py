"""Messages of the connect loop (Apple: MDM server URL): a tablet reports a command's result or asks for the next. Parsing only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mdm.protocol.checkin import EnrollmentIds, parse_ids
from mdm.protocol.errors import BadMessage

CHECKIN_TYPE = "application/x-apple-aspen-mdm-checkin"
_ENVELOPE_KEYS = {"Status", "CommandUUID", "ErrorChain", "RequestType"}


class CommandStatus(StrEnum):
    """The values of `Status` in a connect message."""

    IDLE = "Idle"
    ACKNOWLEDGED = "Acknowledged"
    ERROR = "Error"
    COMMAND_FORMAT_ERROR = "CommandFormatError"
    NOT_NOW = "NotNow"


@dataclass(frozen=True, slots=True)
class ConnectMessage:
    """One message of the connect loop. `body` holds the response keys of the command; `command_uuid` is absent for Idle."""

    ids: EnrollmentIds
    status: CommandStatus
    command_uuid: str | None = None
    error_chain: list[dict[str, Any]] = field(default_factory=list)
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def innermost_error(self) -> str | None:
        """Domain, code and description of the last error in the chain, which is the most specific one."""
        if not self.error_chain:
            return None
        last = self.error_chain[-1]
        text = last.get("USEnglishDescription") or last.get("LocalizedDescription") or ""
        return f"{last.get('ErrorDomain', '')} {last.get('ErrorCode', '')} {text}".strip()[:200]


def is_checkin(content_type: str | None, message: dict[str, Any]) -> bool:
    """Return whether this is a check-in message. The media type counts only when the keys do not tell."""
    if "MessageType" in message:
        return True
    if "Status" in message:
        return False
    return (content_type or "").strip().lower().startswith(CHECKIN_TYPE)


def parse_connect(message: dict[str, Any]) -> ConnectMessage:
    """Return the connect message in a property list. Raises `BadMessage`."""
    status = message.get("Status")
    if not isinstance(status, str) or status not in {*CommandStatus}:
        raise BadMessage("no known Status")
    uuid = message.get("CommandUUID")
    if uuid is not None and (not isinstance(uuid, str) or len(uuid) > 128):
        raise BadMessage("CommandUUID is not a short text")
    ids = parse_ids(message)
    raw_chain = message.get("ErrorChain")
    error_chain = [link for link in raw_chain[:20] if isinstance(link, dict)] if isinstance(raw_chain, list) else []
    body = {key: value for key, value in message.items() if key not in _ENVELOPE_KEYS}
    return ConnectMessage(ids, CommandStatus(status), uuid or None, error_chain, body)

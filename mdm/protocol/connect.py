"""The connect loop (Apple: MDM server URL): what a tablet answers and asks. Reads it; the queue decides what follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mdm.protocol.checkin import EnrollmentIds, parse_ids
from mdm.protocol.errors import BadMessage

CHECKIN_TYPE = "application/x-apple-aspen-mdm-checkin"
_ENVELOPE = {"Status", "CommandUUID", "ErrorChain", "RequestType"}


class CommandStatus(StrEnum):
    """Apple's status words."""

    IDLE = "Idle"
    ACKNOWLEDGED = "Acknowledged"
    ERROR = "Error"
    COMMAND_FORMAT_ERROR = "CommandFormatError"
    NOT_NOW = "NotNow"


@dataclass(frozen=True, slots=True)
class ConnectMessage:
    """One turn of a tablet. `body` holds the response keys of the command; `command_uuid` is absent for Idle."""

    ids: EnrollmentIds
    status: CommandStatus
    command_uuid: str | None = None
    error_chain: list[dict[str, Any]] = field(default_factory=list)
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def innermost_error(self) -> str | None:
        """The description that says most: that of the last link."""
        if not self.error_chain:
            return None
        last = self.error_chain[-1]
        text = last.get("USEnglishDescription") or last.get("LocalizedDescription") or ""
        return f"{last.get('ErrorDomain', '')} {last.get('ErrorCode', '')} {text}".strip()[:200]


def is_checkin(content_type: str | None, message: dict[str, Any]) -> bool:
    """Whether this is a check-in. The message decides; the media type only where the message says nothing."""
    if "MessageType" in message:
        return True
    if "Status" in message:
        return False
    return (content_type or "").strip().lower().startswith(CHECKIN_TYPE)


def parse_connect(message: dict[str, Any]) -> ConnectMessage:
    """Turn a property list into an `Answer`. Raises `BadMessage`."""
    status = message.get("Status")
    if not isinstance(status, str) or status not in {*CommandStatus}:
        raise BadMessage("no known Status")
    uuid = message.get("CommandUUID")
    if uuid is not None and (not isinstance(uuid, str) or len(uuid) > 128):
        raise BadMessage("CommandUUID is not a short text")
    ids = parse_ids(message)
    chain = message.get("ErrorChain")
    links = [link for link in chain[:20] if isinstance(link, dict)] if isinstance(chain, list) else []
    body = {key: value for key, value in message.items() if key not in _ENVELOPE}
    return ConnectMessage(ids, CommandStatus(status), uuid or None, links, body)

"""Messages of the connect loop (Apple: MDM server URL): a tablet reports a command's result or asks for the next. Parsing only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mdm.protocol.checkin import EnrollmentIds, parse_ids
from mdm.protocol.errors import BadMessage

CHECKIN_TYPE = "application/x-apple-aspen-mdm-checkin"
#: Links of an ErrorChain that are kept.
MAX_ERRORS = 20
_ENVELOPE_KEYS = {"Status", "CommandUUID", "ErrorChain", "RequestType"}


class CommandStatus(StrEnum):
    """The values of `Status` in a connect message."""

    IDLE = "Idle"
    ACKNOWLEDGED = "Acknowledged"
    ERROR = "Error"
    COMMAND_FORMAT_ERROR = "CommandFormatError"
    NOT_NOW = "NotNow"


_STATUSES = {status.value: status for status in CommandStatus}


@dataclass(frozen=True, slots=True)
class ConnectMessage:
    """One message of the connect loop. `body` holds the response keys of the command; `command_uuid` is absent for Idle.

    `is_readable` is false for one that could not be parsed: it has only what was found by scanning its bytes.
    """

    ids: EnrollmentIds
    status: CommandStatus
    command_uuid: str | None = None
    error_chain: list[dict[str, Any]] = field(default_factory=list)
    body: dict[str, Any] = field(default_factory=dict)
    is_readable: bool = True

    @property
    def innermost_error(self) -> str | None:
        """Domain, code and description of the last error in the chain, which is the most specific one."""
        return describe_error(self.error_chain)


@dataclass(frozen=True, slots=True)
class ErrorLink:
    """One error of an ErrorChain. `code` is None when the tablet sent no number."""

    domain: str
    code: int | None
    description: str


def parse_error_chain(chain: object) -> list[ErrorLink]:
    """Return the errors of an ErrorChain, outermost first, without what is no error. At most 20."""
    if not isinstance(chain, list):
        return []
    return [_parse_error(link) for link in chain[:MAX_ERRORS] if isinstance(link, dict)]


def _parse_error(link: dict[str, Any]) -> ErrorLink:
    code = link.get("ErrorCode")
    texts = [link.get("USEnglishDescription"), link.get("LocalizedDescription")]
    return ErrorLink(
        domain=str(link.get("ErrorDomain") or ""),
        code=code if isinstance(code, int) and not isinstance(code, bool) else None,
        description=next((text for text in texts if isinstance(text, str) and text), ""),
    )


def describe_error(chain: object) -> str | None:
    """Return domain, code and description of the innermost error of an ErrorChain, for people; None when it is empty."""
    errors = parse_error_chain(chain)
    if not errors:
        return None
    last = errors[-1]
    code = "" if last.code is None else str(last.code)
    return " ".join(part for part in (last.domain, code, last.description) if part)[:200]


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
    if not isinstance(status, str) or status not in _STATUSES:
        raise BadMessage("no known Status")
    uuid = message.get("CommandUUID")
    if uuid is not None and (not isinstance(uuid, str) or len(uuid) > 128):
        raise BadMessage("CommandUUID is not a short text")
    ids = parse_ids(message)
    raw_chain = message.get("ErrorChain")
    error_chain = [link for link in raw_chain[:MAX_ERRORS] if isinstance(link, dict)] if isinstance(raw_chain, list) else []
    body = {key: value for key, value in message.items() if key not in _ENVELOPE_KEYS}
    return ConnectMessage(ids, _STATUSES[status], uuid or None, error_chain, body)

"""The base class of all MDM commands and the helpers to declare one. A command is a frozen value: its fields are its arguments."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Self

from mdm.protocol.errors import BadMessage

DAY = timedelta(days=1)


class LaneHint(StrEnum):
    """The default urgency of a command type. The queue maps it to a lane."""

    URGENT = "urgent"
    NORMAL = "normal"
    BACKGROUND = "background"


class BadArguments(ValueError):
    """The arguments are missing, unknown or contradictory for this command."""


def payload_field(name: str, *, required: bool = False, default: Any = None) -> Any:
    """Declare a field that is sent under the payload key `name`, unless it is None. A required one may not be empty."""
    return field(default=default, metadata={"key": name, "required": required})


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Base class of all commands. Class attributes tell the queue how to treat the command type (docs/domain/commands.md)."""

    request_type: ClassVar[str]
    lane: ClassVar[LaneHint] = LaneHint.NORMAL
    timeout: ClassVar[timedelta] = 30 * DAY  # from enqueueing to the deadline
    destructive: ClassVar[bool] = False
    expires_after_restore: ClassVar[bool] = False  # takes something away: people may have withdrawn it since the backup
    supervised_only: ClassVar[bool] = False
    minimum_os: ClassVar[str] = "4.0"
    flushes_queue: ClassVar[bool] = False  # nothing behind it can be delivered
    retried_after_silence: ClassVar[bool] = True  # sent again when no result arrived
    acknowledgement_is_handled: ClassVar[bool] = True  # something is to be done when the tablet has acknowledged it

    def __post_init__(self) -> None:
        for argument in fields(self):
            if argument.metadata.get("required") and getattr(self, argument.name) in (None, "", ()):
                raise BadArguments(f"{self.request_type} needs {argument.name}")

    def build_payload(self) -> dict[str, Any]:
        """Return the `Command` dictionary that the tablet receives."""
        payload: dict[str, Any] = {"RequestType": self.request_type}
        for argument in fields(self):
            value = getattr(self, argument.name)
            if "key" in argument.metadata and value is not None:
                payload[argument.metadata["key"]] = list(value) if isinstance(value, tuple) else value
        return payload

    def dedupe_key(self) -> str | None:
        """Return the key under which one tablet has at most one unsent command. Default: request type and arguments."""
        if not fields(self):
            return self.request_type
        arguments = json.dumps(self.to_args(), sort_keys=True).encode()
        return f"{self.request_type}:{hashlib.sha256(arguments).hexdigest()[:32]}"

    def superseded_keys(self) -> tuple[str, ...]:
        """Return the dedupe keys of unsent commands that this one replaces."""
        return ()

    def parse_response(self, body: dict[str, Any]) -> Any:
        """Return the parsed response keys of an acknowledged command; None for a command without any. Raises `BadMessage`."""
        return None

    def parse_failure(self, body: dict[str, Any]) -> Any:
        """Return the parsed response keys of a command that failed, beside its ErrorChain; None for a command without any."""
        return None

    def to_args(self) -> dict[str, Any]:
        """Return the arguments as JSON values; bytes become `{"b64": …}`, instants `{"date": …}`."""
        values = {argument.name: getattr(self, argument.name) for argument in fields(self)}
        return {name: _to_json(value) for name, value in values.items() if value is not None}

    @classmethod
    def from_args(cls, args: dict[str, Any]) -> Self:
        """Create the command from JSON arguments, stored or posted. Raises `BadArguments`."""
        known_names = {argument.name for argument in fields(cls)}
        if unknown := set(args) - known_names:
            raise BadArguments(f"{cls.request_type} has no argument {min(unknown)}")
        missing = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING and f.name not in args]
        if missing:
            raise BadArguments(f"{cls.request_type} needs {missing[0]}")
        return cls(**{name: _from_json(value) for name, value in args.items()})


#: Keys of the objects that stand for what JSON lacks; an object of our own with only such a key goes below `keys`.
_BYTES, _INSTANT, _KEYS = "b64", "date", "keys"


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode()}
    if isinstance(value, datetime):
        return {_INSTANT: value.isoformat()}
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, dict):
        members = {name: _to_json(item) for name, item in value.items()}
        return {_KEYS: members} if len(members) == 1 and {*members} <= {_BYTES, _INSTANT, _KEYS} else members
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        match value:
            case {"b64": str(text)} if len(value) == 1:
                return base64.b64decode(text)
            case {"date": str(text)} if len(value) == 1:
                return datetime.fromisoformat(text)
            case {"keys": dict(members)} if len(value) == 1:
                return {name: _from_json(item) for name, item in members.items()}
        return {name: _from_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return tuple(_from_json(item) for item in value)
    return value


def require_key(body: dict[str, Any], name: str, kind: type) -> Any:
    """Return the value of response key `name`. Raises `BadMessage` when it is missing or not a `kind`."""
    value = body.get(name)
    if not isinstance(value, kind):
        raise BadMessage(f"{name} is missing or has a wrong type")
    return value


def require_dicts(body: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the list of dictionaries under `name`, without entries of another type. Raises `BadMessage` when it is no list."""
    return [entry for entry in require_key(body, name, list) if isinstance(entry, dict)]

"""What every command declares and shares. A command is a frozen value: its fields are its arguments."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import MISSING, dataclass, field, fields
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar, Self

from mdm.protocol.errors import BadMessage

DAY = timedelta(days=1)
NEVER_REMOVED = ""


class LaneHint(StrEnum):
    """How urgent a command is by its nature."""

    URGENT = "urgent"
    NORMAL = "normal"
    BACKGROUND = "background"


class BadArguments(ValueError):
    """Arguments that do not make this command."""


def key(name: str, *, required: bool = False, audited: bool = False, default: Any = None) -> Any:
    """A field that travels under `name`. Unaudited arguments never appear in the audit trail, so that forgetting
    to say so cannot leak.
    """
    metadata = {"key": name, "audited": audited, "required": required}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Mother of all commands; its class attributes are the policy of the queue for it (commands.md)."""

    request_type: ClassVar[str]
    lane: ClassVar[LaneHint] = LaneHint.NORMAL
    timeout: ClassVar[timedelta] = 30 * DAY  # from enqueueing to the deadline
    idempotent: ClassVar[bool] = True  # may be delivered twice with the same effect
    destructive: ClassVar[bool] = False
    supervised_only: ClassVar[bool] = False
    shared_ipad_only: ClassVar[bool] = False
    user_channel: ClassVar[bool] = False  # may be sent to a Shared iPad user
    device_channel: ClassVar[bool] = True
    minimum_os: ClassVar[str] = "4.0"
    never_not_now: ClassVar[bool] = False
    access_right: ClassVar[int] = 0
    flushes_queue: ClassVar[bool] = False  # nothing behind it can be delivered
    retried_after_silence: ClassVar[bool] = True  # sent again when its answer never came

    def __post_init__(self) -> None:
        for part in fields(self):
            if part.metadata.get("required") and getattr(self, part.name) in (None, "", ()):
                raise BadArguments(f"{self.request_type} needs {part.name}")

    def payload(self) -> dict[str, Any]:
        """The `Command` dictionary that the tablet receives."""
        made: dict[str, Any] = {"RequestType": self.request_type}
        for part in fields(self):
            value = getattr(self, part.name)
            if "key" in part.metadata and value is not None:
                made[part.metadata["key"]] = list(value) if isinstance(value, tuple) else value
        return made

    def dedupe_key(self) -> str | None:
        """Equal keys wait only once on one tablet. By default: the same type with the same arguments."""
        if not fields(self):
            return self.request_type
        arguments = json.dumps(self.to_args(), sort_keys=True).encode()
        return f"{self.request_type}:{hashlib.sha256(arguments).hexdigest()[:32]}"

    def supersedes(self) -> tuple[str, ...]:
        """Dedupe keys of unsent commands that this one makes pointless."""
        return ()

    def read(self, body: dict[str, Any]) -> Any:
        """Read the response keys of an acknowledged answer. None where the command has none. Raises `BadMessage`."""
        return None

    def audit_args(self) -> dict[str, Any]:
        """The arguments that may stand in the audit trail."""
        audited = {part.name for part in fields(self) if part.metadata.get("audited")}
        return {name: value for name, value in self.to_args().items() if name in audited}

    def to_args(self) -> dict[str, Any]:
        """The arguments as JSON values; bytes as `{"b64": …}`."""
        values = {part.name: getattr(self, part.name) for part in fields(self)}
        return {name: _to_json(value) for name, value in values.items() if value is not None}

    @classmethod
    def from_args(cls, args: dict[str, Any]) -> Self:
        """Make the command from what `to_args` gave, or from outside. Raises `BadArguments`."""
        known = {part.name for part in fields(cls)}
        if unknown := set(args) - known:
            raise BadArguments(f"{cls.request_type} has no argument {min(unknown)}")
        missing = [p.name for p in fields(cls) if p.default is MISSING and p.default_factory is MISSING and p.name not in args]
        if missing:
            raise BadArguments(f"{cls.request_type} needs {missing[0]}")
        return cls(**{name: _from_json(value) for name, value in args.items()})


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    if isinstance(value, tuple | list):
        return [_to_json(item) for item in value]
    if isinstance(value, dict):
        return {name: _to_json(item) for name, item in value.items()}
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"b64"}:
            return base64.b64decode(value["b64"])
        return {name: _from_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return tuple(_from_json(item) for item in value)
    return value


def expect(body: dict[str, Any], name: str, kind: type) -> Any:
    """Return a response key of the right type. Raises `BadMessage`."""
    value = body.get(name)
    if not isinstance(value, kind):
        raise BadMessage(f"{name} is missing or has a wrong type")
    return value


def dicts(body: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a list of dictionaries; entries of another type are left out. Raises `BadMessage`."""
    return [entry for entry in expect(body, name, list) if isinstance(entry, dict)]

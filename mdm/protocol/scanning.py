"""Finds who sent a message that cannot be parsed, and which command it answers, by scanning its bytes. Parses nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mdm.protocol.checkin import MAX_ID
from mdm.protocol.connect import CommandStatus
from mdm.protocol.lenient_plist import decode

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


@dataclass(frozen=True, slots=True)
class ScannedMessage:
    """What was found. `uuids` are all candidates for the CommandUUID, the most probable first; `status` is None when unclear."""

    uuids: tuple[str, ...]
    status: CommandStatus | None
    udid: str | None
    is_checkin: bool


def scan_message(data: bytes, *, called_checkin: bool = False) -> ScannedMessage:
    """Return what can be found in the bytes of a damaged or oversized message. Never raises.

    `called_checkin`: the media type says that it is a check-in message, which counts where the bytes do not tell.
    """
    text = data.decode("latin-1") if data[:8] == b"bplist00" else decode(data).replace("\x00", "")
    named = _find_string(text, "CommandUUID")
    status = _find_status(text)
    uuids = ([named] if named is not None and _UUID.fullmatch(named) else []) + _UUID.findall(text)
    return ScannedMessage(
        uuids=tuple(dict.fromkeys(uuids))[:20],
        status=status,
        udid=_find_string(text, "UDID"),
        is_checkin="CommandUUID" not in text and ("MessageType" in text or (called_checkin and status is None)),
    )


def _find_string(text: str, key: str) -> str | None:
    """Return the last text under this key in XML: those of the envelope stand behind the response keys, or are alone."""
    values = re.findall(rf"<key>\s*{key}\s*</key>\s*<string>([^<]{{1,{MAX_ID}}})</string>", text)
    return values[-1].strip() if values else None


def _find_status(text: str) -> CommandStatus | None:
    named = _find_string(text, "Status")
    if named is not None and named in {*CommandStatus}:
        return CommandStatus(named)
    if text.startswith("bplist00"):
        return next((status for status in CommandStatus if status.value in text), None)
    return None

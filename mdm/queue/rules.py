"""Pure rules of the queue: state transitions, the format of a CommandUUID, the checks before delivery.

See docs/domain/commands.md#rules-of-the-queue.
"""

from __future__ import annotations

import secrets
import uuid

from cartable.outbox import JobLane
from cartable.versions import parse_version
from mdm.protocol.commands.base import Command, LaneHint
from mdm.protocol.connect import CommandStatus
from mdm.queue.models import CommandState as S
from mdm.queue.models import Lane

LANE_BY_HINT = {LaneHint.URGENT: Lane.URGENT, LaneHint.NORMAL: Lane.NORMAL, LaneHint.BACKGROUND: Lane.BACKGROUND}

#: The state that each reported status gives to a command.
STATE_BY_STATUS: dict[CommandStatus, S] = {
    CommandStatus.ACKNOWLEDGED: S.ACKNOWLEDGED,
    CommandStatus.ERROR: S.FAILED,
    CommandStatus.COMMAND_FORMAT_ERROR: S.REJECTED,
    CommandStatus.NOT_NOW: S.NOT_NOW,
}

#: From each state, the states that may follow. A state without entry is final.
ALLOWED_TRANSITIONS: dict[S, frozenset[S]] = {
    S.QUEUED: frozenset({S.SENT, S.EXPIRED, S.SUPERSEDED, S.CANCELLED, S.REJECTED}),
    S.SENT: frozenset({S.SENT, S.ACKNOWLEDGED, S.FAILED, S.REJECTED, S.NOT_NOW, S.EXPIRED, S.SUPERSEDED}),
    S.NOT_NOW: frozenset(
        {S.QUEUED, S.SENT, S.ACKNOWLEDGED, S.FAILED, S.REJECTED, S.NOT_NOW, S.EXPIRED, S.SUPERSEDED, S.CANCELLED}
    ),
}

#: How often a command is delivered without any answer before it has failed. A tablet that answers NotNow may be asked without
#: end, until the deadline; one that never answers stops at this command for ever.
MAX_DELIVERIES = 20
#: Why a command failed whose answer could not be read. The raw bytes are kept with its result.
UNREADABLE_ANSWER = "unreadable_answer"
#: `status` of the result of such a command.
UNREADABLE_STATUS = "Unreadable"

_VERSION_8 = 0x8000
_VARIANT = 1 << 63


def get_lane(command: Command) -> Lane:
    """Return the default lane of a command."""
    return Lane.FINAL if command.flushes_queue else LANE_BY_HINT[command.lane]


def get_push_lane(lane: Lane) -> JobLane:
    """Return the lane of the push that wakes a tablet for a command: nothing is more urgent than the command itself."""
    return JobLane(max(int(lane), JobLane.URGENT))


def create_nonce() -> int:
    """Return the random half of the CommandUUIDs of one body: 59 random bits, and version 8 (RFC 9562 section 5.8)."""
    return (secrets.randbits(63) & ~0xF000) | _VERSION_8


def build_command_uuid(nonce: int, command_id: int) -> str:
    """Return the CommandUUID of a queued command: its body's nonce, then its id."""
    return str(uuid.UUID(int=(nonce << 64) | _VARIANT | command_id)).upper()


def parse_command_uuid(text: str) -> tuple[int, int] | None:
    """Return (nonce, command id), or None for a UUID that this server never made."""
    try:
        number = uuid.UUID(text).int
    except ValueError:
        return None
    nonce, row_half = number >> 64, number & (_VARIANT * 2 - 1)
    if nonce & 0xF000 != _VERSION_8 or nonce >= _VARIANT or row_half < _VARIANT or row_half - _VARIANT >= 1 << 62:
        return None
    return nonce, row_half - _VARIANT


def get_delivery_refusal(
    command_type: type[Command], *, evidence_hold: bool, supervised: bool | None, os_version: str | None
) -> str | None:
    """Return why a queued command must not be delivered now; None when it may be. It may have been allowed when it was queued."""
    if command_type.destructive and evidence_hold:
        return "evidence hold"
    if command_type.supervised_only and supervised is False:
        return "the tablet is not supervised"
    if os_version is not None and parse_version(os_version) < parse_version(command_type.minimum_os):
        return f"needs iPadOS {command_type.minimum_os}"
    return None

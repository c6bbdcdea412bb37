"""Pure rules of the queue: states and their changes, how a CommandUUID is made, what is checked before delivery."""

from __future__ import annotations

import secrets
import uuid

from mdm.protocol.commands.base import Command as Order
from mdm.protocol.commands.base import LaneHint
from mdm.protocol.connect import Status
from mdm.queue.models import CommandState as S
from mdm.queue.models import Lane

LANES = {LaneHint.URGENT: Lane.URGENT, LaneHint.NORMAL: Lane.NORMAL, LaneHint.BACKGROUND: Lane.BACKGROUND}

#: What each word of a tablet makes of a command.
AFTER: dict[Status, S] = {
    Status.ACKNOWLEDGED: S.ACKNOWLEDGED,
    Status.ERROR: S.FAILED,
    Status.COMMAND_FORMAT_ERROR: S.REJECTED,
    Status.NOT_NOW: S.NOT_NOW,
}

#: From each state, the states that may follow. What is not here is final.
ALLOWED: dict[S, frozenset[S]] = {
    S.QUEUED: frozenset({S.SENT, S.EXPIRED, S.SUPERSEDED, S.CANCELLED, S.REJECTED}),
    S.SENT: frozenset({S.SENT, S.ACKNOWLEDGED, S.FAILED, S.REJECTED, S.NOT_NOW, S.EXPIRED, S.SUPERSEDED}),
    S.NOT_NOW: frozenset({S.SENT, S.ACKNOWLEDGED, S.FAILED, S.REJECTED, S.NOT_NOW, S.EXPIRED, S.SUPERSEDED, S.CANCELLED}),
}

_VERSION_8 = 0x8000
_VARIANT = 1 << 63


def lane_of(order: Order) -> Lane:
    """The lane of a command by its nature."""
    return Lane.FINAL if order.flushes_queue else LANES[order.lane]


def new_nonce() -> int:
    """The random half of the CommandUUIDs of one body: 59 random bits, and version 8 (RFC 9562 section 5.8)."""
    return (secrets.randbits(63) & ~0xF000) | _VERSION_8


def uuid_of(nonce: int, command_id: int) -> str:
    """The CommandUUID of a row: the body's nonce and the row's number."""
    return str(uuid.UUID(int=(nonce << 64) | _VARIANT | command_id)).upper()


def parse_uuid(text: str) -> tuple[int, int] | None:
    """Return (nonce, command id), or None for a UUID that this server never made."""
    try:
        value = uuid.UUID(text).int
    except ValueError:
        return None
    nonce, low = value >> 64, value & (_VARIANT * 2 - 1)
    if nonce & 0xF000 != _VERSION_8 or low < _VARIANT or low - _VARIANT >= 1 << 62:
        return None
    return nonce, low - _VARIANT


def refused_at_delivery(
    order: type[Order], *, on_hold: bool, stopped: bool, supervised: bool | None, os: str | None
) -> str | None:
    """Why a command must not go out now, although it was good when it was queued; None when it may."""
    if order.destructive and on_hold:
        return "evidence hold"
    if order.destructive and stopped:
        return "destructive commands are stopped in this town"
    if order.supervised_only and supervised is False:
        return "the tablet is not supervised"
    if os is not None and _version(os) < _version(order.minimum_os):
        return f"needs iPadOS {order.minimum_os}"
    return None


def _version(text: str) -> tuple[int, ...]:
    """A version as numbers: 18.10 is later than 18.4."""
    return tuple(int(part) for part in text.split(" ", maxsplit=1)[0].split(".") if part.isdigit())

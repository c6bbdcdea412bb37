"""Pure rules of tablets: allowed changes of state, sets of states, tags, serial numbers, scanned text.

See docs/domain/custody.md#states.
"""

from __future__ import annotations

import re

from enrollment.tablets.models import TabletState as S

_SYSTEM_VERSION = re.compile(r"[1-9][0-9]{0,2}(?:\.[0-9]{1,4}){0,4}(?: .*)?")
_SYSTEM_VERSION_LENGTH = 24

#: A tablet that joins by invitation is in use at once, without a recorded handover: all of these follow one another.
_ASSIGNED_STATES = frozenset({S.ASSIGNED, S.HANDED_OVER, S.IN_USE, S.LOANER_OUT})
_INCIDENT_STATES = frozenset({S.LOST, S.BROKEN})
_TAKEN_BACK_STATES = frozenset({S.RETURNED, S.STOCK, S.STORAGE, S.RETIRED})

#: For each state, the states that may follow.
ALLOWED_TRANSITIONS: dict[S, frozenset[S]] = {
    S.ORDERED: frozenset({S.RECEIVED, S.PREPARED, S.RETIRED}),
    S.RECEIVED: frozenset({S.PREPARED, S.STOCK, S.BROKEN, S.LOST, S.RETIRED}),
    S.PREPARED: _ASSIGNED_STATES | _INCIDENT_STATES | {S.STOCK, S.STORAGE, S.RETIRED},
    S.STOCK: _ASSIGNED_STATES | _INCIDENT_STATES | {S.PREPARED, S.STORAGE, S.RETIRED},
    S.ASSIGNED: _ASSIGNED_STATES | _INCIDENT_STATES | _TAKEN_BACK_STATES,
    S.HANDED_OVER: _ASSIGNED_STATES | _INCIDENT_STATES | _TAKEN_BACK_STATES | {S.ABSENT},
    S.IN_USE: _ASSIGNED_STATES | _INCIDENT_STATES | _TAKEN_BACK_STATES | {S.ABSENT},
    S.ABSENT: _INCIDENT_STATES | _TAKEN_BACK_STATES | {S.IN_USE},
    S.LOST: frozenset({S.STOLEN, S.FOUND, S.MISSING_WRITTEN_OFF, S.RETIRED}),
    S.STOLEN: frozenset({S.FOUND, S.MISSING_WRITTEN_OFF}),
    S.FOUND: _ASSIGNED_STATES | _INCIDENT_STATES | _TAKEN_BACK_STATES,
    S.BROKEN: frozenset({S.IN_REPAIR, S.REPAIRED, S.RETIRED, S.LOST}),
    S.IN_REPAIR: frozenset({S.REPAIRED, S.RETIRED, S.LOST}),
    S.REPAIRED: _ASSIGNED_STATES | _INCIDENT_STATES | {S.STOCK, S.STORAGE, S.RETIRED},
    S.LOANER_OUT: _INCIDENT_STATES | _TAKEN_BACK_STATES | {S.ABSENT, S.IN_USE},
    S.RETURNED: frozenset({S.PREPARED, S.STOCK, S.STORAGE, S.BROKEN, S.IN_REPAIR, S.RETIRED}),
    S.STORAGE: frozenset({S.PREPARED, S.STOCK, S.ASSIGNED, S.IN_USE, S.BROKEN, S.LOST, S.RETIRED}),
    S.RETIRED: frozenset({S.DISPOSED}),
    S.DISPOSED: frozenset(),
    S.MISSING_WRITTEN_OFF: frozenset({S.FOUND}),  # one that comes back is checked by a person
}

#: The tablet is no longer used: its licences are freed and it leaves its cart.
DECOMMISSIONED = frozenset({S.RETIRED, S.DISPOSED, S.MISSING_WRITTEN_OFF})
#: May not enroll again. A tablet that was written off may: it has been found.
ENROLLMENT_REFUSED = frozenset({S.RETIRED, S.DISPOSED})
#: Returned or in storage: it keeps only the licences that it needs there.
PUT_AWAY = frozenset({S.RETURNED, S.STORAGE})
#: Nobody knows where it is: a bulk erase never includes it.
MISSING = frozenset({S.LOST, S.STOLEN})
#: A tablet that enrolls again in one of these keeps its state: only a person decides where it goes.
OUT_OF_SERVICE = frozenset({S.LOST, S.STOLEN, S.MISSING_WRITTEN_OFF, S.BROKEN, S.IN_REPAIR})
#: The repairer may have given it a new logic board, and with it a new UDID.
MAY_HAVE_NEW_BOARD = frozenset({S.BROKEN, S.IN_REPAIR, S.REPAIRED})
#: Ordered or received, not prepared yet.
NOT_PREPARED = frozenset({S.ORDERED, S.RECEIVED})
#: May be lent to a pupil or put into a cart.
LENDABLE = frozenset({S.PREPARED, S.STOCK, S.REPAIRED, S.STORAGE, S.ASSIGNED, S.FOUND})
#: A pupil has it.
IN_PUPIL_HANDS = frozenset({S.HANDED_OVER, S.IN_USE, S.ABSENT, S.LOANER_OUT})
#: A tablet without contact for this number of school days is absent; holidays do not count.
ABSENT_AFTER_SCHOOL_DAYS = 10
#: A loss may be written off by two people after this number of days, or earlier with a decision.
WRITE_OFF_AFTER_DAYS = 60


def can_transition(before: S, after: S) -> bool:
    """Return whether the life cycle allows this change. Staying in a state is always allowed."""
    return before == after or after in ALLOWED_TRANSITIONS[before]


def find_transition_path(before: S, after: S) -> tuple[S, ...] | None:
    """Return the states to go through from one state to another, the last one included; None when there is no path.

    A path has at most two steps, through PREPARED or IN_USE.
    """
    if before == after:
        return ()
    if can_transition(before, after):
        return (after,)
    for between in (S.PREPARED, S.IN_USE):
        if can_transition(before, between) and can_transition(between, after):
            return (between, after)
    return None


_SCAN = re.compile(r"[A-Z0-9][A-Z0-9._-]{1,63}")
_TAG = re.compile(r"[A-Z0-9-]{2,24}")


def parse_scan(text: str) -> str:
    """Return the tag or serial number of a scanned text in capitals: the last part of a label's URL. Empty when it can be neither.

    Scanners may put control characters around the text. The bar code of a box has an S before the serial number; it is removed
    at the lookup and not here, because a serial number may begin with S itself.
    """
    last = text[:400].strip().strip("\x00\x1d\x1e\x04\u200e\u200f\ufeff").rsplit("/", 1)[-1].upper()
    return last if _SCAN.fullmatch(last) else ""


def is_tag(text: str) -> bool:
    """Return whether this can be the tag of a tablet."""
    return _TAG.fullmatch(text) is not None


def build_next_tag(prefix: str, highest: str | None) -> str:
    """Return the inventory tag after `highest`: `CLA-00001`, `CLA-00002`… It never contains a child's name."""
    number = 0
    if highest and highest.startswith(prefix + "-") and highest[len(prefix) + 1 :].isdecimal():
        number = int(highest[len(prefix) + 1 :])
    return f"{prefix}-{number + 1:05d}"


def is_serial(text: str) -> bool:
    """Return whether this can be a serial number; it is given in capitals."""
    return 4 <= len(text) <= 64 and text.isascii() and text.isalnum()


def read_reported_serial(text: str | None) -> str | None:
    """Return the serial number that a device reports of itself, in capitals; None when it sends none, or a text that is none.

    Boards without a number send texts such as `System Serial#` or zeros, which several devices have in common.
    """
    serial = (text or "").strip().upper()
    return serial if is_serial(serial) and len(set(serial)) > 1 else None


def read_system_version(text: str | None) -> str | None:
    """Return the system version that a tablet reports, such as `17.5.1 (a)`; None for a text that is none.

    Commands and settings are compared with it: with a wrong one the tablet would get none of them.
    """
    return text[:_SYSTEM_VERSION_LENGTH] if text and _SYSTEM_VERSION.fullmatch(text) else None

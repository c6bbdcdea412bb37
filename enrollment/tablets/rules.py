"""Pure rules of the tablets' life: which change of state is allowed, how tags are numbered."""

from __future__ import annotations

import re

from enrollment.tablets.models import TabletState as S

#: A pupil, a class or a cart may hold it at once: by invitation, a tablet joins and is in use without a table in between.
_PLACED = frozenset({S.ASSIGNED, S.HANDED_OVER, S.IN_USE, S.LOANER_OUT})
_MISHAPS = frozenset({S.LOST, S.BROKEN})
_OUT = frozenset({S.RETURNED, S.STOCK, S.STORAGE, S.RETIRED})

#: From each state, the states it may become (schools.md section 8).
ALLOWED: dict[S, frozenset[S]] = {
    S.ORDERED: frozenset({S.RECEIVED, S.PREPARED, S.RETIRED}),
    S.RECEIVED: frozenset({S.PREPARED, S.STOCK, S.BROKEN, S.LOST, S.RETIRED}),
    S.PREPARED: _PLACED | _MISHAPS | {S.STOCK, S.STORAGE, S.RETIRED},
    S.STOCK: _PLACED | _MISHAPS | {S.PREPARED, S.STORAGE, S.RETIRED},
    S.ASSIGNED: _PLACED | _MISHAPS | _OUT,
    S.HANDED_OVER: _PLACED | _MISHAPS | _OUT | {S.ABSENT},
    S.IN_USE: _PLACED | _MISHAPS | _OUT | {S.ABSENT},
    S.ABSENT: _MISHAPS | _OUT | {S.IN_USE},
    S.LOST: frozenset({S.STOLEN, S.FOUND, S.MISSING_WRITTEN_OFF, S.RETIRED}),
    S.STOLEN: frozenset({S.FOUND, S.MISSING_WRITTEN_OFF}),
    S.FOUND: _PLACED | _MISHAPS | _OUT,
    S.BROKEN: frozenset({S.IN_REPAIR, S.REPAIRED, S.RETIRED, S.LOST}),
    S.IN_REPAIR: frozenset({S.REPAIRED, S.RETIRED, S.LOST}),
    S.REPAIRED: _PLACED | _MISHAPS | {S.STOCK, S.STORAGE, S.RETIRED},
    S.LOANER_OUT: _MISHAPS | _OUT | {S.ABSENT, S.IN_USE},
    S.RETURNED: frozenset({S.PREPARED, S.STOCK, S.STORAGE, S.BROKEN, S.IN_REPAIR, S.RETIRED}),
    S.STORAGE: frozenset({S.PREPARED, S.STOCK, S.ASSIGNED, S.IN_USE, S.BROKEN, S.LOST, S.RETIRED}),
    S.RETIRED: frozenset({S.DISPOSED}),
    S.DISPOSED: frozenset(),
    S.MISSING_WRITTEN_OFF: frozenset({S.FOUND}),  # on the watch list: one that turns up is inspected
}

#: The tablet is out of the programme: it may not join again, and its licences are free.
GONE = frozenset({S.RETIRED, S.DISPOSED, S.MISSING_WRITTEN_OFF})
#: May not join again. One that was written off may: it has been found.
REFUSED = frozenset({S.RETIRED, S.DISPOSED})
#: Given back and put away: it keeps no licence that it does not need there.
AWAY = frozenset({S.RETURNED, S.STORAGE})
#: Somebody outside the desk has it, or it is unknown where it is: an act in bulk never wipes it.
MISSING = frozenset({S.LOST, S.STOLEN})
#: A tablet that joins anew in one of these stays what it is: where it belongs is a person's decision, not an invitation's.
UNPLACED = frozenset({S.LOST, S.STOLEN, S.MISSING_WRITTEN_OFF, S.BROKEN, S.IN_REPAIR})
#: Ordered, and not prepared yet.
UNPACKED = frozenset({S.ORDERED, S.RECEIVED})
#: May be lent at the table.
FREE = frozenset({S.PREPARED, S.STOCK, S.REPAIRED, S.STORAGE, S.ASSIGNED, S.FOUND})
#: In a pupil's hands.
IN_HAND = frozenset({S.HANDED_OVER, S.IN_USE, S.ABSENT, S.LOANER_OUT})
#: A tablet that has not been heard for so many school days is absent; holidays do not count.
ABSENT_AFTER_SCHOOL_DAYS = 10
#: A loss may be written off by two people after so many days, or at once by decision.
WRITE_OFF_DAYS = 60


def may_become(before: S, after: S) -> bool:
    """Whether the life cycle allows this change. Staying is always allowed."""
    return before == after or after in ALLOWED[before]


def way(before: S, after: S) -> tuple[S, ...] | None:
    """The lawful steps from one state to another: none, one, or two by way of the bench or of use. None: there is no way."""
    if before == after:
        return ()
    if may_become(before, after):
        return (after,)
    for between in (S.PREPARED, S.IN_USE):
        if may_become(before, between) and may_become(between, after):
            return (between, after)
    return None


_SCAN = re.compile(r"[A-Z0-9][A-Z0-9._-]{1,63}")
_TAG = re.compile(r"[A-Z0-9-]{2,24}")


def read_scan(text: str) -> str:
    """What a hand scanner meant: the end of a label's address, in capitals. Empty when it cannot be a tag or a serial number.

    Scanners may put control characters around what they read, and the box's bar code an S before the serial number: that
    one is taken off where the tablet is looked for, since a serial number may begin with S itself.
    """
    last = text[:400].strip().strip("\x00\x1d\x1e\x04\u200e\u200f\ufeff").rsplit("/", 1)[-1].upper()
    return last if _SCAN.fullmatch(last) else ""


def is_tag(text: str) -> bool:
    """Whether this may stand on a label."""
    return _TAG.fullmatch(text) is not None


def next_tag(prefix: str, highest: str | None) -> str:
    """The inventory tag after `highest`: `CLA-0001`, `CLA-0002`… Never a child's name (schools.md section 3.3)."""
    number = 0
    if highest and highest.startswith(prefix + "-") and highest[len(prefix) + 1 :].isdigit():
        number = int(highest[len(prefix) + 1 :])
    return f"{prefix}-{number + 1:05d}"


def is_serial(text: str) -> bool:
    """Whether this can be a serial number, in capitals."""
    return 4 <= len(text) <= 64 and text.isascii() and text.isalnum()

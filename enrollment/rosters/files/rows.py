"""What a file says once it is read: rows of pupils, guardians and staff, with the kept columns and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

from enrollment.places.models import Grade
from enrollment.rollover.models import RolloverDecision


@dataclass(frozen=True, slots=True)
class PupilRow:
    """One pupil's line, cleaned. None means that the file has no such column: what is unknown removes nothing.

    `problems` are stable words that keep the row from being imported; `notes` are only told. `ine` and `birth_date` serve
    matching in memory and are never stored. Of a decision of passage only the word is kept, never the text.
    """

    line: int
    last_name: str = ""
    first_name: str = ""
    usage_name: str | None = None
    grade: Grade | None = None
    class_label: str = ""
    onde_class_id: str = ""
    birth_date: str = ""
    ine: str = ""
    source_id: str = ""
    school_uai: str = ""
    take_home: bool | None = None
    inventory_tag: str = ""
    groups: tuple[str, ...] | None = None
    units: tuple[str, ...] | None = None
    rollover_decision: RolloverDecision | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChildReference:
    """A pupil as a guardian's line names them: guardian files hold no INE and no birth date."""

    last_name: str
    first_name: str
    usage_name: str = ""
    class_label: str = ""
    source_id: str = ""


@dataclass(frozen=True, slots=True)
class GuardianRow:
    """One guardian with their children. `email` and `mobile` are empty unless the town runs the guardians' portal."""

    line: int
    last_name: str
    first_name: str
    email: str = ""
    mobile: str = ""
    children: tuple[ChildReference, ...] = ()
    school_uai: str = ""
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StaffRow:
    """One adult of a school in one class, or in none. `kind` is a value of `AssignmentKind`; OneRoster cannot tell them all apart
    (`kind_told` is False): then what is known of the same adult in the same class stays.
    """

    line: int
    last_name: str
    first_name: str
    email: str = ""
    class_label: str = ""
    onde_class_id: str = ""
    kind: str = "main"
    kind_is_known: bool = True
    school_uai: str = ""
    source_id: str = ""
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Roster:
    """A file as read: its rows, the columns that were left out, the lines that were skipped."""

    format: str
    rows: list[PupilRow] = field(default_factory=list)
    guardians: list[GuardianRow] = field(default_factory=list)
    staff: list[StaffRow] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    skipped: int = 0
    #: Whether the file speaks of these people at all; then who is missing from it has left it.
    covers: frozenset[str] = frozenset()

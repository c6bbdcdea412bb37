"""The rows of a parsed file: pupils, guardians and staff, with the fields that are read and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from enrollment.places.models import Grade
from enrollment.rollover.models import RolloverDecision
from enrollment.rosters.files.encodings import Encoding

#: The note of a row whose name may have lost letters.
DOUBTFUL_LETTERS = "doubtful_letters"


@dataclass(frozen=True, slots=True)
class PupilRow:
    """One pupil's line. None means that the file has no such column; then the present value stays.

    `problems`: stable codes that keep the row from being imported. `notes`: stable codes for the report only. `ine` and `birth_date` are
    used for matching in memory and are never stored.
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
    """A pupil as a guardian's line names them, without INE and birth date."""

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
    """One adult of a school in one class, or in none. `kind` is a value of `AssignmentKind`.

    `kind_is_known` is False for OneRoster, which does not distinguish all kinds: then the present kind of the assignment stays.
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
    """A parsed file: its rows, the titles of ignored columns, the number of skipped lines."""

    format: str
    rows: list[PupilRow] = field(default_factory=list)
    guardians: list[GuardianRow] = field(default_factory=list)
    staff: list[StaffRow] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    skipped: int = 0
    #: The kinds of people that the file lists. Only of these kinds does a missing person count as having left.
    covers: frozenset[str] = frozenset()
    #: The encoding of a text file whose letters had to decide it, and left some doubt.
    guessed_encoding: Encoding | None = None
    #: People who were left out because their role is unknown: number by role.
    unknown_roles: Mapping[str, int] = field(default_factory=dict)

    def count_doubtful_names(self) -> int:
        """Return the number of rows with a name that may have lost letters."""
        rows: list[PupilRow | GuardianRow | StaffRow] = [*self.rows, *self.guardians, *self.staff]
        return sum(DOUBTFUL_LETTERS in row.notes for row in rows)

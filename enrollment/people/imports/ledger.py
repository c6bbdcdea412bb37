"""What an import found before it wrote: enough to put everything back. Holds no matching and decides nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from enrollment.people.models import Guardian, Pupil, PupilGroup, StaffMember, TeacherAssignment
from enrollment.places.models import SchoolClass

Json = dict[str, Any]
#: The rows that an import makes and changes, by the word that the notes use; made in this order, deleted in the other.
MODELS = {
    "class": SchoolClass, "pupil": Pupil, "staff": StaffMember, "assignment": TeacherAssignment, "guardian": Guardian,
    "group": PupilGroup,
}  # fmt: skip


@dataclass(slots=True)
class Ledger:
    """Notes of one import: rows made, fields before and after, links of guardians and places in groups made and removed.
    `passage`: whose lines it has changed, by pupil; `proposed`: on whose lines it has left proposals.
    """

    made: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in MODELS})
    before: dict[str, dict[str, Json]] = field(default_factory=lambda: {kind: {} for kind in (*MODELS, "line", "proposal")})
    linked: list[list[str]] = field(default_factory=list)
    #: Guardian, pupil, whether a court had decided.
    unlinked: list[list[Any]] = field(default_factory=list)
    joined: list[list[str]] = field(default_factory=list)
    left: list[list[str]] = field(default_factory=list)
    passage: UUID | None = None
    proposed: UUID | None = None

    def change(self, kind: str, row: Any, values: Json, key: UUID | None = None) -> None:
        """Set what differs on a row, and note what it was and what it is now."""
        for name, value in values.items():
            before = getattr(row, name)
            if before != value:
                self.before[kind].setdefault(str(key or row.id), {})[name] = [plain(before), plain(value)]
                setattr(row, name, value)

    def to_json(self) -> Json:
        """As it is sealed into the import."""
        return {
            "made": self.made, "before": self.before, "linked": self.linked, "unlinked": self.unlinked, "joined": self.joined,
            "left": self.left, "passage": plain(self.passage), "proposed": plain(self.proposed),
        }  # fmt: skip


def plain(value: object) -> object:
    """A value as JSON."""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value

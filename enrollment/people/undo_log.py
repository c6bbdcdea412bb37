"""The undo log of a roster import: what it created and changed, enough to restore the former state. Restoring is in `rosters.imports`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from enrollment.people.models import Guardian, Pupil, PupilGroup, StaffMember, TeacherAssignment
from enrollment.places.models import SchoolClass

Json = dict[str, Any]
#: The tables that an import writes, by the key used in the log; rows are created in this order and deleted in the reverse one.
MODELS = {
    "class": SchoolClass, "pupil": Pupil, "staff": StaffMember, "assignment": TeacherAssignment, "guardian": Guardian,
    "group": PupilGroup,
}  # fmt: skip


@dataclass(slots=True)
class UndoLog:
    """The writes of one import: rows created, fields before and after, guardian links and group memberships added and removed.

    `rollover_id`: the rollover whose lines the import changed. `proposals_rollover_id`: the rollover on whose lines it proposed decisions.
    """

    created: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in MODELS})
    changed_fields: dict[str, dict[str, Json]] = field(
        default_factory=lambda: {kind: {} for kind in (*MODELS, "line", "proposal")}
    )
    linked_guardians: list[list[str]] = field(default_factory=list)
    #: Guardian, pupil, and whether a court order was in force.
    unlinked_guardians: list[list[Any]] = field(default_factory=list)
    joined_groups: list[list[str]] = field(default_factory=list)
    left_groups: list[list[str]] = field(default_factory=list)
    rollover_id: UUID | None = None
    proposals_rollover_id: UUID | None = None

    def set_fields(self, kind: str, row: Any, values: Json, key: UUID | None = None) -> None:
        """Set the values that differ on a row, and log the former and the new value of each."""
        for name, value in values.items():
            before = getattr(row, name)
            if before != value:
                self.changed_fields[kind].setdefault(str(key or row.id), {})[name] = [to_json_value(before), to_json_value(value)]
                setattr(row, name, value)

    def to_json(self) -> Json:
        """Return the log as it is stored, encrypted, in the import."""
        return {
            "created": self.created,
            "changed_fields": self.changed_fields,
            "linked_guardians": self.linked_guardians,
            "unlinked_guardians": self.unlinked_guardians,
            "joined_groups": self.joined_groups,
            "left_groups": self.left_groups,
            "rollover_id": to_json_value(self.rollover_id),
            "proposals_rollover_id": to_json_value(self.proposals_rollover_id),
        }


def to_json_value(value: object) -> object:
    """Return a column value as JSON."""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value

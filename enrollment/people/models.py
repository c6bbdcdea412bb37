"""Tables of people: pupils, guardians, staff, and the roster imports that bring them. What is kept of a person is minimal
(schools.md section 14).
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id
from enrollment.places.models import Level


class PupilState(StrEnum):
    """Whether the last roster still names the pupil."""

    ACTIVE = "active"
    ABSENT_FROM_ROSTER = "absent_from_roster"
    ERASED = "erased"  # nameless: kept only as long as a loan's history points at it


class Pupil(TownOwned, Base):
    """A pupil. Names are encrypted; INE and birth date are kept only as keyed hashes, for matching."""

    __tablename__ = "pupil"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"), index=True)
    class_id: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"), index=True)
    level: Mapped[Level] = mapped_column(EnumText(Level))
    last_name: Mapped[str] = mapped_column(SealedText("pupil.last_name"))
    usage_name: Mapped[str | None] = mapped_column(SealedText("pupil.usage_name"))
    first_name: Mapped[str] = mapped_column(SealedText("pupil.first_name"))
    name_hash: Mapped[str] = mapped_column(String(64))
    usage_name_hash: Mapped[str | None] = mapped_column(String(64))
    ine_hash: Mapped[str | None] = mapped_column(String(64))
    birth_hash: Mapped[str | None] = mapped_column(String(64))
    take_home: Mapped[bool] = mapped_column(default=True)
    state: Mapped[PupilState] = mapped_column(EnumText(PupilState), default=PupilState.ACTIVE)
    absent_since: Mapped[date | None]
    __table_args__ = (
        Index("ix_pupil_level", "town_id", "level"),
        Index("ix_pupil_name", "school_id", "name_hash"),
        Index("ix_pupil_ine", "school_id", "ine_hash"),
    )


class RosterState(StrEnum):
    """Whether the last roster still names an adult."""

    ACTIVE = "active"
    ABSENT_FROM_ROSTER = "absent_from_roster"


class Guardian(TownOwned, Base):
    """A holder of parental authority, as one school's file names them. Contact only while the portal serves them.

    Two guardians with one name are two people; nobody is joined across schools by a name.
    """

    __tablename__ = "guardian"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"), index=True)
    last_name: Mapped[str] = mapped_column(SealedText("guardian.last_name"))
    first_name: Mapped[str] = mapped_column(SealedText("guardian.first_name"))
    email: Mapped[str | None] = mapped_column(SealedText("guardian.email"))
    mobile: Mapped[str | None] = mapped_column(SealedText("guardian.mobile"))
    name_hash: Mapped[str] = mapped_column(String(64))
    state: Mapped[RosterState] = mapped_column(EnumText(RosterState), default=RosterState.ACTIVE)
    absent_since: Mapped[date | None]


class GuardianLink(TownOwned, Base):
    """One guardian of one pupil. `court_order`: a judge has decided between guardians; the paper itself stays at school.

    Only the head and the town's administrator see the flag (schools.md section 14, PRIV-12). No import sets or removes it.
    """

    __tablename__ = "guardian_link"

    guardian_id: Mapped[UUID] = mapped_column(ForeignKey("guardian.id", ondelete="CASCADE"), primary_key=True)
    pupil_id: Mapped[UUID] = mapped_column(ForeignKey("pupil.id", ondelete="CASCADE"), primary_key=True, index=True)
    court_order: Mapped[bool] = mapped_column(default=False, server_default=false())


class StaffMember(TownOwned, Base):
    """An adult who works in the town's schools; what they do is in their assignments. No account by itself."""

    __tablename__ = "staff_member"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    last_name: Mapped[str] = mapped_column(SealedText("staff_member.last_name"))
    first_name: Mapped[str] = mapped_column(SealedText("staff_member.first_name"))
    email: Mapped[str | None] = mapped_column(SealedText("staff_member.email"))
    name_hash: Mapped[str] = mapped_column(String(64))
    email_hash: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[RosterState] = mapped_column(EnumText(RosterState), default=RosterState.ACTIVE)
    absent_since: Mapped[date | None]
    __table_args__ = (
        Index("ix_staff_member_name", "town_id", "name_hash"),
        Index("ix_staff_member_email", "town_id", "email_hash"),
    )


class AssignmentKind(StrEnum):
    """In which capacity an adult is with a class (schools.md section 2.4)."""

    MAIN = "main"
    PART = "part"
    RELIEF = "relief"
    SUBSTITUTE = "substitute"
    SUPPORT = "support"


class TeacherAssignment(TownOwned, Base):
    """One adult in one class, or in a school without one. History stays: it ends, it is not deleted."""

    __tablename__ = "teacher_assignment"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff_member.id", ondelete="CASCADE"), index=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"), index=True)
    class_id: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"), index=True)
    kind: Mapped[AssignmentKind] = mapped_column(EnumText(AssignmentKind))
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]


class GroupKind(StrEnum):
    """What brings pupils of several classes together (schools.md sections 1 and 7.1)."""

    GROUP = "group"  # ONDE's regroupement: a choir, a corridor
    UNIT = "unit"  # ONDE's dispositif: ULIS, UPE2A


class PupilGroup(TownOwned, Base):
    """A group of one school and year, as its roster names it. It says who is together, not what they may: that is policy."""

    __tablename__ = "pupil_group"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"))
    school_year: Mapped[str] = mapped_column(String(9))
    kind: Mapped[GroupKind] = mapped_column(EnumText(GroupKind))
    label: Mapped[str] = mapped_column(String(120))
    label_key: Mapped[str] = mapped_column(String(120))
    __table_args__ = (UniqueConstraint("school_id", "school_year", "kind", "label_key"),)


class PupilGroupMember(TownOwned, Base):
    """A pupil in a group."""

    __tablename__ = "pupil_group_member"

    group_id: Mapped[UUID] = mapped_column(ForeignKey("pupil_group.id", ondelete="CASCADE"), primary_key=True)
    pupil_id: Mapped[UUID] = mapped_column(ForeignKey("pupil.id", ondelete="CASCADE"), primary_key=True, index=True)


class ColumnMapping(TownOwned, Base):
    """What a person said that the columns of one school's files are, or without a school of all files of the town: normalised
    header → field, `-` for left out.
    """

    __tablename__ = "column_mapping"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    kind: Mapped[str] = mapped_column(String(16))
    columns: Mapped[dict[str, Any]]
    written_by: Mapped[UUID | None]
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("school_id", "kind"), Index("ix_column_mapping_town", "town_id", "school_id", "kind"))


class ImportState(StrEnum):
    """Life of one roster import: nothing is written before `confirmed`."""

    PREVIEWED = "previewed"
    CONFIRMED = "confirmed"
    DISCARDED = "discarded"
    UNDONE = "undone"


class RosterImport(TownOwned, Base):
    """One uploaded roster file, after parsing; the file itself is never stored. `plan` (sealed) holds the kept columns only,
    `undo` what was there before. Both are forgotten when the import is a day old.
    """

    __tablename__ = "roster_import"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    format: Mapped[str] = mapped_column(String(32))
    state: Mapped[ImportState] = mapped_column(EnumText(ImportState))
    file_sha256: Mapped[str] = mapped_column(String(64))
    counts: Mapped[dict[str, Any]]
    needs_second: Mapped[bool] = mapped_column(default=False)
    plan: Mapped[str | None] = mapped_column(SealedText("roster_import.plan"))
    undo: Mapped[str | None] = mapped_column(SealedText("roster_import.undo"))
    uploaded_by: Mapped[UUID | None]
    uploaded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_by: Mapped[UUID | None]
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    undone_by: Mapped[UUID | None]
    undone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RosterImportSchool(TownOwned, Base):
    """Which schools an import speaks of: two imports of one school are carried out and undone in their order."""

    __tablename__ = "roster_import_school"

    import_id: Mapped[UUID] = mapped_column(ForeignKey("roster_import.id", ondelete="CASCADE"), primary_key=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"), primary_key=True, index=True)


class RosterExport(TownOwned, Base):
    """One set of files handed out to another system: which classes it held, so that the next set is not smaller unnoticed."""

    __tablename__ = "roster_export"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    format: Mapped[str] = mapped_column(String(32))
    file_sha256: Mapped[str] = mapped_column(String(64))
    class_ids: Mapped[list[Any]]
    counts: Mapped[dict[str, Any]]
    made_by: Mapped[UUID | None]
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (Index("ix_roster_export_town", "town_id", "format", "made_at"),)


class AccessKind(StrEnum):
    """How a child's record was read."""

    CLASS_LIST = "class_list"
    SEARCH = "search"
    TABLET = "tablet"
    ROSTER = "roster"  # handed out with a whole school or town
    EXPORT = "export"


class RecordAccess(TownOwned, Base):
    """That one person read one child's record in one way on one day (UTC), and how often. Outlives the record."""

    __tablename__ = "record_access"

    pupil_id: Mapped[UUID] = mapped_column(primary_key=True)
    actor_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[AccessKind] = mapped_column(EnumText(AccessKind), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True, index=True)
    actor_name: Mapped[str] = mapped_column(String(200))
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    times: Mapped[int] = mapped_column(default=1)

"""Tables of people: pupils, guardians, staff, groups, roster imports and exports, accesses to records. As little as possible is kept
of a person. See docs/domain/schools.md#adults.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, ForeignKey, Index, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id
from enrollment.places.models import Grade


class PupilState(StrEnum):
    """Whether the last roster lists the pupil."""

    ACTIVE = "active"
    ABSENT_FROM_ROSTER = "absent_from_roster"
    ERASED = "erased"  # without a name; the row stays while the history of a loan refers to it


class Pupil(TownOwned, Base):
    """A pupil. Names are encrypted; the INE (national pupil number) and the birth date are kept only as keyed hashes, for matching."""

    __tablename__ = "pupil"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"), index=True)
    class_id: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"), index=True)
    grade: Mapped[Grade] = mapped_column(EnumText(Grade))
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
        Index("ix_pupil_grade", "town_id", "grade"),
        Index("ix_pupil_name", "school_id", "name_hash"),
        Index("ix_pupil_ine", "school_id", "ine_hash"),
    )

    @classmethod
    def is_of_class(cls, class_id: UUID) -> ColumnElement[bool]:
        """Return the SQL condition for the pupils of a class."""
        return cls.class_id == class_id


class RosterState(StrEnum):
    """Whether the last roster lists an adult."""

    ACTIVE = "active"
    ABSENT_FROM_ROSTER = "absent_from_roster"


class Guardian(TownOwned, Base):
    """A holder of parental authority, as one school's roster lists them. Contacts are kept only while the guardians' portal needs them.

    Guardians of the same name are different people: nobody is merged across schools by name.
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
    """One guardian of one pupil. `court_order`: a court decided in this guardian's favour; the document itself stays at the school.

    Only the head and the town's administrator see the flag. No import sets or clears it.
    """

    __tablename__ = "guardian_link"

    guardian_id: Mapped[UUID] = mapped_column(ForeignKey("guardian.id", ondelete="CASCADE"), primary_key=True)
    pupil_id: Mapped[UUID] = mapped_column(ForeignKey("pupil.id", ondelete="CASCADE"), primary_key=True, index=True)
    court_order: Mapped[bool] = mapped_column(default=False, server_default=false())


class StaffMember(TownOwned, Base):
    """An adult who works in the town's schools, with assignments for what they do. This is no user account.

    `source_id`: the number that the roster's own system gives them, which stays when name and address change.
    """

    __tablename__ = "staff_member"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    last_name: Mapped[str] = mapped_column(SealedText("staff_member.last_name"))
    first_name: Mapped[str] = mapped_column(SealedText("staff_member.first_name"))
    email: Mapped[str | None] = mapped_column(SealedText("staff_member.email"))
    name_hash: Mapped[str] = mapped_column(String(64))
    email_hash: Mapped[str | None] = mapped_column(String(64))
    source_id: Mapped[str | None] = mapped_column(SealedText("staff_member.source_id"))
    state: Mapped[RosterState] = mapped_column(EnumText(RosterState), default=RosterState.ACTIVE)
    absent_since: Mapped[date | None]
    __table_args__ = (
        Index("ix_staff_member_name", "town_id", "name_hash"),
        Index("ix_staff_member_email", "town_id", "email_hash"),
    )


class PupilNamePrefix(TownOwned, Base):
    """The keyed hash of one beginning of a word of a pupil's name, by which the pupil is searched. `name_index` writes it."""

    __tablename__ = "pupil_name_prefix"

    prefix_hash: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    pupil_id: Mapped[UUID] = mapped_column(ForeignKey("pupil.id", ondelete="CASCADE"), primary_key=True, index=True)


class StaffNamePrefix(TownOwned, Base):
    """The keyed hash of one beginning of a word of an adult's name; see `PupilNamePrefix`."""

    __tablename__ = "staff_name_prefix"

    prefix_hash: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff_member.id", ondelete="CASCADE"), primary_key=True, index=True)


class AssignmentKind(StrEnum):
    """In which capacity an adult works with a class."""

    MAIN = "main"
    PART = "part"
    RELIEF = "relief"
    SUBSTITUTE = "substitute"
    SUPPORT = "support"
    AFTER_SCHOOL = "after_school"  # an agent of the town, entered by hand: no roster of a school lists them


class TeacherAssignment(TownOwned, Base):
    """One adult in one class, or in a school without a class. An assignment is ended, not deleted: the history stays."""

    __tablename__ = "teacher_assignment"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff_member.id", ondelete="CASCADE"), index=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"), index=True)
    class_id: Mapped[UUID | None] = mapped_column(ForeignKey("school_class.id"), index=True)
    kind: Mapped[AssignmentKind] = mapped_column(EnumText(AssignmentKind))
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]


class GroupKind(StrEnum):
    """Why pupils of several classes form a group."""

    GROUP = "group"  # ONDE's regroupement: a choir, a corridor
    UNIT = "unit"  # ONDE's dispositif: ULIS, UPE2A


class PupilGroup(TownOwned, Base):
    """A group of one school and year, as its roster names it. What its pupils may do is policy and not stored here."""

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


class AccessKind(StrEnum):
    """How a pupil's record was read."""

    CLASS_LIST = "class_list"
    SEARCH = "search"
    TABLET = "tablet"
    ROSTER = "roster"  # with a whole school or town
    RECORD = "record"  # the page of this one child
    EXPORT = "export"


class RecordAccess(TownOwned, Base):
    """How often one person read one pupil's record in one way on one day (UTC). The row outlives the record."""

    __tablename__ = "record_access"

    pupil_id: Mapped[UUID] = mapped_column(primary_key=True)
    actor_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[AccessKind] = mapped_column(EnumText(AccessKind), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True, index=True)
    actor_name: Mapped[str] = mapped_column(String(200))
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    access_count: Mapped[int] = mapped_column(default=1)

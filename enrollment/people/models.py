"""Tables of people: pupils and the roster imports that bring them. A child's data is minimal (schools.md section 14)."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from enrollment.places.models import Level
from mdm.kit.db import Base, EnumText, SealedText, TownOwned, Utc
from mdm.kit.ids import new_id


class PupilState(StrEnum):
    """Whether the last roster still names the pupil."""

    ACTIVE = "active"
    ABSENT_FROM_ROSTER = "absent_from_roster"


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


class ImportState(StrEnum):
    """Life of one roster import: nothing is written before `confirmed`."""

    PREVIEWED = "previewed"
    CONFIRMED = "confirmed"
    DISCARDED = "discarded"


class RosterImport(TownOwned, Base):
    """One uploaded roster file, after parsing. `plan` (sealed) holds the kept columns only and is emptied once
    the import is confirmed, discarded or a day old.
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
    uploaded_by: Mapped[UUID | None]
    uploaded_at: Mapped[datetime] = mapped_column(Utc)
    confirmed_by: Mapped[UUID | None]
    confirmed_at: Mapped[datetime | None] = mapped_column(Utc)

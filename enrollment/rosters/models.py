"""Tables of roster imports and exports: column mappings, imports with their plan and undo log, exports. Files are never stored."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, SealedText, TownOwned, UtcDateTime
from cartable.ids import new_id


class ColumnMapping(TownOwned, Base):
    """The fields that a person assigned to the columns of one school's files, or without a school to all files of the town:
    normalised header → field, `-` for a column to ignore.
    """

    __tablename__ = "column_mapping"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    kind: Mapped[str] = mapped_column(String(16))
    columns: Mapped[dict[str, Any]]
    updated_by: Mapped[UUID | None]
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("school_id", "kind"), Index("ix_column_mapping_town", "town_id", "school_id", "kind"))


class ImportState(StrEnum):
    """State of a roster import. Nothing is written to people before `confirmed`."""

    PREVIEWED = "previewed"
    CONFIRMED = "confirmed"
    DISCARDED = "discarded"
    UNDONE = "undone"


class RosterImport(TownOwned, Base):
    """One uploaded roster file, after parsing; the file itself is never stored. `plan` (encrypted) contains the kept columns only,
    `undo_log` (encrypted) the values before the import. Both are deleted after a day.
    """

    __tablename__ = "roster_import"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    format: Mapped[str] = mapped_column(String(32))
    state: Mapped[ImportState] = mapped_column(EnumText(ImportState))
    file_sha256: Mapped[str] = mapped_column(String(64))
    counts: Mapped[dict[str, Any]]
    #: Doubts about the file as a whole, each with a stable `code`.
    warnings: Mapped[list[Any]] = mapped_column(default=list)
    needs_second_person: Mapped[bool] = mapped_column(default=False)
    plan: Mapped[str | None] = mapped_column(SealedText("roster_import.plan"))
    undo_log: Mapped[str | None] = mapped_column(SealedText("roster_import.undo_log"))
    uploaded_by: Mapped[UUID | None]
    uploader_trusted_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
    uploaded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_by: Mapped[UUID | None]
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    undone_by: Mapped[UUID | None]
    undone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RosterImportSchool(TownOwned, Base):
    """A school that an import covers. Imports of one school are confirmed and undone in order."""

    __tablename__ = "roster_import_school"

    import_id: Mapped[UUID] = mapped_column(ForeignKey("roster_import.id", ondelete="CASCADE"), primary_key=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("school.id"), primary_key=True, index=True)


class RosterExport(TownOwned, Base):
    """One set of files exported for another system, with its classes, so that a class missing from the next export is noticed."""

    __tablename__ = "roster_export"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    format: Mapped[str] = mapped_column(String(32))
    file_sha256: Mapped[str] = mapped_column(String(64))
    class_ids: Mapped[list[Any]]
    counts: Mapped[dict[str, Any]]
    exported_by: Mapped[UUID | None]
    exported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (Index("ix_roster_export_town", "town_id", "format", "exported_at"),)

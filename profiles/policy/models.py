"""Tables of policy: documents of places, presets, their versions, and groups of pupils."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, TownOwned, UtcDateTime
from cartable.ids import new_id
from profiles.policy.kinds import PlaceKind, PresetKind, StageKind, VersionState


class PolicyDocument(Base):
    """The policy document of one place. `town_id` is empty for the operator's own document alone.

    `target` names the place: the id of a school, class, group, pupil or tablet, a grade, a role; empty for town and operator.
    """

    __tablename__ = "policy_document"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    town_id: Mapped[UUID | None] = mapped_column(ForeignKey("town.id"), index=True)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    place: Mapped[PlaceKind] = mapped_column(EnumText(PlaceKind))
    target: Mapped[str] = mapped_column(String(36), default="")
    name: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (
        UniqueConstraint("town_id", "place", "target"),
        # Empty towns are distinct to a unique constraint: the operator has one document all the same.
        Index(
            "uq_policy_document_operator",
            "place",
            unique=True,
            sqlite_where=text("town_id IS NULL"),
            postgresql_where=text("town_id IS NULL"),
        ),
    )


class Preset(TownOwned, Base):
    """A named set of values that documents of its town take in: a bundle of apps, a filter, a home screen, an evaluation."""

    __tablename__ = "policy_preset"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[PresetKind] = mapped_column(EnumText(PresetKind))
    name: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("town_id", "kind", "name"),)


class PolicyVersion(Base):
    """One version of a document or of a preset; it belongs to exactly one of them. Published versions never change.

    `values` maps "all" or a mode to keys and values, `locks` to keys that no narrower place may loosen. `presets` are the
    presets that a document takes in. `base` is the number of the live version that it was written against.

    While it is rolled out: with `advances` the server itself goes on to the next stage, `stage_proved_at` is when the tablets of
    the present stage had proved it, and `confirmation` stands for the risks that a person has confirmed. `at_once_reason`: why it
    went to many tablets without stages.
    """

    __tablename__ = "policy_version"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    document_id: Mapped[UUID | None] = mapped_column(ForeignKey("policy_document.id", ondelete="CASCADE"))
    preset_id: Mapped[UUID | None] = mapped_column(ForeignKey("policy_preset.id", ondelete="CASCADE"))
    number: Mapped[int]
    state: Mapped[VersionState] = mapped_column(EnumText(VersionState))
    values: Mapped[dict[str, Any]]
    locks: Mapped[dict[str, Any]]
    presets: Mapped[list[Any]]
    base: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(String(300))
    until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    stage: Mapped[StageKind | None] = mapped_column(EnumText(StageKind))
    stage_target: Mapped[UUID | None]
    advances: Mapped[bool] = mapped_column(default=False)
    stage_proved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    confirmation: Mapped[str | None] = mapped_column(String(8))
    at_once_reason: Mapped[str | None] = mapped_column(String(300))
    author_id: Mapped[UUID | None]
    author_name: Mapped[str] = mapped_column(String(200))
    #: Whether the author's account was old enough, when writing, to be one of two people.
    is_author_trusted: Mapped[bool] = mapped_column(default=True)
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    stop_reason: Mapped[str | None] = mapped_column(String(200))
    __table_args__ = (
        CheckConstraint("(document_id IS NULL) <> (preset_id IS NULL)", name="one_owner"),
        UniqueConstraint("document_id", "number"),
        UniqueConstraint("preset_id", "number"),
        *(
            # At most one version of a document or preset is live, and at most one is rolled out.
            Index(
                f"uq_policy_version_{owner}_in_force",
                f"{owner}_id",
                "state",
                unique=True,
                sqlite_where=text("state IN ('live', 'rolling')"),
                postgresql_where=text("state IN ('live', 'rolling')"),
            )
            for owner in ("document", "preset")
        ),
    )


class PolicyGroup(TownOwned, Base):
    """A named group of pupils across classes: a club, a need."""

    __tablename__ = "policy_group"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(120))
    __table_args__ = (UniqueConstraint("town_id", "name"),)


class PolicyGroupMember(Base):
    """A pupil in a group."""

    __tablename__ = "policy_group_member"

    group_id: Mapped[UUID] = mapped_column(ForeignKey("policy_group.id", ondelete="CASCADE"), primary_key=True)
    pupil_id: Mapped[UUID] = mapped_column(ForeignKey("pupil.id", ondelete="CASCADE"), primary_key=True, index=True)

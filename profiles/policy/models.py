"""Tables of authored policy: the town's floor, layers with their versions, and groups of pupils."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from cartable.database import Base, EnumText, TownOwned, UtcDateTime
from cartable.ids import new_id
from profiles.policy.kinds import LayerKind, StageKind, VersionState


class TownFloor(TownOwned, Base):
    """The settings of a town's floor: catalogue keys to values. One row per town and version; the newest holds."""

    __tablename__ = "town_floor"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int]
    settings: Mapped[dict[str, Any]]
    written_by: Mapped[UUID | None]
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PolicyLayer(Base):
    """One author's place in the policy: a school, a grade, a class… `town_id` is empty for the operator's own layer alone.

    `target` names the place: a school's, class's, group's, pupil's or tablet's id, a level, a role; empty for town and operator.
    """

    __tablename__ = "policy_layer"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    town_id: Mapped[UUID | None] = mapped_column(ForeignKey("town.id"), index=True)
    school_id: Mapped[UUID | None] = mapped_column(ForeignKey("school.id"))
    kind: Mapped[LayerKind] = mapped_column(EnumText(LayerKind))
    target: Mapped[str] = mapped_column(String(36), default="")
    name: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (UniqueConstraint("town_id", "kind", "target"),)


class LayerVersion(Base):
    """One version of a layer. `settings` maps "all" or a mode to catalogue keys and values; `locks` are keys."""

    __tablename__ = "layer_version"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    layer_id: Mapped[UUID] = mapped_column(ForeignKey("policy_layer.id", ondelete="CASCADE"))
    number: Mapped[int]
    state: Mapped[VersionState] = mapped_column(EnumText(VersionState))
    settings: Mapped[dict[str, Any]]
    locks: Mapped[list[Any]]
    note: Mapped[str | None] = mapped_column(String(300))
    stage: Mapped[StageKind | None] = mapped_column(EnumText(StageKind))
    stage_target: Mapped[UUID | None]
    written_by: Mapped[UUID | None]
    written_by_name: Mapped[str] = mapped_column(String(200))
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
    rolled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    stopped_why: Mapped[str | None] = mapped_column(String(200))
    __table_args__ = (
        UniqueConstraint("layer_id", "number"),
        # At most one version of a layer holds, and at most one is being rolled out.
        Index(
            "uq_layer_version_in_force",
            "layer_id",
            "state",
            unique=True,
            sqlite_where=text("state IN ('live', 'rolling')"),
            postgresql_where=text("state IN ('live', 'rolling')"),
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

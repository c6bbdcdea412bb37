"""All SQL of layers, their versions and groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import Row, Select, func, or_, select
from sqlalchemy.orm import Session

from cartable.scope import Actor
from profiles.policy.kinds import LayerKind, VersionState
from profiles.policy.models import LayerVersion, PolicyGroup, PolicyGroupMember, PolicyLayer
from profiles.policy.rules import Authored

IN_FORCE = (VersionState.LIVE, VersionState.ROLLING)


class LayerRepository:
    """Reads and writes authored policy."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def in_force(self, town_ids: Sequence[UUID]) -> list[Authored]:
        """Every version that holds somewhere in these towns, the operator's own included. One query."""
        rows = self.session.execute(
            select(PolicyLayer, LayerVersion)
            .join(LayerVersion, LayerVersion.layer_id == PolicyLayer.id)
            .where(LayerVersion.state.in_(IN_FORCE), or_(PolicyLayer.town_id.in_(town_ids), PolicyLayer.town_id.is_(None)))
            .order_by(PolicyLayer.id, LayerVersion.number)
        )
        return [authored(layer, version) for layer, version in rows]

    def groups_of(self, pupil_ids: Iterable[UUID]) -> dict[UUID, frozenset[UUID]]:
        """The groups of each of these pupils."""
        found: dict[UUID, set[UUID]] = {}
        rows = self.session.execute(
            select(PolicyGroupMember.pupil_id, PolicyGroupMember.group_id).where(PolicyGroupMember.pupil_id.in_(list(pupil_ids)))
        )
        for pupil_id, group_id in rows:
            found.setdefault(pupil_id, set()).add(group_id)
        return {pupil_id: frozenset(groups) for pupil_id, groups in found.items()}

    def layer(self, layer_id: UUID) -> PolicyLayer | None:
        return self.session.get(PolicyLayer, layer_id)

    def at(self, town_id: UUID | None, kind: LayerKind, target: str) -> PolicyLayer | None:
        town = PolicyLayer.town_id.is_(None) if town_id is None else PolicyLayer.town_id == town_id
        return self.session.scalar(select(PolicyLayer).where(town, PolicyLayer.kind == kind, PolicyLayer.target == target))

    def layers(self, actor: Actor, town_id: UUID) -> Sequence[PolicyLayer]:
        statement = select(PolicyLayer).where(PolicyLayer.town_id == town_id).order_by(PolicyLayer.kind, PolicyLayer.id)
        return self.session.scalars(actor.restrict(statement, PolicyLayer)).all()

    def versions(self, layer_id: UUID) -> Sequence[LayerVersion]:
        """All versions of a layer, newest first."""
        return self.session.scalars(
            select(LayerVersion).where(LayerVersion.layer_id == layer_id).order_by(LayerVersion.number.desc())
        ).all()

    def version(self, layer_id: UUID, number: int) -> LayerVersion | None:
        return self.session.scalar(select(LayerVersion).where(LayerVersion.layer_id == layer_id, LayerVersion.number == number))

    def in_state(self, layer_id: UUID, state: VersionState) -> LayerVersion | None:
        return self.session.scalar(select(LayerVersion).where(LayerVersion.layer_id == layer_id, LayerVersion.state == state))

    def next_number(self, layer_id: UUID) -> int:
        highest = self.session.scalar(select(func.max(LayerVersion.number)).where(LayerVersion.layer_id == layer_id))
        return (highest or 0) + 1

    def rolling(self) -> Sequence[Row[PolicyLayer, LayerVersion]]:
        """Every roll-out under way."""
        return self.session.execute(
            select(PolicyLayer, LayerVersion)
            .join(LayerVersion, LayerVersion.layer_id == PolicyLayer.id)
            .where(LayerVersion.state == VersionState.ROLLING)
            .order_by(LayerVersion.id)
        ).all()

    def group(self, actor: Actor, group_id: UUID) -> PolicyGroup | None:
        return self.session.scalar(actor.restrict(select(PolicyGroup).where(PolicyGroup.id == group_id), PolicyGroup))

    def groups(self, actor: Actor, town_id: UUID) -> Sequence[PolicyGroup]:
        statement = select(PolicyGroup).where(PolicyGroup.town_id == town_id).order_by(PolicyGroup.name, PolicyGroup.id)
        return self.session.scalars(actor.restrict(statement, PolicyGroup)).all()

    def tablets(self, statement: Select[UUID]) -> list[UUID]:
        """The tablets that a statement selects."""
        return list(self.session.scalars(statement))

    def members(self, group_id: UUID) -> Sequence[PolicyGroupMember]:
        return self.session.scalars(select(PolicyGroupMember).where(PolicyGroupMember.group_id == group_id)).all()


def authored(layer: PolicyLayer, version: LayerVersion) -> Authored:
    """A version as the rules read it."""
    rolling = version.state is VersionState.ROLLING
    return Authored(
        layer_id=layer.id,
        version_id=version.id,
        town_id=layer.town_id,
        kind=layer.kind,
        target=layer.target,
        name=layer.name,
        settings=version.settings,
        locks=frozenset(version.locks),
        stage=version.stage if rolling else None,
        stage_target=version.stage_target if rolling else None,
        author=f"{version.written_by_name}, v{version.number}",
    )

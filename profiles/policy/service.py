"""Verbs of layers: draft, preview, publish in stages, stop, roll back. Never commits; what holds is in `rules`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select

from cartable import audit
from cartable.errors import Forbidden
from cartable.scope import Actor, Permission
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets.repository import TabletRepository
from profiles.catalog.composites import list_authorable_fields
from profiles.effective.repository import decide_again
from profiles.errors import BadSetting
from profiles.policy.errors import BadTarget, CannotPublish, LayerNotFound, VersionNotFound
from profiles.policy.kinds import LayerKind, StageKind, VersionState
from profiles.policy.models import LayerVersion, PolicyGroup, PolicyGroupMember, PolicyLayer
from profiles.policy.places import check_target, tablets_of
from profiles.policy.repository import LayerRepository
from profiles.policy.rules import wrong


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a roll-out goes: one tablet, one class, one school, or all."""

    kind: StageKind
    target: UUID | None = None


ALL = Stage(StageKind.ALL)


def open_layer(work: UnitOfWork, actor: Actor, town_id: UUID | None, kind: LayerKind, target: str, name: str) -> PolicyLayer:
    """Return the layer of a place, made on first use. Raises `BadTarget`, `Forbidden`."""
    school_id = check_target(work, town_id, kind, target)
    _require(actor, town_id, school_id)
    repository = LayerRepository(work.session)
    found = repository.at(town_id, kind, target)
    if found is not None:
        return found
    layer = PolicyLayer(town_id=town_id, school_id=school_id, kind=kind, target=target, name=name, created_at=work.now)
    work.session.add(layer)
    work.session.flush()
    audit.record_event(work, actor, "layer.create", "layer", layer.id, town_id=town_id, kind=kind.value)
    return layer


def _require(actor: Actor, town_id: UUID | None, school_id: UUID | None) -> None:
    if town_id is None:
        if not actor.everywhere:
            raise Forbidden(permission="operator")
        return
    actor.require_permission(Permission.AUTHOR, town_id, school_id)


def find(work: UnitOfWork, actor: Actor, layer_id: UUID) -> PolicyLayer:
    """A layer that the actor may read. Raises `LayerNotFound`."""
    layer = LayerRepository(work.session).layer(layer_id)
    if layer is None or not (layer.town_id is None or actor.has_permission(Permission.SEE, layer.town_id, layer.school_id)):
        raise LayerNotFound
    return layer


def save_draft(
    work: UnitOfWork,
    actor: Actor,
    layer_id: UUID,
    settings: Mapping[str, Mapping[str, Any]],
    locks: Sequence[str] = (),
    note: str | None = None,
) -> LayerVersion:
    """Save a new version as a draft; nothing changes on tablets. Raises `BadSetting` with the field named."""
    layer = find(work, actor, layer_id)
    _require(actor, layer.town_id, layer.school_id)
    problem = wrong(settings, locks, list_authorable_fields())
    if problem is not None:
        raise BadSetting(field=problem[0], why=problem[1])
    repository = LayerRepository(work.session)
    number = repository.next_number(layer.id)
    audit.record_event(work, actor, "layer.draft", "layer", layer.id, town_id=layer.town_id, version=number)
    row = LayerVersion(
        layer_id=layer.id, number=number, state=VersionState.DRAFT, settings={k: dict(v) for k, v in settings.items()},
        locks=sorted(set(locks)), note=note, written_by=actor.account_id, written_by_name=actor.name, written_at=work.now,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    return row


def publish(work: UnitOfWork, actor: Actor, layer_id: UUID, number: int, stage: Stage = ALL) -> LayerVersion:
    """Put a version into force, for all or for a first part. A roll-out goes on by publishing it again, further.

    Raises `CannotPublish`, `VersionNotFound`.
    """
    layer = find(work, actor, layer_id)
    _require(actor, layer.town_id, layer.school_id)
    repository = LayerRepository(work.session)
    row = repository.version(layer.id, number)
    if row is None:
        raise VersionNotFound
    if row.state not in (VersionState.DRAFT, VersionState.ROLLING):
        raise CannotPublish(why=row.state.value)
    rolling = repository.in_state(layer.id, VersionState.ROLLING)
    if rolling is not None and rolling.id != row.id:
        raise CannotPublish(why="another_roll_out")
    if (stage.kind is StageKind.ALL) != (stage.target is None):
        raise BadTarget(field="stage")
    audit.record_event(
        work, actor, "layer.publish", "layer", layer.id, town_id=layer.town_id, version=number, stage=stage.kind.value
    )
    if stage.kind is StageKind.ALL:
        _make_live(work, repository, layer, row)
    else:
        row.state, row.stage, row.stage_target = VersionState.ROLLING, stage.kind, stage.target
    row.rolled_at = work.now
    work.session.flush()
    decide_again(work, concerned(work, layer))
    return row


def _make_live(work: UnitOfWork, repository: LayerRepository, layer: PolicyLayer, row: LayerVersion) -> None:
    former = repository.in_state(layer.id, VersionState.LIVE)
    if former is not None:
        former.state = VersionState.SUPERSEDED
        work.session.flush()  # one version in force at a time: the database holds it
    row.state, row.stage, row.stage_target = VersionState.LIVE, None, None


def stop(work: UnitOfWork, actor: Actor, layer_id: UUID, why: str) -> LayerVersion:
    """Stop the roll-out of a layer: what held before holds again. Raises `VersionNotFound`."""
    layer = find(work, actor, layer_id)
    _require(actor, layer.town_id, layer.school_id)
    row = LayerRepository(work.session).in_state(layer.id, VersionState.ROLLING)
    if row is None:
        raise VersionNotFound
    stop_version(work, actor, layer, row, why)
    return row


def stop_version(work: UnitOfWork, actor: Actor, layer: PolicyLayer, row: LayerVersion, why: str) -> None:
    """Stop one roll-out, by a person or by the server itself."""
    audit.record_event(work, actor, "layer.stop", "layer", layer.id, town_id=layer.town_id, version=row.number, why=why[:200])
    row.state, row.stopped_why = VersionState.STOPPED, why[:200]
    work.session.flush()
    decide_again(work, concerned(work, layer))


def roll_back(work: UnitOfWork, actor: Actor, layer_id: UUID, number: int) -> LayerVersion:
    """Put an earlier version into force again, as a new one; history is never rewritten. Raises `VersionNotFound`."""
    layer = find(work, actor, layer_id)
    old = LayerRepository(work.session).version(layer.id, number)
    if old is None:
        raise VersionNotFound
    rolling = LayerRepository(work.session).in_state(layer.id, VersionState.ROLLING)
    if rolling is not None:
        stop(work, actor, layer_id, f"rolled back to version {number}")
    new = save_draft(work, actor, layer_id, old.settings, old.locks, f"back to version {number}")
    return publish(work, actor, layer_id, new.number)


def concerned(work: UnitOfWork, layer: PolicyLayer) -> Select[UUID]:
    """Statement: the tablets that a layer may change."""
    return tablets_of(work, layer.town_id, layer.kind, layer.target)


def reach(work: UnitOfWork, actor: Actor, layer_id: UUID) -> list[UUID]:
    """The tablets that a layer speaks to. Raises `LayerNotFound`."""
    layer = find(work, actor, layer_id)
    return LayerRepository(work.session).tablets(concerned(work, layer))


def create_group(work: UnitOfWork, actor: Actor, town_id: UUID, name: str, pupil_ids: Sequence[UUID]) -> PolicyGroup:
    """Name a group of pupils across classes."""
    actor.require_permission(Permission.AUTHOR, town_id)
    group = PolicyGroup(town_id=town_id, name=name)
    work.session.add(group)
    work.session.flush()
    audit.record_event(work, actor, "group.create", "group", group.id, town_id=town_id, pupils=len(pupil_ids))
    work.session.add_all(PolicyGroupMember(group_id=group.id, pupil_id=pupil_id) for pupil_id in set(pupil_ids))
    work.session.flush()
    tablets = TabletRepository(work.session)
    decide_again(work, tablets.select_by_ids(tablets.list_ids_by_pupils(list(set(pupil_ids)))))
    return group

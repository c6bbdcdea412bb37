"""Test helper: a town whose tablets have proved their declarations, without conversations: what they reported is written directly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, select, update

from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.people.models import Pupil
from enrollment.places.models import School, SchoolClass, Town
from enrollment.tablets.models import Tablet
from mdm.devices.models import DeclarationStatus, DeclarativeState
from mdm.protocol.ddm import MANIFEST_KEYS
from mdm.queue.models import CommandBody, CommandState, QueuedCommand
from mdm.reconcile.models import TabletProfile
from mdm.reconcile.service import reconcile_tablets
from profiles.effective.models import DeclarationSet
from profiles.policy.kinds import PlaceKind
from profiles.render.declarations import build_set_items, select_effective_identifiers
from profiles.schedule import authoring
from profiles.schedule.models import TabletMode
from profiles.schedule.modes import Mode
from tests.profiles.schedule.places import FOUR_DAYS_JSON
from tests.support.policy import publish_document
from tests.support.world import TownFactory


@dataclass(slots=True)
class DeclaredTown:
    """The rows of a town of two schools with a class each. Its rules differ between school, home and night rest."""

    town: Town
    schools: list[School]
    classes: list[SchoolClass]
    tablets: list[Tablet] = field(default_factory=list)
    pupils: list[Pupil | None] = field(default_factory=list)
    enrollment_ids: list[int] = field(default_factory=list)

    @property
    def tablet_ids(self) -> list[UUID]:
        return [tablet.id for tablet in self.tablets]


def create_declared_town(work: UnitOfWork, count: int, *, pupils: bool = True) -> DeclaredTown:
    """Add a town with `count` enrolled tablets. Each second tablet is of the second class."""
    factory = TownFactory(work)
    town = factory.create_town()
    schools = [factory.create_school(town) for _ in range(2)]
    made = DeclaredTown(town, schools, [factory.create_class(school, "CE2") for school in schools])
    for number in range(count):
        school_class = made.classes[number % 2]
        tablet = factory.create_tablet(town, school_id=school_class.school_id)
        pupil = factory.create_pupil(school_class) if pupils else None
        if pupil is not None:
            factory.lend_tablet(tablet, pupil)
        made.tablets.append(tablet)
        made.pupils.append(pupil)
        made.enrollment_ids.append(factory.enroll_tablet(tablet).id)
    authoring.save_calendar(work, SYSTEM, town.id, "own", periods=[], public=[], known_until=None)
    authoring.save_timetable(work, SYSTEM, town.id, None, week=FOUR_DAYS_JSON, calendar="own", night=("20:00", "07:00"))
    publish_document(work, town.id, PlaceKind.TOWN, "", {"school": {"allowSafari": False}, "home": {"allowAirDrop": False}})
    return made


def prove_declarations(runtime: Runtime, town: DeclaredTown) -> None:
    """Let every tablet have applied the declarations of its set in its mode, and nothing wait."""
    with runtime.open_unit_of_work() as work:
        reconcile_tablets(work, town.tablet_ids)
        work.session.flush()
        of_town = DeclarativeState.enrollment_id.in_(town.enrollment_ids)
        work.session.execute(update(DeclarativeState).where(of_town).values(reported_at=work.now))
    with runtime.open_unit_of_work() as work:
        reconcile_tablets(work, town.tablet_ids)
        work.session.flush()
        work.session.execute(delete(TabletProfile).where(TabletProfile.tablet_id.in_(town.tablet_ids)))
        confirm_modes(work, town.enrollment_ids)
        work.session.execute(delete(OutboxRow))
    with runtime.open_unit_of_work() as work:
        reconcile_tablets(work, town.tablet_ids)


def confirm_modes(work: UnitOfWork, enrollment_ids: list[int]) -> None:
    """Let tablets fetch and report what is announced to them."""
    statement = select(DeclarativeState).where(DeclarativeState.enrollment_id.in_(enrollment_ids))
    for state in work.session.scalars(statement.execution_options(populate_existing=True)):
        if state.set_sha256 is None or state.mode is None:
            continue
        state.served_set_sha256, state.served_mode, state.served_repairs = state.set_sha256, state.mode, state.repairs
        state.status, state.status_since, state.next_check_at = DeclarationStatus.CONFIRMED, work.now, None
        state.served_at = state.confirmed_at = state.declarative_only_since = work.now
        state.confirmed_mode = state.mode
        items = work.session.get_one(DeclarationSet, state.set_sha256).items
        state.reported_declarations = _build_report(items, Mode(state.mode))
    open_commands = QueuedCommand.enrollment_id.in_(enrollment_ids), QueuedCommand.state == CommandState.QUEUED
    work.session.execute(update(QueuedCommand).where(*open_commands).values(state=CommandState.ACKNOWLEDGED))
    work.session.flush()


def _build_report(items: list[dict[str, Any]], mode: Mode) -> dict[str, list[dict[str, Any]]]:
    documents = build_set_items(items, mode)
    effective = select_effective_identifiers(documents, mode)
    rows: dict[str, list[dict[str, Any]]] = {kind.lower(): [] for kind in MANIFEST_KEYS.values()}
    for item in documents:
        row = {"identifier": item["Identifier"], "server-token": item["ServerToken"], "valid": "valid", "reasons": []}
        is_active = item["Identifier"] in effective or item["Kind"] == "management"
        rows[MANIFEST_KEYS[item["Kind"]].lower()].append({**row, "active": is_active})
    return rows


def describe_tablets(work: UnitOfWork, town: DeclaredTown) -> dict[str, Any]:
    """Return everything that a change of mode stores of the tablets of a town."""
    work.session.flush()
    states = DeclarativeState.__table__
    # A profile is signed anew when what stored it was rolled back: its bytes say nothing.
    announcement = case((CommandBody.request_type == "DeclarativeManagement", CommandBody.args))
    commands = (
        select(QueuedCommand.enrollment_id, QueuedCommand.state, QueuedCommand.lane, QueuedCommand.deadline, QueuedCommand.dedupe_key,
               QueuedCommand.state_reason, CommandBody.request_type, CommandBody.requested_by_name, announcement)
        .join(CommandBody, CommandBody.id == QueuedCommand.body_id)
        .where(QueuedCommand.enrollment_id.in_(town.enrollment_ids))
    )  # fmt: skip
    modes = select(TabletMode.tablet_id, TabletMode.mode, TabletMode.since, TabletMode.next_evaluation_at)
    pushes = select(OutboxRow.key, OutboxRow.lane, OutboxRow.not_before).where(OutboxRow.topic == Topic.PUSH)
    execute = work.session.execute
    return {
        "modes": sorted(map(repr, execute(modes.where(TabletMode.tablet_id.in_(town.tablet_ids))))),
        "states": [dict(row._mapping) for row in execute(select(states).order_by(states.c.enrollment_id))],
        "commands": sorted(map(repr, execute(commands))),
        "pushes": sorted(map(repr, execute(pushes))),
    }

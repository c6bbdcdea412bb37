"""Licences at the turn of the year: told app by app beforehand, and really moved from one level's tablets to the next."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import event

from cartable.clock import ManualClock
from cartable.errors import Forbidden
from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import Grade
from enrollment.rollover import applying
from enrollment.tablets import custody
from enrollment.tablets.models import Condition, Tablet, TabletState
from mdm.devices.repository import DeviceRepository
from mdm.queue.models import CommandBody, CommandResult, CommandState, QueuedCommand
from mdm.reconcile.models import AppReason, AppState
from mdm.reconcile.repository import ReconcileRepository
from mdm.reconcile.service import reconcile_tablets
from mdm.worker.results import apply_results
from profiles.apps import licences
from profiles.apps.models import App, Licence, LicencePool, LicenceState
from profiles.apps.service import create_app
from profiles.effective import bundles
from profiles.effective.licence_overlap import LicenceOverlap, list_licence_overlaps
from profiles.policy.kinds import PlaceKind
from tests.enrollment.rollover.school_year import SEPTEMBER, RolloverTown, school_day, set_clock
from tests.support.installation import install
from tests.support.world import TownFactory


@pytest.fixture
def opened(runtime: Runtime) -> Iterator[UnitOfWork]:
    install(runtime)
    with runtime.open_unit_of_work() as work:
        yield work


def _app(work: UnitOfWork, town: RolloverTown, grade: Grade, number: int, owned: int) -> App:
    app = create_app(
        work, SYSTEM, town.town.id, name=f"App {grade.value}", bundle_identifier=f"fr.test.{grade.value.lower()}",
        app_store_id=number, manifest_url=None,
    )  # fmt: skip
    bundle = bundles.create_bundle(work, SYSTEM, town.town.id, f"Bundle {grade.value}", [app.id])
    licences.set_pool_total(work, SYSTEM, app.id, owned)
    bundles.assign_bundle(work, SYSTEM, bundle, PlaceKind.GRADE, grade.value)
    return app


def test_the_licence_overlap_is_known_before_anything_is_applied(runtime: Runtime, clock: ManualClock) -> None:
    set_clock(clock, school_day(6, 10))
    with runtime.open_unit_of_work() as work:
        town = RolloverTown(work)
        school_class = town.world.create_class(town.school)
        for grade, count in ((Grade.CE1, 3), (Grade.CE2, 2), (Grade.CM2, 2)):
            for _ in range(count):
                town.with_tablet(school_class, grade)
        for _ in range(4):
            town.create_pupil(school_class, Grade.GS)
        _app(work, town, Grade.CE2, 11, 2)
        _app(work, town, Grade.CP, 12, 5)
        _app(work, town, Grade.CM2, 13, 3)
        rollover = town.preview_rollover()
        overlaps = list_licence_overlaps(work, town.admin, rollover.id)
        assert overlaps == [
            LicenceOverlap("App CE2", before=2, after=3, given_back=2, taken=3, peak=5, owned=2, missing=1, missing_at_peak=3),
            LicenceOverlap("App CM2", before=2, after=0, given_back=2, taken=0, peak=2, owned=3, missing=0, missing_at_peak=0),
            LicenceOverlap("App CP", before=0, after=4, given_back=0, taken=4, peak=4, owned=5, missing=0, missing_at_peak=0),
        ]
        with pytest.raises(Forbidden):
            list_licence_overlaps(work, town.create_head(), rollover.id)
        counted: list[str] = []
        for _ in range(20):
            town.with_tablet(school_class, Grade.CE1)
        town.preview_rollover()
        work.session.flush()
        for _ in range(2):
            seen: list[str] = []
            event.listen(runtime.engine, "before_cursor_execute", lambda *given, seen=seen: seen.append(given[2]))
            list_licence_overlaps(work, town.admin, rollover.id)
            counted.append(str(len(seen)))
        assert int(counted[0]) <= 8


def test_licences_of_ce2_move_to_those_who_come_into_ce2(opened: UnitOfWork, clock: ManualClock) -> None:
    town = RolloverTown(opened)
    school_class = town.world.create_class(town.school)
    older, younger = town.with_tablet(school_class, Grade.CE2)[1], town.with_tablet(school_class, Grade.CE1)[1]
    app = _app(opened, town, Grade.CE2, 11, 1)
    for tablet in (older, younger):
        TownFactory(opened).enroll_tablet(tablet)
    reconcile_tablets(opened, [older.id, younger.id])
    licences.mark_assigned(opened, app.id, older.id)
    assert _holder(opened, app) == {older.id: LicenceState.ASSIGNED}
    rollover = town.preview_rollover()
    opened.now = SEPTEMBER
    assert applying.apply_batch(opened, town.admin, rollover.id) == 2
    reconcile_tablets(opened, [older.id, younger.id])
    apps = ReconcileRepository(opened.session).load_tablet_apps([older.id, younger.id])
    assert apps[older.id][app.id].state is AppState.REMOVING
    assert apps[younger.id][app.id].reason is AppReason.NO_LICENCE, "the one licence is still on the other tablet"
    _removed(opened, older)
    waiting = [row.key for row in _outbox(opened) if row.topic is Topic.RECONCILE]
    assert str(younger.id) in waiting, "who has waited is decided again as soon as one is free"
    reconcile_tablets(opened, [younger.id])
    assert _holder(opened, app) == {older.id: LicenceState.IN_GRACE, younger.id: LicenceState.RESERVED}


def test_what_a_leaver_held_is_free_when_the_tablet_is_back(opened: UnitOfWork, clock: ManualClock) -> None:
    town = RolloverTown(opened)
    _, tablet = town.with_tablet(town.world.create_class(town.school), Grade.CM2)
    app = _app(opened, town, Grade.CM2, 11, 1)
    TownFactory(opened).enroll_tablet(tablet)
    reconcile_tablets(opened, [tablet.id])
    assert _holder(opened, app) == {tablet.id: LicenceState.RESERVED}
    custody.take_back(opened, town.admin, tablet, Condition.GOOD, ())
    assert tablet.state is TabletState.RETURNED
    reconcile_tablets(opened, [tablet.id])
    assert _holder(opened, app) == {tablet.id: LicenceState.IN_GRACE}, "before it answers: it may be wiped first"


def _removed(work: UnitOfWork, tablet: Tablet) -> None:
    """The tablet says that it has removed the app."""
    channel = DeviceRepository(work.session).load_enrolled_channels([tablet.id])[tablet.id]
    removal = (
        work.session.query(QueuedCommand)
        .join(CommandBody, CommandBody.id == QueuedCommand.body_id)
        .filter(QueuedCommand.enrollment_id == channel.id, CommandBody.request_type == "RemoveApplication")
        .one()
    )
    removal.state = CommandState.ACKNOWLEDGED
    work.session.add(
        CommandResult(command_id=removal.id, town_id=removal.town_id, status="Acknowledged", body=b"", received_at=work.now)
    )
    work.session.flush()
    apply_results(work, [removal.id])


def _holder(work: UnitOfWork, app: App) -> dict[UUID, LicenceState]:
    work.session.flush()
    rows = work.session.query(Licence).join(LicencePool, LicencePool.id == Licence.pool_id).filter(LicencePool.app_id == app.id)
    return {row.tablet_id: row.state for row in rows}


def _outbox(work: UnitOfWork) -> list[OutboxRow]:
    return list(work.session.query(OutboxRow))

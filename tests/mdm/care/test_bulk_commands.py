"""Commands to many tablets: whom they reach, who must agree, what becomes of each, and what a cancellation stops."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, select

from cartable.alarms import Alarm, AlarmKind
from cartable.clock import ManualClock
from cartable.errors import Forbidden, Invalid, NotFound, ReauthenticationRequired, SamePerson
from cartable.ids import new_id
from cartable.paging import PageRequest
from cartable.scope import Role
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.safeguards import stop_switch
from enrollment.safeguards.errors import DestructiveCommandsStopped
from enrollment.tablets.models import TabletState
from mdm.care.commands import bulk
from mdm.care.commands.bulk import BulkState
from mdm.care.commands.errors import BulkCommandEnded, BulkCommandNotFound, NobodyReached
from mdm.care.commands.kinds import CommandKind
from mdm.care.commands.parameters import CommandParameters, WallpaperPlace, dump_parameters, load_parameters
from mdm.care.commands.repository import TabletSelection
from mdm.care.commands.rules import MAX_IN_OWN_LANE, MAX_INTERRUPTED_ALONE, Obstacle
from mdm.devices.models import DeviceEnrollment
from mdm.protocol.commands.registry import build_command
from mdm.queue.batch_statements import BatchStatements
from mdm.queue.models import CommandBody, CommandState, Lane, QueuedCommand
from mdm.queue.service import archive_ended_commands
from mdm.reconcile.models import AppReason, AppState, TabletApp
from profiles.apps.models import App
from tests.support.statements import count_statements
from tests.support.world import TownFactory, create_actor

PNG = b"\x89PNG\r\n\x1a\n and a picture"


class Fleet:
    """A town with a class whose children have enrolled tablets."""

    def __init__(self, work: UnitOfWork, size: int = 3) -> None:
        self.factory = TownFactory(work)
        self.town = self.factory.create_town()
        self.school = self.factory.create_school(self.town)
        self.school_class = self.factory.create_class(self.school)
        self.tablets = [self.factory.create_tablet(self.town) for _ in range(size)]
        self.channels: list[DeviceEnrollment] = []
        for tablet in self.tablets:
            self.factory.lend_tablet(tablet, self.factory.create_pupil(self.school_class))
            self.channels.append(self.factory.enroll_tablet(tablet, last_seen_at=work.now))
        self.technician = create_actor(Role.TECHNICIAN, self.town)
        self.everything = TabletSelection(self.town.id)


def _list_payloads(work: UnitOfWork) -> list[dict[str, Any]]:
    """The bodies of all commands, as tablets receive them."""
    bodies = work.session.scalars(select(CommandBody).order_by(CommandBody.id))
    return [build_command(body.request_type, json.loads(body.args)).build_payload() for body in bodies]


def test_a_class_is_locked_and_what_has_not_left_is_cancelled(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        fleet = Fleet(work)
        fleet.factory.enroll_tablet(fleet.factory.create_tablet(fleet.town))
        selection = TabletSelection(fleet.town.id, class_id=fleet.school_class.id)
        parameters = CommandParameters(message="Rangez les tablettes", phone="01 00 00 00 00")
        row = bulk.request_bulk_command(work, fleet.technician, selection, CommandKind.LOCK, parameters)
        progress = bulk.get_bulk_command(work, fleet.technician, row.id)
        assert (progress.state, progress.total, progress.counts) == (BulkState.RUNNING, 3, {CommandState.QUEUED: 3})
        assert _list_payloads(work) == [
            {"RequestType": "DeviceLock", "Message": "Rangez les tablettes", "PhoneNumber": "01 00 00 00 00"}
        ]
        first = bulk.list_bulk_lines(work, fleet.technician, row.id).items[0][0].command_id
        assert first is not None
        assert BatchStatements(work.session).mark_sent([first], clock.now()) == {first}
    with runtime.open_unit_of_work() as work:
        helpdesk = create_actor(Role.HELPDESK, fleet.town)
        bulk.cancel_bulk_command(work, helpdesk, row.id)
        progress = bulk.get_bulk_command(work, fleet.technician, row.id)
        assert progress.counts == {CommandState.SENT: 1, CommandState.CANCELLED: 2}
        assert (progress.state, progress.can_cancel) == (BulkState.RUNNING, False)


def test_the_result_of_each_tablet_stays_when_its_command_is_archived(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        fleet = Fleet(work)
        row = bulk.request_bulk_command(work, fleet.technician, fleet.everything, CommandKind.RESTART, CommandParameters())
        bulk.cancel_bulk_command(work, fleet.technician, row.id)
        before = [
            (state, reason) for _, _, state, reason in bulk.list_bulk_lines(work, fleet.technician, row.id, PageRequest(2)).items
        ]
    clock.advance(timedelta(days=31))
    with runtime.open_unit_of_work() as work:
        assert archive_ended_commands(work) == 2, "the newest stays"
    with runtime.open_unit_of_work() as work:
        lines = bulk.list_bulk_lines(work, fleet.technician, row.id, PageRequest(2)).items
        assert [(state, reason) for _, _, state, reason in lines] == before
        progress = bulk.get_bulk_command(work, fleet.technician, row.id)
        assert (progress.state, progress.counts) == (BulkState.CANCELLED, {CommandState.CANCELLED: 3})


def test_a_preview_tells_those_apart_who_cannot_receive_it(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        fleet = Fleet(work, size=6)
        lost, unsupervised, old = fleet.tablets[1:4]
        lost.state, unsupervised.supervised, old.os_version = TabletState.LOST, False, "10.2.1"
        never = fleet.factory.create_tablet(fleet.town)
        fleet.factory.create_tablet(fleet.town).state = TabletState.RETIRED
        work.session.flush()
    clock.advance(timedelta(days=2))
    with runtime.open_unit_of_work() as work:
        preview = bulk.preview_bulk_command(work, fleet.technician, fleet.everything, CommandKind.RESTART)
        assert {obstacle: [target.tag for target in targets] for obstacle, targets in preview.obstacles.items()} == {
            Obstacle.MISSING: [lost.tag], Obstacle.NOT_SUPERVISED: [unsupervised.tag], Obstacle.OLD_SYSTEM: [old.tag],
            Obstacle.NOT_ENROLLED: [never.tag],
        }  # fmt: skip
        assert (len(preview.ready), len(preview.off)) == (3, 3), "all are off: nobody was seen for two days"
        row = bulk.request_bulk_command(work, fleet.technician, fleet.everything, CommandKind.RESTART)
        counts = bulk.get_bulk_command(work, fleet.technician, row.id).counts
        assert counts == {CommandState.QUEUED: 3} | dict.fromkeys(preview.obstacles, 1)
        sound = bulk.preview_bulk_command(work, fleet.technician, fleet.everything, CommandKind.SOUND)
        assert not sound.ready
        assert set(sound.obstacles) == {Obstacle.NOT_ENROLLED, Obstacle.NOT_LOST}
        with pytest.raises(NobodyReached):
            bulk.request_bulk_command(work, fleet.technician, fleet.everything, CommandKind.SOUND)


def test_tablets_are_renamed_by_a_pattern_without_names_of_children(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        fleet = Fleet(work, size=2)

        def rename(pattern: str) -> None:
            bulk.request_bulk_command(
                work, fleet.technician, fleet.everything, CommandKind.RENAME, CommandParameters(name=pattern)
            )

        rename("{serial}")
        rename("Ville {tag}")
        names = [payload["Settings"][0]["DeviceName"] for payload in _list_payloads(work)]
        assert names[2:] == [f"Ville {tablet.tag}" for tablet in fleet.tablets]
        states = work.session.scalars(select(QueuedCommand.state).order_by(QueuedCommand.id)).all()
        assert states == [CommandState.SUPERSEDED] * 2 + [CommandState.QUEUED] * 2, "the newer name took the place"
        for pattern in ("{first_name}", "", "{tag", "x" * 61, "{}"):
            with pytest.raises(Invalid):
                rename(pattern)


def test_many_are_interrupted_only_when_a_second_person_agrees(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        fleet = Fleet(work, size=MAX_INTERRUPTED_ALONE + 1)
        row = bulk.request_bulk_command(work, fleet.technician, fleet.everything, CommandKind.RESTART)
        progress = bulk.get_bulk_command(work, fleet.technician, row.id)
        assert (progress.state, progress.can_cancel) == (BulkState.WAITING_APPROVAL, True)
        assert _list_payloads(work) == []
        assert work.session.scalars(select(Alarm.kind)).all() == [AlarmKind.BULK_COMMAND_REQUESTED]
        with pytest.raises(SamePerson):
            bulk.approve_bulk_command(work, fleet.technician, row.id)
        colleague = create_actor(Role.HELPDESK, fleet.town)
        with pytest.raises(ReauthenticationRequired):
            bulk.approve_bulk_command(work, replace(colleague, reauthenticated=False), row.id)
        fleet.tablets[0].state = TabletState.LOST  # meanwhile
        work.session.flush()
        for _ in range(2):
            bulk.approve_bulk_command(work, colleague, row.id)
        counts = bulk.get_bulk_command(work, fleet.technician, row.id).counts
        assert counts == {CommandState.QUEUED: MAX_INTERRUPTED_ALONE, Obstacle.MISSING: 1}
        lanes = set(work.session.scalars(select(QueuedCommand.lane)))
        assert (lanes, len(fleet.tablets) > MAX_IN_OWN_LANE) == ({Lane.BACKGROUND}, True)
        again = bulk.request_bulk_command(work, fleet.technician, fleet.everything, CommandKind.REFRESH)
        assert not again.needs_approval, "nobody is interrupted"


def test_a_request_that_waits_can_be_cancelled_and_then_not_be_approved(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        fleet = Fleet(work, size=MAX_INTERRUPTED_ALONE + 1)
        row = bulk.request_bulk_command(work, fleet.technician, fleet.everything, CommandKind.SHUT_DOWN)
        bulk.cancel_bulk_command(work, fleet.technician, row.id)
        assert bulk.get_bulk_command(work, fleet.technician, row.id).state is BulkState.CANCELLED
        with pytest.raises(BulkCommandEnded):
            bulk.approve_bulk_command(work, create_actor(Role.HELPDESK, fleet.town), row.id)


def test_the_stop_switch_stops_what_interrupts(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        fleet = Fleet(work)
        stop_switch.stop(work, create_actor(Role.TOWN_ADMIN, fleet.town), fleet.town.id, "odd orders")
        with pytest.raises(DestructiveCommandsStopped):
            bulk.request_bulk_command(work, fleet.technician, fleet.everything, CommandKind.LOCK)
        bulk.request_bulk_command(work, fleet.technician, fleet.everything, CommandKind.REFRESH)


def test_a_head_reaches_the_own_school_and_sees_no_other(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        fleet = Fleet(work)
        other = fleet.factory.create_school(fleet.town, "École Jean-Moulin")
        fleet.factory.enroll_tablet(fleet.factory.create_tablet(fleet.town, school_id=other.id))
        head = create_actor(Role.HEAD, fleet.town, other)
        row = bulk.request_bulk_command(work, head, fleet.everything, CommandKind.LOCK)
        assert bulk.get_bulk_command(work, head, row.id).total == 1
        town_wide = bulk.request_bulk_command(work, fleet.technician, fleet.everything, CommandKind.REFRESH)
        assert [progress.bulk.id for progress in bulk.list_bulk_commands(work, head, fleet.town.id).items] == [row.id]
        for act in (bulk.get_bulk_command, bulk.cancel_bulk_command, bulk.approve_bulk_command):
            with pytest.raises(BulkCommandNotFound):
                act(work, head, town_wide.id)
        chosen = replace(fleet.everything, tablet_ids=frozenset({fleet.tablets[0].id}))
        with pytest.raises(NotFound):
            bulk.request_bulk_command(work, head, chosen, CommandKind.LOCK)
        for stranger in (create_actor(Role.TEACHER, fleet.town, other), create_actor(Role.HELPDESK, fleet.factory.create_town())):
            with pytest.raises(Forbidden):
                bulk.preview_bulk_command(work, stranger, fleet.everything, CommandKind.LOCK)


def test_passcodes_are_cleared_each_with_the_token_of_its_tablet(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        fleet = Fleet(work)
        for channel in fleet.channels[:2]:
            channel.unlock_token = channel.udid.encode()
        work.session.flush()
        with pytest.raises(ReauthenticationRequired):
            bulk.request_bulk_command(
                work, replace(fleet.technician, reauthenticated=False), fleet.everything, CommandKind.CLEAR_PASSCODE
            )
        row = bulk.request_bulk_command(work, fleet.technician, fleet.everything, CommandKind.CLEAR_PASSCODE)
        counts = bulk.get_bulk_command(work, fleet.technician, row.id).counts
        assert counts == {CommandState.QUEUED: 2, Obstacle.NO_UNLOCK_TOKEN: 1}
        tokens = [payload["UnlockToken"] for payload in _list_payloads(work)]
        assert sorted(tokens) == [channel.udid.encode() for channel in fleet.channels[:2]]


def test_an_app_is_installed_again_where_it_came_or_failed(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        fleet = Fleet(work, size=3)
        app = App(town_id=fleet.town.id, name="Lecture", bundle_identifier="fr.ville.lecture", app_store_id=1234)
        foreign = App(
            town_id=fleet.factory.create_town().id, name="Lecture", bundle_identifier="fr.ville.lecture", app_store_id=1234
        )
        work.session.add_all([app, foreign])
        work.session.flush()
        for tablet, state in zip(fleet.tablets, (AppState.INSTALLED, AppState.FAILED, AppState.WAITING), strict=True):
            work.session.add(
                TabletApp(tablet_id=tablet.id, app_id=app.id, state=state, reason=AppReason.WAITING_CONTACT, changed_at=work.now)
            )
        work.session.flush()

        def install(app_id: UUID | None) -> UUID:
            parameters = CommandParameters(app_id=app_id)
            return bulk.request_bulk_command(work, fleet.technician, fleet.everything, CommandKind.INSTALL_APP, parameters).id

        counts = bulk.get_bulk_command(work, fleet.technician, install(app.id)).counts
        assert counts == {CommandState.QUEUED: 2, Obstacle.APP_NOT_DUE: 1}
        assert [payload["iTunesStoreID"] for payload in _list_payloads(work)] == [1234]
        with pytest.raises(NotFound):
            install(foreign.id)
        with pytest.raises(Invalid):
            install(None)


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        (CommandKind.REFRESH, CommandParameters()),
        (CommandKind.RENAME, CommandParameters(name="{tag}")),
        (CommandKind.WALLPAPER, CommandParameters(image=PNG)),
    ],
)
def test_the_number_of_statements_does_not_grow_with_the_tablets(
    runtime: Runtime, engine: Engine, kind: CommandKind, parameters: CommandParameters
) -> None:
    def count(size: int) -> int:
        with runtime.open_unit_of_work() as work:
            fleet = Fleet(work, size)
        with count_statements(engine) as statements, runtime.open_unit_of_work() as work:
            row = bulk.request_bulk_command(work, fleet.technician, fleet.everything, kind, parameters)
            bulk.get_bulk_command(work, fleet.technician, row.id)
        return len(statements)

    count(1)  # the first one of a process asks the database more
    assert count(2) == count(30)


def test_of_two_people_who_give_the_same_command_one_gives_it(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        fleet = Fleet(work)

    def request(_person: int) -> dict[Any, int]:
        with runtime.open_unit_of_work() as work:
            row = bulk.request_bulk_command(work, fleet.technician, fleet.everything, CommandKind.RESTART)
            return dict(bulk.get_bulk_command(work, fleet.technician, row.id).counts)

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(request, range(2), timeout=30))
    assert sorted(outcomes, key=str) == sorted([{CommandState.QUEUED: 3}, {Obstacle.ALREADY_WAITING: 3}], key=str)


def test_a_cancellation_and_a_delivery_at_once_agree_on_each_command(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        fleet = Fleet(work, size=20)
        row = bulk.request_bulk_command(work, fleet.technician, fleet.everything, CommandKind.RESTART)
        ids = [line.command_id for line, *_ in bulk.list_bulk_lines(work, fleet.technician, row.id).items]

    def deliver() -> set[int]:
        with runtime.open_unit_of_work() as work:
            return BatchStatements(work.session).mark_sent([each for each in ids[:10] if each is not None], work.now)

    def cancel() -> None:
        with runtime.open_unit_of_work() as work:
            bulk.cancel_bulk_command(work, fleet.technician, row.id)

    with ThreadPoolExecutor(2) as pool:
        sending, cancelling = pool.submit(deliver), pool.submit(cancel)
        sent = sending.result(timeout=30)
        cancelling.result(timeout=30)
    with runtime.open_unit_of_work() as work:
        counts = bulk.get_bulk_command(work, fleet.technician, row.id).counts
        assert (counts.get(CommandState.SENT, 0), counts[CommandState.CANCELLED]) == (len(sent), 20 - len(sent))


def test_parameters_survive_being_stored() -> None:
    for parameters in (
        CommandParameters(),
        CommandParameters("message", "phone", "{tag}", "Europe/Paris", PNG, WallpaperPlace.LOCK_SCREEN, new_id()),
    ):
        assert load_parameters(dump_parameters(parameters)) == parameters

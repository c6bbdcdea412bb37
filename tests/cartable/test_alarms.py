"""Alarms are stored with what they are about, stay until a person acknowledges them, and are sent by a job."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from cartable import alarms, audit
from cartable.alarms import Alarm, AlarmKind, AlarmNotFound
from cartable.clock import ManualClock
from cartable.errors import Conflict, Forbidden
from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.joining import guesses
from enrollment.joining.errors import TooManyWrongCodes
from mdm.worker.drains import drain
from tests.support.world import TownFactory, create_actor

KIND = AlarmKind.INVITATION_CODES_GUESSED


def _list_all(work: UnitOfWork) -> list[Alarm]:
    return list(work.session.scalars(select(Alarm)))


def test_every_kind_has_a_severity_and_a_sentence() -> None:
    assert alarms.SEVERITIES.keys() == alarms.MESSAGES.keys() == {*AlarmKind}


def test_an_alarm_is_stored_audited_and_sent_with_what_it_is_about(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        alarms.raise_alarm(work, town.id, KIND, wrong_codes=60)
    with runtime.open_unit_of_work() as work:
        [alarm] = _list_all(work)
        assert (alarm.town_id, alarm.severity, alarm.details) == (town.id, alarms.AlarmSeverity.WARNING, {"wrong_codes": 60})
        assert [event.action for event in audit.list_events(work, town.id).items] == ["alarm.invitation_codes_guessed"]
        [job] = work.session.scalars(select(OutboxRow).where(OutboxRow.topic == Topic.ALARM))
        assert job.key == str(alarm.id)
    assert drain(runtime, Topic.ALARM) == 1


def test_an_act_that_is_rolled_back_raises_no_alarm_but_its_refusal_does(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()

    def attempt() -> None:
        with runtime.open_unit_of_work() as work:
            alarms.raise_alarm(work, town.id, KIND, wrong_codes=1)
            for _ in range(2):
                alarms.raise_alarm_of_refusal(work, town.id, KIND, wrong_codes=2)
            raise Conflict

    with pytest.raises(Conflict):
        attempt()
    with runtime.open_unit_of_work() as work:
        assert [alarm.details for alarm in _list_all(work)] == [{"wrong_codes": 2}]


def test_a_line_that_is_refused_among_others_raises_its_alarm_too(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = TownFactory(work).create_town()
        alarms.raise_alarm_of_refusal(work, town.id, KIND)
    with runtime.open_unit_of_work() as work:
        assert len(_list_all(work)) == 1


def test_who_governs_a_town_reads_and_acknowledges_its_alarms(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town, other = (TownFactory(work).create_town() for _ in range(2))
        alarms.raise_alarm(work, town.id, KIND)
        alarms.raise_alarm(work, None, KIND)
    with runtime.open_unit_of_work() as work:
        governor, stranger = create_actor(Role.TOWN_ADMIN, town), create_actor(Role.TOWN_ADMIN, other)
        of_server, of_town = sorted(alarms.list_alarms(work, governor, town.id).items, key=lambda row: row.town_id is not None)
        assert [row.id for row in alarms.list_alarms(work, stranger, other.id).items] == [of_server.id]
        for actor, alarm in ((stranger, of_town), (create_actor(Role.HELPDESK, town), of_town), (governor, of_server)):
            with pytest.raises(AlarmNotFound):
                alarms.acknowledge_alarm(work, actor, alarm.id)
        with pytest.raises(Forbidden):
            alarms.list_alarms(work, stranger, town.id)
        alarms.acknowledge_alarm(work, governor, of_town.id)
        alarms.acknowledge_alarm(work, governor, of_town.id)
        assert (of_town.acknowledged_by, of_town.acknowledged_at) == (governor.account_id, work.now)
        assert [row.id for row in alarms.list_open_alarms(work, {town.id, other.id})] == [of_server.id]
        assert [row.id for row in alarms.list_alarms(work, governor, town.id, only_open=True).items] == [of_server.id]
        assert len(alarms.list_alarms(work, governor, town.id).items) == 2, "it stays in the list"
        alarms.acknowledge_alarm(work, SYSTEM, of_server.id)
        assert alarms.list_open_alarms(work, {town.id}) == alarms.list_open_alarms(work, set()) == []


def test_what_is_noticed_again_and_again_is_one_alarm(runtime: Runtime, clock: ManualClock) -> None:
    def notice() -> None:
        with runtime.open_unit_of_work() as work:
            alarms.raise_alarm(work, None, KIND, repeat_after=timedelta(minutes=10))

    threads = [threading.Thread(target=notice) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    clock.advance(timedelta(minutes=6))
    notice()
    with runtime.open_unit_of_work() as work:
        assert len(_list_all(work)) == 1
    clock.advance(timedelta(minutes=6))
    notice()
    with runtime.open_unit_of_work() as work:
        assert len(_list_all(work)) == 2


def test_guesses_of_invitation_codes_end_in_an_alarm(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        for _ in range(guesses.WRONG_CODE_LIMIT.attempts):
            guesses.check_wrong_codes(work, "192.0.2.1")
            guesses.record_wrong_code(work, "192.0.2.1")
    with runtime.open_unit_of_work() as work:
        with pytest.raises(TooManyWrongCodes):
            guesses.check_wrong_codes(work, "192.0.2.1")
        guesses.check_wrong_codes(work, "192.0.2.2")
        assert [(row.kind, row.details["network"]) for row in _list_all(work)] == [(KIND, "192.0.2.0/24")]
    clock.advance(timedelta(hours=1))
    with runtime.open_unit_of_work() as work:
        guesses.check_wrong_codes(work, "192.0.2.1")

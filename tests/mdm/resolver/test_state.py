"""The state of resolvers as people and monitoring read it, and the alarm when none answers, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from cartable.alarms import Alarm, AlarmKind
from cartable.clock import ManualClock
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from mdm.resolver.models import ResolverProcess
from mdm.resolver.repository import ResolverRepository
from mdm.resolver.service import ResolverStatus, load_resolver_state, watch_resolvers
from tests.support.statements import count_statements


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"resolver_url": "https://dns.test"})


def save_process(runtime: Runtime, *, answered: timedelta | None, pending_lists: int = 0, problem: str | None = None) -> None:
    now = runtime.clock.now()
    with runtime.open_unit_of_work() as work:
        state = ResolverProcess(
            id="host:8453", started_at=now, seen_at=now, answered_at=None if answered is None else now - answered, published_at=now,
            address_count=3, pending_lists=pending_lists, restarts=0, problem=problem,
        )  # fmt: skip
        ResolverRepository(work.session).save(state)


def get_status(runtime: Runtime) -> ResolverStatus:
    with runtime.open_unit_of_work() as work:
        return load_resolver_state(work).status


def test_without_an_address_there_is_no_resolver(runtime: Runtime) -> None:
    runtime.settings = runtime.settings.model_copy(update={"resolver_url": ""})
    assert get_status(runtime) is ResolverStatus.NONE
    with runtime.open_unit_of_work() as work:
        watch_resolvers(work)
        assert work.session.scalars(select(Alarm)).all() == []
    save_process(runtime, answered=timedelta(seconds=5))
    assert get_status(runtime) is ResolverStatus.ANSWERING, "one that `make run` has started is no setting of other processes"


def test_a_resolver_answers_is_incomplete_or_away(runtime: Runtime, clock: ManualClock) -> None:
    assert get_status(runtime) is ResolverStatus.AWAY
    save_process(runtime, answered=timedelta(seconds=5), pending_lists=2)
    assert get_status(runtime) is ResolverStatus.INCOMPLETE
    save_process(runtime, answered=timedelta(seconds=5))
    assert get_status(runtime) is ResolverStatus.ANSWERING
    clock.advance(timedelta(minutes=2))
    assert get_status(runtime) is ResolverStatus.AWAY
    with count_statements(runtime.engine) as statements:
        get_status(runtime)
    assert len([statement for statement in statements if statement.startswith("SELECT")]) == 1


def test_a_resolver_that_is_away_is_an_alarm_of_the_server_once(runtime: Runtime) -> None:
    save_process(runtime, answered=None, problem="no answer: ConnectError")
    for _ in range(2):
        with runtime.open_unit_of_work() as work:
            watch_resolvers(work)
    with runtime.open_unit_of_work() as work:
        alarms = work.session.scalars(select(Alarm)).all()
    assert [(alarm.kind, alarm.town_id, alarm.details) for alarm in alarms] == [
        (AlarmKind.RESOLVER_AWAY, None, {"problems": ["no answer: ConnectError"]})
    ]


def test_a_resolver_that_died_long_ago_is_forgotten(runtime: Runtime, clock: ManualClock) -> None:
    save_process(runtime, answered=timedelta())
    clock.advance(timedelta(days=2))
    with runtime.open_unit_of_work() as work:
        watch_resolvers(work)
        assert load_resolver_state(work).processes == []

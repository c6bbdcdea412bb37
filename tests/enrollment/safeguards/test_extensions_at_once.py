"""Two people decide about one extension of the budget at the same time: it is approved once, and a cancellation always holds."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import func, select

from cartable.alarms import Alarm, AlarmKind
from cartable.scope import Actor, Role
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.safeguards import extensions, stop_switch
from enrollment.safeguards.errors import BudgetExtensionEnded
from enrollment.safeguards.models import BudgetExtension
from tests.support.concurrency import run_overlapping
from tests.support.world import TownFactory, create_actor


class RequestedExtension:
    """An extension that waits for its approval, and three people of its town."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        with runtime.open_unit_of_work() as work:
            town = TownFactory(work).create_town()
            self.town_id = town.id
            self.requester, self.one, self.other = (create_actor(Role.TOWN_ADMIN, town) for _ in range(3))
            self.id = extensions.request_extension(work, self.requester, town.id, 20, "a move").id

    def approve(self, work: UnitOfWork, actor: Actor | None = None) -> UUID | None:
        return extensions.approve_extension(work, actor or self.one, self.id).approved_by

    def cancel(self, work: UnitOfWork, actor: Actor | None = None) -> UUID | None:
        return extensions.cancel_extension(work, actor or self.other, self.id).cancelled_by

    def load(self) -> BudgetExtension:
        with self.runtime.open_unit_of_work() as work:
            return work.session.get_one(BudgetExtension, self.id)

    def count_approval_alarms(self) -> int:
        statement = select(func.count()).select_from(Alarm).where(Alarm.kind == AlarmKind.BUDGET_EXTENSION_APPROVED)
        with self.runtime.open_unit_of_work() as work:
            return work.session.scalar(statement) or 0


@pytest.fixture
def extension(runtime: Runtime) -> RequestedExtension:
    return RequestedExtension(runtime)


def test_two_people_approve(extension: RequestedExtension) -> None:
    outcomes = run_overlapping(extension.runtime, extension.approve, lambda work: extension.approve(work, extension.other))
    assert outcomes == (extension.one.account_id,) * 2, "the second one reads who was first"
    assert extension.count_approval_alarms() == 1


def test_nothing_is_approved_that_is_cancelled_at_the_same_time(extension: RequestedExtension) -> None:
    _, refusal = run_overlapping(extension.runtime, extension.cancel, extension.approve)
    assert isinstance(refusal, BudgetExtensionEnded)
    assert (extension.load().approved_at, extension.count_approval_alarms()) == (None, 0)


def test_a_cancellation_holds_against_an_approval_just_before(extension: RequestedExtension) -> None:
    outcomes = run_overlapping(extension.runtime, extension.approve, extension.cancel)
    assert outcomes == (extension.one.account_id, extension.other.account_id)
    assert extension.load().cancelled_at is not None


def test_two_people_cancel(extension: RequestedExtension) -> None:
    outcomes = run_overlapping(extension.runtime, extension.cancel, lambda work: extension.cancel(work, extension.one))
    assert outcomes == (extension.other.account_id,) * 2


def test_nothing_is_approved_while_the_town_is_stopped(extension: RequestedExtension) -> None:
    _, refusal = run_overlapping(
        extension.runtime, lambda work: stop_switch.stop(work, extension.other, extension.town_id, "odd"), extension.approve
    )
    assert isinstance(refusal, BudgetExtensionEnded), "the stop switch has ended it"

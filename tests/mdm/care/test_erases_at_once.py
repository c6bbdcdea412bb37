"""Two people, or a person and the worker, act on one erase at the same time: one wins, and no tablet is erased twice."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from cartable.clock import ManualClock
from cartable.scope import Actor
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.safeguards import stop_switch
from enrollment.safeguards.errors import DestructiveCommandsStopped
from enrollment.safeguards.models import BudgetEntry
from mdm.care.erasing import bulk
from mdm.care.erasing.errors import BulkEraseEnded
from mdm.care.erasing.models import BulkErase
from mdm.care.erasing.service import erase_tablet
from mdm.queue.models import CommandBody, QueuedCommand
from tests.mdm.care.test_bulk_erase import ReturnCampaign
from tests.support.concurrency import run_overlapping


class RequestedErase:
    """A bulk erase of returned tablets that waits for its approval."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        with runtime.open_unit_of_work() as work:
            self.campaign = ReturnCampaign(work)
            self.bulk_id = bulk.request_bulk_erase(
                work, self.campaign.requester, self.campaign.town.id, self.campaign.returned_ids, "fin de CM2", "RET-1"
            ).id

    def approve(self, work: UnitOfWork, actor: Actor | None = None) -> UUID | None:
        return bulk.approve_bulk_erase(work, actor or self.campaign.approver, self.bulk_id).approved_by

    def cancel(self, work: UnitOfWork) -> UUID | None:
        return bulk.cancel_bulk_erase(work, self.campaign.requester, self.bulk_id).cancelled_by

    def approve_and_wait(self, clock: ManualClock) -> None:
        """Approve, and let the time pass in which it can be cancelled as a whole."""
        with self.runtime.open_unit_of_work() as work:
            self.approve(work)
        clock.advance(bulk.DELAY)

    def count_erases(self) -> int:
        statement = select(func.count()).select_from(QueuedCommand).join(CommandBody)
        with self.runtime.open_unit_of_work() as work:
            return work.session.scalar(statement.where(CommandBody.request_type == "EraseDevice")) or 0

    def load(self) -> BulkErase:
        with self.runtime.open_unit_of_work() as work:
            return work.session.get_one(BulkErase, self.bulk_id)


@pytest.fixture
def requested(runtime: Runtime) -> RequestedErase:
    return RequestedErase(runtime)


def test_nothing_is_approved_that_is_cancelled_at_the_same_time(requested: RequestedErase) -> None:
    _, refusal = run_overlapping(requested.runtime, requested.cancel, requested.approve)
    assert isinstance(refusal, BulkEraseEnded)
    assert requested.load().approved_at is None


def test_a_cancellation_ends_what_is_approved_at_the_same_time(requested: RequestedErase, clock: ManualClock) -> None:
    approver, canceller = run_overlapping(requested.runtime, requested.approve, requested.cancel)
    assert (approver, canceller) == (requested.campaign.approver.account_id, requested.campaign.requester.account_id)
    clock.advance(timedelta(hours=1))
    with requested.runtime.open_unit_of_work() as work:
        assert bulk.send_due_bulk_erases(work) == 0


def test_an_erase_is_approved_once(requested: RequestedErase) -> None:
    approver = requested.campaign.approver
    assert run_overlapping(requested.runtime, requested.approve, requested.approve) == (approver.account_id,) * 2


def test_nothing_is_approved_while_the_town_is_stopped(requested: RequestedErase) -> None:
    campaign = requested.campaign
    _, refusal = run_overlapping(
        requested.runtime, lambda work: stop_switch.stop(work, campaign.requester, campaign.town.id, "odd"), requested.approve
    )
    assert isinstance(refusal, DestructiveCommandsStopped)


def test_two_workers_send_one_stage(runtime: Runtime, requested: RequestedErase, clock: ManualClock) -> None:
    requested.approve_and_wait(clock)
    assert run_overlapping(runtime, bulk.send_due_bulk_erases, bulk.send_due_bulk_erases) == (3, 0)
    assert requested.count_erases() == 3


def test_the_second_stage_waits_for_its_time_although_two_workers_meet(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        campaign = ReturnCampaign(work, returned=12)
        erase = bulk.request_bulk_erase(work, campaign.requester, campaign.town.id, campaign.returned_ids, "fin de CM2", "RET-1")
        bulk.approve_bulk_erase(work, campaign.approver, erase.id)
    clock.advance(bulk.DELAY)
    first, second = run_overlapping(runtime, bulk.send_due_bulk_erases, bulk.send_due_bulk_erases)
    assert isinstance(first, int)
    assert 0 < first < 12
    assert second == 0


@pytest.mark.parametrize("is_cancelled_first", [True, False])
def test_a_cancellation_and_the_delivery_meet(
    runtime: Runtime, requested: RequestedErase, clock: ManualClock, is_cancelled_first: bool
) -> None:
    requested.approve_and_wait(clock)
    acts = (requested.cancel, bulk.send_due_bulk_erases)
    first, second = run_overlapping(runtime, *(acts if is_cancelled_first else acts[::-1]))
    if is_cancelled_first:
        assert (first, second, requested.count_erases()) == (requested.campaign.requester.account_id, 0, 0)
    else:
        assert (first, requested.count_erases()) == (3, 3)
        assert isinstance(second, BulkEraseEnded), "who cancels too late must know it"


def test_two_people_erase_one_tablet(runtime: Runtime, requested: RequestedErase) -> None:
    campaign = requested.campaign

    def erase(work: UnitOfWork, actor: Actor) -> None:
        erase_tablet(work, actor, campaign.lent_id, "broken", "T-1")

    outcomes = run_overlapping(runtime, lambda work: erase(work, campaign.requester), lambda work: erase(work, campaign.approver))
    assert (outcomes, requested.count_erases()) == ((None, None), 1)
    with runtime.open_unit_of_work() as work:
        assert len(work.session.scalars(select(BudgetEntry)).all()) == 1

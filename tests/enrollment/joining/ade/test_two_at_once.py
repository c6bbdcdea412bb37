"""Two workers for one server, and a bench that scans what the portal tells of: nothing is doubled, nobody fails."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

from sqlalchemy import select

from cartable.errors import DomainError
from cartable.outbox import OutboxRow, Topic
from cartable.outbox_leases import Claimant
from cartable.scope import SYSTEM
from enrollment.tablets import inventory
from enrollment.tablets.models import Tablet, TabletState
from mdm.worker.drains import drain
from tests.enrollment.joining.ade.conftest import AdeSetup
from tests.support.audit_trail import find_fault


def _together(*acts: Callable[[], object]) -> None:
    barrier = Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        barrier.wait(20)
        act()

    with ThreadPoolExecutor(len(acts)) as pool:
        list(pool.map(run, acts))


def test_two_workers_during_preparation_and_a_purchase_order(ade: AdeSetup) -> None:
    serials = [f"DMP{number:05d}" for number in range(40)]
    for serial in serials[:20]:
        ade.portal.add_device(serial)
    assert ade.sync().error is None
    for serial in serials[20:]:
        ade.portal.add_device(serial)
    with ade.runtime.open_unit_of_work() as work:
        work.enqueue_job(Topic.ADE_SYNC, ade.server_id)

    def scan() -> None:
        for serial in serials:
            try:
                with ade.runtime.open_unit_of_work() as work:
                    inventory.prepare_tablet(work, SYSTEM, ade.town_id, serial)
            except DomainError:
                continue  # not known yet

    def order() -> None:
        for serial in reversed(serials):
            try:
                with ade.runtime.open_unit_of_work() as work:
                    inventory.register_purchase_order(work, SYSTEM, ade.town_id, [serial], "BC-1")
            except DomainError:
                continue  # the portal told of it first

    def work_off(worker: str) -> None:
        drain(ade.runtime, Topic.ADE_SYNC, Claimant(worker))

    _together(partial(work_off, "one"), partial(work_off, "other"), ade.sync, scan, order)
    ade.sync()
    with ade.runtime.open_unit_of_work() as work:
        rows = work.session.scalars(select(Tablet)).all()
        assert sorted(row.serial for row in rows) == serials
        assert len({row.tag for row in rows}) == len(serials)
        assert {row.state for row in rows if row.serial in serials[:20]} == {TabletState.PREPARED}
        last_errors = work.session.scalars(select(OutboxRow.last_error).where(OutboxRow.topic == Topic.ADE_SYNC)).all()
        assert set(last_errors) <= {None, "busy"}
        assert find_fault(work, ade.town_id) is None

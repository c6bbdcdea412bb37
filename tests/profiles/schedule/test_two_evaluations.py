"""Two workers evaluate the modes of the same tablets at once: no duplicate key, no deadlock, the last one counts."""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import UUID

from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.facts import load_facts
from profiles.schedule.current_modes import lock_current_modes, save_current_modes
from profiles.schedule.models import TabletMode
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.service import evaluate_modes
from tests.support.world import TownFactory


def _save(work: UnitOfWork, tablet_ids: list[UUID]) -> None:
    facts = load_facts(work, tablet_ids)
    modes = evaluate_modes(work, facts.values())
    save_current_modes(work, lock_current_modes(work, facts, modes), modes, {})
    work.session.flush()


def test_the_first_modes_of_tablets_are_saved_by_two_sessions(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        tablet_ids = [world.create_tablet(town).id for _ in range(5)]
    saved: list[str] = []

    def save_reversed() -> None:
        with runtime.open_unit_of_work() as work:
            _save(work, tablet_ids[::-1])
        saved.append("second")

    with runtime.open_unit_of_work() as work:
        _save(work, tablet_ids[:3])
        thread = threading.Thread(target=save_reversed)
        thread.start()
        thread.join(0.3)  # on PostgreSQL it waits for the rows of the first session; on SQLite it waits to begin
        ScheduleRepository(work.session).postpone_evaluation(town.id, work.now + timedelta(days=365), work.now)
    thread.join(20)
    assert saved == ["second"]
    with runtime.open_unit_of_work() as work:
        assert work.session.query(TabletMode).count() == 5

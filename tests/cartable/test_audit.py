"""The audit trail: what was removed, changed, exchanged or added is named, and writers of two towns do not wait for each other."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, event, func, select, text, update

from cartable import alarms, audit
from cartable.alarms import AlarmKind
from cartable.audit import REGISTRY, AuditChain, AuditEvent
from cartable.audit_anchors import AnchorFile, AnchorKind, AnchorsUnreadable, ChainEnd, build_proof, compute_root, follow_proof
from cartable.audit_verification import ChainFault, FaultKind, read_ends, verify_page
from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from mdm.privacy import audit_trail
from mdm.privacy.audit_jobs import verify_next_events, write_anchors
from mdm.privacy.audit_repository import CheckpointRepository
from mdm.privacy.errors import NothingRestored
from tests.support.world import TownFactory

Tampering = Callable[[UnitOfWork, str], None]


class Trail:
    """A server with two towns of twelve events each, anchored after ten."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        with runtime.open_unit_of_work() as work:
            self.town_id, self.other_town_id = (TownFactory(work).create_town().id for _ in range(2))
        for town_id in (self.town_id, self.other_town_id):
            self.record(town_id, 10)
        self.anchor()
        for town_id in (self.town_id, self.other_town_id):
            self.record(town_id, 2)
        self.chain = str(self.town_id)

    def record(self, town_id: UUID | None, count: int) -> None:
        with self.runtime.open_unit_of_work() as work:
            for number in range(count):
                audit.record_event(work, SYSTEM, "tablet.refresh", "tablet", number, town_id=town_id, number=number)

    def anchor(self) -> None:
        with self.runtime.open_unit_of_work() as work:
            write_anchors(work)

    def find_fault(self) -> ChainFault | None:
        faults = audit_trail.verify_all(self.runtime).faults
        return faults[0] if faults else None


@pytest.fixture
def trail(runtime: Runtime) -> Trail:
    return Trail(runtime)


def delete_newest(work: UnitOfWork, chain: str) -> None:
    work.session.execute(delete(AuditEvent).where(AuditEvent.chain == chain, AuditEvent.sequence > 5))


def delete_middle(work: UnitOfWork, chain: str) -> None:
    work.session.execute(delete(AuditEvent).where(AuditEvent.chain == chain, AuditEvent.sequence.in_([4, 5])))


def delete_all(work: UnitOfWork, chain: str) -> None:
    work.session.execute(delete(AuditEvent).where(AuditEvent.chain == chain))


def delete_all_with_counter(work: UnitOfWork, chain: str) -> None:
    delete_all(work, chain)
    work.session.execute(delete(AuditChain).where(AuditChain.chain == chain))


def change_event(work: UnitOfWork, chain: str) -> None:
    work.session.execute(update(AuditEvent).where(AuditEvent.chain == chain, AuditEvent.sequence == 3).values(subject_id="7"))


def swap_events(work: UnitOfWork, chain: str) -> None:
    for before, after in ((3, 1000), (4, 3), (1000, 4)):
        work.session.execute(
            update(AuditEvent).where(AuditEvent.chain == chain, AuditEvent.sequence == before).values(sequence=after)
        )


def insert_event(work: UnitOfWork, chain: str) -> None:
    _insert_copy(work, chain, None)


def insert_event_at_the_end(work: UnitOfWork, chain: str) -> None:
    _insert_copy(work, chain, 13)


def _insert_copy(work: UnitOfWork, chain: str, sequence: int | None) -> None:
    columns = "town_id, at, actor_id, actor_name, action, subject_kind, subject_id, details, chain, link"
    copied = f"SELECT {columns}, :new FROM audit_event WHERE chain = :chain AND sequence = 2"
    work.session.execute(text(f"INSERT INTO audit_event ({columns}, sequence) {copied}"), {"chain": chain, "new": sequence})


def lower_counter(work: UnitOfWork, chain: str) -> None:
    delete_newest(work, chain)
    work.session.execute(update(AuditChain).where(AuditChain.chain == chain).values(sequence=5))


@pytest.mark.parametrize(
    ("change", "kind", "sequence", "anchored"),
    [
        (delete_newest, FaultKind.MISSING, 6, 10),
        (delete_middle, FaultKind.MISSING, 4, 10),
        (delete_all, FaultKind.MISSING, 1, 10),
        (change_event, FaultKind.CHANGED, 3, 10),
        (swap_events, FaultKind.CHANGED, 3, 10),
        (insert_event, FaultKind.ADDED, 13, None),
        (insert_event_at_the_end, FaultKind.CHANGED, 13, None),
        (lower_counter, FaultKind.COUNTER, 5, 10),
    ],
)
def test_the_first_wrong_event_is_named_with_the_anchor_it_contradicts(
    trail: Trail, change: Tampering, kind: FaultKind, sequence: int, anchored: int | None
) -> None:
    assert trail.find_fault() is None
    with trail.runtime.open_unit_of_work() as work:
        change(work, trail.chain)
    fault = trail.find_fault()
    assert fault is not None
    assert (fault.chain, fault.kind, fault.sequence) == (trail.chain, kind, sequence)
    assert (fault.anchor.sequence if fault.anchor else None) == anchored


def test_a_town_that_is_emptied_with_its_counter_is_noticed_by_the_number_of_chains(trail: Trail) -> None:
    with trail.runtime.open_unit_of_work() as work:
        delete_all_with_counter(work, trail.chain)
    report = audit_trail.verify_all(trail.runtime)
    assert [(fault.chain, fault.kind) for fault in report.faults] == [
        (REGISTRY, FaultKind.COUNTER),
        (trail.chain, FaultKind.BEHIND_ANCHOR),
    ]
    assert report.restore_window is None, "a restored database has the right number of chains"


def test_acts_go_on_when_a_counter_was_removed_and_that_is_not_forgotten(trail: Trail) -> None:
    with trail.runtime.open_unit_of_work() as work:
        work.session.execute(delete(AuditChain).where(AuditChain.chain == trail.chain))
    trail.record(trail.town_id, 2)
    assert [fault.chain for fault in audit_trail.verify_all(trail.runtime).faults] == [REGISTRY]


def set_back(work: UnitOfWork, chain: str, kept: list[tuple[str, int, str, str]]) -> None:
    """Remove the newest events of a chain and set its counter back to a genuine row of former days."""
    for key, sequence, link, seal in kept:
        if key == chain:
            work.session.execute(delete(AuditEvent).where(AuditEvent.chain == chain, AuditEvent.sequence > sequence))
            values = {"sequence": sequence, "link": link, "seal": seal}
            work.session.execute(update(AuditChain).where(AuditChain.chain == chain).values(**values))


def copy_counters(runtime: Runtime) -> list[tuple[str, int, str, str]]:
    with runtime.open_unit_of_work() as work:
        statement = select(AuditChain.chain, AuditChain.sequence, AuditChain.link, AuditChain.seal)
        return [tuple(row) for row in work.session.execute(statement)]  # type: ignore[misc]


def test_a_chain_set_back_to_a_genuine_counter_contradicts_the_anchor_and_is_no_restored_database(
    trail: Trail, clock: ManualClock
) -> None:
    kept = copy_counters(trail.runtime)
    for town_id in (trail.town_id, trail.other_town_id):
        trail.record(town_id, 3)
    clock.advance(timedelta(minutes=5))
    trail.anchor()
    with trail.runtime.open_unit_of_work() as work:
        set_back(work, trail.chain, kept)
    report = audit_trail.verify_all(trail.runtime)
    [fault] = report.faults
    assert (fault.kind, fault.sequence) == (FaultKind.BEHIND_ANCHOR, 13)
    assert fault.anchor is not None
    assert fault.anchor.sequence == 15
    assert report.restore_window is None, "the other town is not older"
    with pytest.raises(NothingRestored):
        audit_trail.accept_restored_database(trail.runtime)


def test_a_restored_database_is_told_apart_and_accepted_once(trail: Trail, clock: ManualClock) -> None:
    clock.advance(timedelta(minutes=5))
    trail.anchor()
    backup_at = clock.now()
    kept = copy_counters(trail.runtime)
    clock.advance(timedelta(minutes=5))
    for town_id in (trail.town_id, trail.other_town_id):
        trail.record(town_id, 3)
    trail.anchor()
    with trail.runtime.open_unit_of_work() as work:
        for town_id in (trail.town_id, trail.other_town_id):
            set_back(work, str(town_id), kept)
    window = audit_trail.verify_all(trail.runtime).restore_window
    assert window is not None
    assert (window.after, window.before) == (backup_at, clock.now())
    audit_trail.accept_restored_database(trail.runtime)
    assert audit_trail.verify_all(trail.runtime).faults == []
    trail.record(trail.town_id, 5)
    trail.anchor()
    assert audit_trail.verify_all(trail.runtime).faults == []
    with trail.runtime.open_unit_of_work() as work:
        delete_newest(work, trail.chain)
    assert trail.find_fault() is not None, "the new anchors count"
    with pytest.raises(NothingRestored):
        audit_trail.accept_restored_database(trail.runtime)


def test_a_changed_anchor_is_unreadable(trail: Trail) -> None:
    [path] = AnchorFile(trail.runtime.settings, trail.runtime.keyring).folder.iterdir()
    assert path.stat().st_mode & 0o077 == 0
    line = json.loads(path.read_text())
    line["ends"][trail.chain][0] = 3
    path.write_text(json.dumps(line) + "\n")
    with pytest.raises(AnchorsUnreadable, match=r"2026-11\.jsonl:1"):
        audit_trail.verify_all(trail.runtime)


def test_a_daily_root_proves_the_end_of_each_chain() -> None:
    for count in range(1, 8):
        ends = {f"chain-{number}": ChainEnd(number, str(number)) for number in range(count)}
        root = compute_root(ends)
        for chain, end in ends.items():
            assert follow_proof(chain, end, build_proof(ends, chain)) == root
            assert follow_proof(chain, replace(end, sequence=99), build_proof(ends, chain)) != root


def test_an_anchor_is_written_when_something_was_recorded_and_a_full_one_each_day(trail: Trail, clock: ManualClock) -> None:
    def write() -> tuple[AnchorKind, set[str]] | None:
        with trail.runtime.open_unit_of_work() as work:
            line = write_anchors(work)
        return (line.kind, set(line.ends)) if line else None

    both = {str(trail.town_id), str(trail.other_town_id)}
    assert write() == (AnchorKind.PERIODIC, both)
    assert write() is None
    trail.record(trail.town_id, 1)
    assert write() == (AnchorKind.PERIODIC, {trail.chain})
    clock.advance(timedelta(days=1))
    assert write() == (AnchorKind.DAILY, both)
    file = AnchorFile(trail.runtime.settings, trail.runtime.keyring)
    assert [anchor.sequence for anchor in file.load_anchors(trail.chain)] == [13, 13], "the last of each day"


def test_scheduled_verification_notices_a_removed_end_at_once_and_a_changed_event_by_its_pass(
    trail: Trail, clock: ManualClock
) -> None:
    def run() -> list[FaultKind]:
        with trail.runtime.open_unit_of_work() as work:
            return [fault.kind for fault in verify_next_events(work)]

    def list_faulty() -> list[str]:
        with trail.runtime.open_unit_of_work() as work:
            return [row.chain for row in CheckpointRepository(work.session).list_faulty()]

    assert run() == []
    with trail.runtime.open_unit_of_work() as work:
        change_event(work, trail.chain)
    assert run() == [], "the pass of today is over"
    clock.advance(timedelta(days=1))
    assert run() == [FaultKind.CHANGED]
    assert run() == [FaultKind.CHANGED]
    assert list_faulty() == [trail.chain]
    with trail.runtime.open_unit_of_work() as work:
        [alarm] = alarms.list_open_alarms(work, [trail.town_id])
        assert (alarm.kind, alarm.details["sequence"]) == (AlarmKind.AUDIT_TRAIL_BROKEN, 3), "once, not with each run"
    with trail.runtime.open_unit_of_work() as work:
        work.session.execute(
            update(AuditEvent).where(AuditEvent.chain == trail.chain, AuditEvent.sequence == 3).values(subject_id="2")
        )
    assert run() == []
    assert list_faulty() == []
    with trail.runtime.open_unit_of_work() as work:
        delete_newest(work, trail.chain)
    assert run() == [FaultKind.MISSING], "without waiting for a pass"


def test_verification_goes_on_from_a_position_and_reads_a_page_at_a_time(trail: Trail) -> None:
    with trail.runtime.open_unit_of_work() as work:
        first = verify_page(work, trail.chain, [], limit=5)
        assert (first.position.sequence, first.is_last) == (5, False)
        second = verify_page(work, trail.chain, [], first.position, limit=50)
        assert (second.position.sequence, second.fault, second.is_last) == (12, None, True)
        forged = ChainEnd(5, "0" * 64)
        assert verify_page(work, trail.chain, [], forged).fault is not None


def test_the_export_has_every_event_in_its_order(trail: Trail) -> None:
    lines = list(audit_trail.export_events(trail.runtime, audit.list_chain_keys(trail.town_id)))
    assert [line["sequence"] for line in lines] == list(range(1, 13))
    assert lines[2]["details"] == {"number": 2}


def test_an_event_of_a_savepoint_that_was_rolled_back_has_no_place(trail: Trail) -> None:
    with trail.runtime.open_unit_of_work() as work:
        audit.record_event(work, SYSTEM, "tablet.refresh", "tablet", "kept", town_id=trail.town_id)
        with pytest.raises(ZeroDivisionError), work.session.begin_nested():
            audit.record_event(work, SYSTEM, "tablet.refresh", "tablet", "undone", town_id=trail.town_id)
            work.session.flush()
            _ = 1 / 0
        audit.record_event(work, SYSTEM, "tablet.refresh", "tablet", "last", town_id=trail.town_id)
    with trail.runtime.open_unit_of_work() as work:
        newest = list(work.session.scalars(select(AuditEvent.subject_id).where(AuditEvent.sequence > 12)))
        assert sorted(newest) == ["kept", "last"]
    assert trail.find_fault() is None


def test_chaining_any_number_of_events_costs_the_same_number_of_statements(trail: Trail) -> None:
    def count_statements(count: int) -> int:
        statements: list[str] = []

        def listener(*arguments: object) -> None:
            statements.append(str(arguments[2]))

        event.listen(trail.runtime.engine, "before_cursor_execute", listener)
        with trail.runtime.open_unit_of_work() as work:
            for number in range(count):
                audit.record_reading(work, SYSTEM, "class.read", "tablet", number, town_id=trail.town_id)
        event.remove(trail.runtime.engine, "before_cursor_execute", listener)
        return sum(not statement.startswith("INSERT INTO audit_event ") for statement in statements)

    few, many = count_statements(2), count_statements(30)
    assert few == many


def test_concurrent_writers_leave_whole_chains_and_two_towns_do_not_wait(trail: Trail) -> None:
    """While a writer of one town has not committed, a writer of another town does; writers of no town and one town interleave."""
    is_postgres = trail.runtime.engine.dialect.name == "postgresql"
    done = threading.Event()

    def write_other_town() -> None:
        trail.record(trail.other_town_id, 1)
        trail.record(None, 1)
        done.set()

    with trail.runtime.open_unit_of_work() as work:
        audit.record_event(work, SYSTEM, "tablet.refresh", "tablet", 1, town_id=trail.town_id)
        work.session.flush()
        writer = threading.Thread(target=write_other_town)
        writer.start()
        if is_postgres:
            assert done.wait(5), "a writer of another town waits"
    writer.join(10)
    writers = [threading.Thread(target=trail.record, args=(town, 3)) for town in (trail.town_id, trail.other_town_id, None) * 3]
    for each in writers:
        each.start()
    for each in writers:
        each.join(20)
    assert audit_trail.verify_all(trail.runtime).faults == []
    with trail.runtime.open_unit_of_work() as work:
        count = work.session.scalar(select(func.count()).select_from(AuditEvent))
        assert sum(end.sequence for end in read_ends(work).values()) == count

"""The hot tables: each row carries the town of its enrollment, and changes of the hottest stay on their page (HOT updates)."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import Engine, Table, select, text, update

from cartable.clock import ManualClock
from cartable.database import Base, CarriesTown
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime, UnitOfWork
from mdm.channel.bodies import RenderedCommandCache
from mdm.channel.connect_batch import ConnectBatch
from mdm.devices.manifest_cache import ManifestCache
from mdm.devices.models import DeclarativeState, DeviceEnrollment, LastSeen, PushTarget
from mdm.devices.push_target_repository import PushTargetRepository
from mdm.devices.repository import DeviceRepository
from mdm.protocol.commands.queries import ProfileList, SecurityInfo
from mdm.queue.models import CommandResult, CommandState, QueuedCommand
from mdm.queue.service import enqueue_command, enqueue_individual_commands
from mdm.tables import metadata
from tests.mdm.queue.connect_loop import build_request, enroll_tablets, send_status

CARRIERS = {cast("Table", mapper.local_table).name for mapper in Base.registry.mappers if issubclass(mapper.class_, CarriesTown)}
#: Tables with one row, or few, for each tablet, which are written on decisions: the tablet or the enrollment that they name has the town.
OF_A_TABLET = {"identity_renewal"}


def _refers_to(table: Table, name: str) -> bool:
    return any(key.column.table.name == name for key in table.foreign_keys)


def test_every_table_of_an_enrollment_or_a_command_carries_its_town() -> None:
    hot = {
        table.name
        for table in metadata.sorted_tables
        if _refers_to(table, "device_enrollment") or _refers_to(table, "command") or table.dialect_options["postgresql"]["with"]
    }
    assert {name for name in hot - OF_A_TABLET if "town_id" not in metadata.tables[name].columns} == set()
    assert {"command", "command_result", "archived_command", "last_seen", "push_target", "declarative_state"} == CARRIERS
    for name in CARRIERS:
        column = metadata.tables[name].columns["town_id"]
        assert (column.nullable, column.index, list(column.foreign_keys)) == (False, None, []), "filled, and written at no cost"


def _list_towns(work: UnitOfWork, model: Any) -> dict[int, UUID]:
    return {row.enrollment_id: row.town_id for row in work.session.execute(select(model.enrollment_id, model.town_id))}


def test_rows_get_the_town_of_their_enrollment(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        enrollments = [enroll_tablets(work)[0] for _ in range(2)]
        towns = {each.id: each.town_id for each in enrollments}
        repository = DeviceRepository(work.session)
        for each in enrollments:
            PushTargetRepository(work.session).save_push_token(each.id, b"t" * 32, "magic", "topic", work.now)
            repository.create_declarative_state(each.id, each.town_id)
        enqueue_command(work, SYSTEM, ProfileList(), list(towns))
        enqueue_individual_commands(work, SYSTEM, {each.id: SecurityInfo() for each in enrollments})
        work.session.flush()
        work.session.expunge_all()
    late = {each.id: send_status(runtime, each) for each in enrollments}
    with runtime.open_unit_of_work() as work:
        for model in (LastSeen, PushTarget, DeclarativeState, QueuedCommand):
            assert _list_towns(work, model) == towns, model
        # These end before their result comes: it is stored all the same, by another statement.
        work.session.execute(update(QueuedCommand).where(QueuedCommand.sent_at.is_not(None)).values(state=CommandState.EXPIRED))
    for each in enrollments:
        _, uuid = late[each.id] or ("", "")
        following = send_status(runtime, each, "Acknowledged", uuid)
        assert following is not None
        send_status(runtime, each, "Acknowledged", following[1])
    with runtime.open_unit_of_work() as work:
        pairs = select(QueuedCommand.enrollment_id, CommandResult.town_id).join(
            CommandResult, CommandResult.command_id == QueuedCommand.id
        )
        found = [(row.enrollment_id, row.town_id) for row in work.session.execute(pairs)]
    assert sorted(found) == sorted([*towns.items(), *towns.items()])


def test_contacts_and_declarations_change_on_their_page(runtime: Runtime, engine: Engine, clock: ManualClock) -> None:
    """A changed row that leaves its page writes every index of its table again."""
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite changes rows in place")
    with runtime.open_unit_of_work() as work:
        enrollments = enroll_tablets(work, 60)
        repository = DeviceRepository(work.session)
        for each in enrollments:
            PushTargetRepository(work.session).save_push_token(each.id, b"t" * 32, "magic", "topic", work.now)
            repository.create_declarative_state(each.id, each.town_id)
        work.session.expunge_all()
    updated: Counter[str] = Counter()
    on_page: Counter[str] = Counter()
    for start in range(30):  # a tablet here and a tablet there, as they come
        clock.advance(timedelta(minutes=1))
        some = enrollments[start % 15 :: 15]
        with runtime.open_unit_of_work() as work:
            before = _count_updates(work)
            process_in(work, some)
            PushTargetRepository(work.session).mark_pushed([each.id for each in some], work.now)
            _serve_declarations(work, some)
            for name, counts in _count_updates(work).items():
                former = before.get(name, (0, 0))
                if counts == former:
                    continue  # changed before this test, and not yet in the shared statistics
                updated[name] += counts[0] - former[0]
                on_page[name] += counts[1] - former[1]
    assert updated.keys() == {"last_seen", "push_target", "declarative_state"}
    assert min(updated.values()) > 100
    assert {name: on_page[name] / updated[name] > 0.9 for name in updated} == dict.fromkeys(updated, True), on_page


def _count_updates(work: UnitOfWork) -> dict[str, tuple[int, int]]:
    """The updated rows of each table, and those of them that stayed on their page, since the statistics were last written."""
    rows = work.session.execute(
        text("SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE n_tup_upd > 0")
    )
    return {row.relname: (row.n_tup_upd, row.n_tup_hot_upd) for row in rows}


def process_in(work: UnitOfWork, enrollments: list[DeviceEnrollment]) -> None:
    ConnectBatch(work, RenderedCommandCache(), ManifestCache()).process([build_request(each) for each in enrollments])


def _serve_declarations(work: UnitOfWork, enrollments: list[DeviceEnrollment]) -> None:
    changes = update(DeclarativeState).where(DeclarativeState.enrollment_id.in_([each.id for each in enrollments]))
    work.session.execute(changes.values(served_mode="school", served_at=work.now))

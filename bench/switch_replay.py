"""`python -m bench.switch_replay`: measures what a change of mode costs the server and the worker, without simulated tablets.

The requests of each tablet are signed before the measurement and replayed: Idle, Acknowledged, manifest, properties, status report. What the
tablets would have reported earlier is written into the database. `bench.switch` measures whole tablets instead.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update

from bench import fleet
from bench.__main__ import print_machine, print_progress, settle_database, start_database
from bench.load import replay_conversations
from bench.serving import PORT, run_server
from cartable.migrate import upgrade
from cartable.outbox import OutboxRow, Topic
from cartable.scope import SYSTEM
from cartable.settings import Settings
from cartable.unit_of_work import Runtime
from enrollment.identity import service as identity
from enrollment.places.models import Town
from enrollment.tablets.repository import TabletRepository
from mdm.composition import compose
from mdm.devices.models import DeclarationStatus, DeclarativeState
from mdm.protocol.ddm import MANIFEST_KEYS
from mdm.queue.models import CommandResult, QueuedCommand
from mdm.reconcile.models import TabletProfile
from mdm.worker.drains import drain
from profiles.effective.models import DeclarationSet
from profiles.policy import documents, life
from profiles.policy.content import PolicyContent
from profiles.policy.kinds import PlaceKind
from profiles.render.declarations import PROPERTIES_IDENTIFIER, build_set_items, select_effective_identifiers
from profiles.schedule import authoring
from profiles.schedule.day_exceptions import OverrideKind
from profiles.schedule.modes import Mode

_ALWAYS = [{"kind": "school", "from": "00:00", "to": "24:00"}]
_WEEK = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), _ALWAYS)


def main() -> None:
    """Measure one change of mode."""
    parser = argparse.ArgumentParser(prog="python -m bench.switch_replay")
    parser.add_argument("--tablets", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--database", default="postgresql", choices=("postgresql", "sqlite"))
    arguments = parser.parse_args()
    print_machine()
    with start_database(arguments.database) as (folder, url, pid):
        runtime = compose(Settings(_env_file=None, data_dir=folder, database_url=url, public_url="https://bench.invalid"))
        upgrade(runtime.engine)
        with runtime.open_unit_of_work() as work:
            identity.ensure_authority(work)
        print_progress("seeding")
        tablets = fleet.seed_fleet(runtime, arguments.tablets)
        town_id = bring_into_first_mode(runtime)
        settle_database(runtime)
        close_school_today(runtime, town_id)
        decided = time.process_time()
        drain(runtime, Topic.RECONCILE)
        decided = time.process_time() - decided
        settle_database(runtime)
        print_progress("signing")
        conversations = build_conversations(runtime, tablets)
        with run_server(folder, url, pid) as server:
            before = server.read_usage()
            outcome = replay_conversations(fleet.HOST, PORT, conversations, arguments.connections, 600, once=True)
            cost = server.read_usage() - before
        assert not outcome.failures, outcome.failures
        assert count_confirmed(runtime) == len(tablets), "a tablet has not confirmed its mode"
        applied = time.process_time()
        for topic in (Topic.COMMAND_RESULT, Topic.RECONCILE):
            drain(runtime, topic)
        applied = time.process_time() - applied
        count = len(tablets)
        print(f"\n{count:,} tablets on {arguments.database}, {count / outcome.seconds:.0f} a second")
        print(
            f"per tablet: server {1000 * cost.server_cpu / count:.2f} ms, database {1000 * cost.database_cpu / count:.2f} ms, "
            f"{cost.statements / count:.2f} statements, {cost.commits / count:.2f} commits; "
            f"worker {1000 * decided / count:.2f} ms to decide, {1000 * applied / count:.2f} ms for what was reported"
        )
        runtime.engine.dispose()


def bring_into_first_mode(runtime: Runtime) -> UUID:
    """Let every tablet have proved its declarations in school mode. Returns the town."""
    with runtime.open_unit_of_work() as work:
        town_id = work.session.scalars(select(Town.id)).one()
        authoring.save_calendar(work, SYSTEM, town_id, "own", periods=[], public=[], known_until=None)
        authoring.save_timetable(work, SYSTEM, town_id, None, week=_WEEK, calendar="own", night=None)
        document = documents.open_document(work, SYSTEM, town_id, PlaceKind.TOWN, "")
        draft = life.Draft(PolicyContent({"school": {"allowSafari": False}}), reason="bench")
        life.publish(work, SYSTEM, document, life.save_draft(work, SYSTEM, document, draft).number)
        work.enqueue_selected_jobs(Topic.RECONCILE, TabletRepository(work.session).select_by_town(town_id))
    drain(runtime, Topic.RECONCILE)
    with runtime.open_unit_of_work() as work:  # the first report proves that a tablet supports declarations
        work.session.execute(update(DeclarativeState).values(reported_at=work.now))
        work.enqueue_selected_jobs(Topic.RECONCILE, TabletRepository(work.session).select_by_town(town_id))
    drain(runtime, Topic.RECONCILE)
    with runtime.open_unit_of_work() as work:
        [(sha256, mode)] = work.session.execute(select(DeclarativeState.set_sha256, DeclarativeState.mode).distinct())
        items = work.session.get_one(DeclarationSet, sha256).items
        work.session.execute(
            update(DeclarativeState).values(
                served_set_sha256=sha256, served_mode=mode, served_repairs={}, served_at=work.now,
                status=DeclarationStatus.CONFIRMED, status_since=work.now, confirmed_at=work.now, confirmed_mode=mode,
                status_items={"device": {"operating-system": {"version": "26.1"}}}, errors=[], next_check_at=None,
                reported_declarations=build_rows(items, Mode(str(mode))), declarative_only_since=work.now,
            )
        )  # fmt: skip
        work.session.execute(delete(CommandResult))
        work.session.execute(delete(QueuedCommand))
        work.session.execute(delete(TabletProfile))
        work.session.execute(delete(OutboxRow))
    return town_id


def close_school_today(runtime: Runtime, town_id: UUID) -> None:
    """Close the schools today: it changes the mode as a boundary of the timetable does, at an instant of our choice."""
    with runtime.open_unit_of_work() as work:
        today = work.now.date()
        authoring.create_override(
            work, SYSTEM, town_id, school_id=None, class_id=None, first=today, last=today, kind=OverrideKind.CLOSED
        )


def build_conversations(runtime: Runtime, tablets: list[fleet.SeededTablet]) -> list[list[bytes]]:
    """Sign the five requests of each tablet."""
    with runtime.open_unit_of_work() as work:
        waiting = fleet.load_queued_command_uuids(work)
        [(sha256, mode)] = work.session.execute(select(DeclarativeState.set_sha256, DeclarativeState.mode).distinct())
        rows = build_rows(work.session.get_one(DeclarationSet, sha256).items, Mode(str(mode)))
    report = json.dumps({"StatusItems": {"management": {"declarations": rows}}, "Errors": []}).encode()
    checkins: list[dict[str, object]] = [
        {"MessageType": "DeclarativeManagement", "Endpoint": "declaration-items"},
        {"MessageType": "DeclarativeManagement", "Endpoint": f"declaration/management/{PROPERTIES_IDENTIFIER}"},
        {"MessageType": "DeclarativeManagement", "Endpoint": "status", "Data": report},
    ]
    conversations = []
    for tablet in tablets:
        [uuid] = waiting[tablet.enrollment_id]
        messages: list[dict[str, object]] = [{"Status": "Idle"}, {"Status": "Acknowledged", "CommandUUID": uuid}, *checkins]
        conversations.append([tablet.build_signed_request(message) for message in messages])
    return conversations


def build_rows(items: list[dict[str, Any]], mode: Mode) -> dict[str, list[dict[str, Any]]]:
    """Return what a tablet reports that has applied a set in a mode."""
    documents = build_set_items(items, mode)
    effective = select_effective_identifiers(documents, mode)
    rows: dict[str, list[dict[str, Any]]] = {kind.lower(): [] for kind in MANIFEST_KEYS.values()}
    for item in documents:
        active = item["Identifier"] in effective or item["Kind"] == "management"
        row = {
            "identifier": item["Identifier"],
            "server-token": item["ServerToken"],
            "active": active,
            "valid": "valid",
            "reasons": [],
        }
        rows[MANIFEST_KEYS[item["Kind"]].lower()].append(row)
    return rows


def count_confirmed(runtime: Runtime) -> int:
    """Return how many tablets have confirmed what was announced to them in the last hour."""
    with runtime.open_unit_of_work() as work:
        statement = select(func.count()).where(
            DeclarativeState.confirmed_mode == DeclarativeState.mode,
            DeclarativeState.confirmed_at >= DeclarativeState.published_at,
            DeclarativeState.status == DeclarationStatus.CONFIRMED,
            DeclarativeState.published_at > work.now - timedelta(hours=1),
        )
        return work.session.scalar(statement) or 0


if __name__ == "__main__":
    main()

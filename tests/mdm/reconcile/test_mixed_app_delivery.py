"""Apps by declaration and by command in one selection: who gets a command, who is named, and how each tablet has an app again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from mdm.care import retries
from mdm.care.commands.bulk import preview_bulk_command
from mdm.care.commands.kinds import CommandKind
from mdm.care.commands.repository import TabletSelection
from mdm.care.commands.rules import Obstacle
from mdm.devices.models import DeclarativeState
from mdm.reconcile.models import AppState, TabletApp
from profiles.render.declarations import APP_PREFIX
from simulator.store import AppStore
from tests.conftest import KEYRING
from tests.mdm.reconcile.enrolled_tablet import EnrolledTablet
from tests.mdm.reconcile.test_a_school_day import SchoolDay
from tests.mdm.reconcile.test_declared_app_licences import create_declared_app
from tests.support.server import LiveServer, start_live_server

SCRATCH = "org.scratchjr.ipad"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", clock, token_minutes=60_000, declarative_apps=True) as running:
        yield running


def _run(story: Callable[[SchoolDay], Awaitable[None]], day: SchoolDay) -> None:
    async def run_and_close() -> None:
        try:
            await story(day)
        finally:
            await day.close()

    asyncio.run(run_and_close())


def test_both_kinds_of_tablets_of_one_selection_have_the_app_again(server: LiveServer, clock: ManualClock) -> None:
    _run(_install_again, SchoolDay(server, clock))


async def _install_again(day: SchoolDay) -> None:
    """On the tablet with declarations the app has failed; on the other one a child has deleted it, which nobody has noticed yet."""
    day.create_policy()
    await day.enroll()
    new, old = day.tablets["new"], day.tablets["old"]
    working = AppStore(bundle_ids={895485086: SCRATCH}, install_seconds=0)
    new.device.store, old.device.store = (
        AppStore(working.bundle_ids, failing_apps=frozenset({SCRATCH}), install_seconds=0),
        working,
    )
    await settle(day)
    assert (load_state(day, "new"), load_state(day, "old")) == ("failed", "installed")
    old.device.uninstall_app(SCRATCH)
    [app] = day.admin.get("/apps", params={"town_id": str(day.town.id)}).json()["items"]
    path, selection = f"/towns/{day.town.id}/bulk-commands", {"grade": "CE2"}
    preview = day.admin.post(f"{path}/preview", json={"kind": "install_app", "selection": selection, "app_id": app["id"]}).json()
    assert preview["ready"] == 1
    assert preview["obstacles"] == [{"obstacle": "app_declared", "count": 1, "tags": [load_tablet(day, "new")["tag"]]}]
    command = {"kind": "install_app", "app_id": app["id"]}
    given = day.admin.post(path, json={"command": command, "selection": selection})
    assert given.status_code == 201, given.text
    new.device.store = working
    alone = {"selection": {"tablet_ids": [load_tablet(day, "new")["id"]]}, "command": command}
    assert day.admin.post(path, json=alone).json()["code"] == "nobody_reached"
    assert day.admin.post(f"/tablets/{load_tablet(day, 'new')['id']}/apps/{app['id']}/retry").status_code == 202
    await settle(day)
    assert (load_state(day, "new"), load_state(day, "old")) == ("installed", "installed"), "by the tablets' own reports"
    assert (new.apps[SCRATCH].value, old.apps[SCRATCH].value) == ("Managed", "Managed")
    counts = day.admin.get(f"/bulk-commands/{given.json()['id']}").json()["counts"]
    assert counts == {"acknowledged": 1, "app_declared": 1}
    assert all("InstallApplication" not in each.request_types for each in new.history), "it would refuse the command"


async def settle(day: SchoolDay) -> None:
    """Let worker and tablets run, until installations have been asked about again."""
    for _ in range(5):
        await asyncio.to_thread(day.server.run_worker)
        await asyncio.gather(*(tablet.poll() for tablet in day.tablets.values()))
        day.clock.advance(timedelta(seconds=30))
    await asyncio.to_thread(day.server.run_worker)


def load_tablet(day: SchoolDay, name: str) -> dict[str, Any]:
    [row] = day.admin.get("/tablets", params={"q": day.tablets[name].serial}).json()["items"]
    return dict(row)


def load_state(day: SchoolDay, name: str) -> str:
    [app] = day.admin.get(f"/tablets/{load_tablet(day, name)['id']}").json()["apps"]
    return str(app["state"])


def _create_tablet(runtime: Runtime, clock: ManualClock, os_version: str, *, is_proved: bool) -> EnrolledTablet:
    tablet = EnrolledTablet(runtime, clock, os_version=os_version)
    create_declared_app(runtime, tablet)
    if is_proved:
        tablet.prove()
    return tablet


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("os_version", "is_proved", "is_declared"),
    [("18.4", True, True), ("18.10", True, True), ("18.4", False, False), ("18.3.2", True, False), ("16.7.10", False, False)],
)
def test_only_a_tablet_that_has_proved_declarations_is_left_out(
    runtime: Runtime, clock: ManualClock, os_version: str, *, is_proved: bool, is_declared: bool
) -> None:
    tablet = _create_tablet(runtime, clock, os_version, is_proved=is_proved)
    with runtime.open_unit_of_work() as work:
        preview = preview_bulk_command(work, SYSTEM, TabletSelection(tablet.enrollment.town_id), CommandKind.INSTALL_APP)
    assert (Obstacle.APP_DECLARED in preview.obstacles, len(preview.ready)) == (is_declared, 0 if is_declared else 1)


@pytest.mark.one_database
def test_a_tablet_whose_declarations_were_given_up_gets_apps_by_command(runtime: Runtime, clock: ManualClock) -> None:
    tablet = _create_tablet(runtime, clock, "18.4", is_proved=True)
    with runtime.open_unit_of_work() as work:
        work.session.get_one(DeclarativeState, tablet.enrollment.id).fallback_reason = "never applied"
        row = work.session.query(TabletApp).one()
        row.state, app_id = AppState.FAILED, row.app_id
    with runtime.open_unit_of_work() as work:
        retries.retry_app(work, SYSTEM, tablet.tablet_id, app_id)
    assert "InstallApplication" in tablet.connect()
    assert tablet.load_state().fallback_reason == "never applied", "a new attempt of an app is none of the rules"


@pytest.mark.one_database
def test_an_app_that_is_tried_again_is_the_only_declaration_that_is_renewed(runtime: Runtime, clock: ManualClock) -> None:
    tablet = _create_tablet(runtime, clock, "18.4", is_proved=True)
    tablet.report()
    before = _list_tokens(tablet)
    with runtime.open_unit_of_work() as work:
        row = work.session.query(TabletApp).one()
        row.state, app_id = AppState.FAILED, row.app_id
    with runtime.open_unit_of_work() as work:
        retries.retry_app(work, SYSTEM, tablet.tablet_id, app_id)
    assert tablet.connect().count("DeclarativeManagement") == 1
    renewed = {identifier for identifier, token in _list_tokens(tablet).items() if before[identifier] != token}
    assert {identifier.startswith(f"{APP_PREFIX}.") for identifier in renewed} == {True}


def _list_tokens(tablet: EnrolledTablet) -> dict[str, str]:
    return {row["Identifier"]: row["ServerToken"] for rows in tablet.fetch_manifest().values() for row in rows}

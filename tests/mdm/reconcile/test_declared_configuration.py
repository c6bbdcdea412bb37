"""The managed configuration of an app that is declared: the tablet fetches the values, and its own status report proves them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from enrollment.tablets.models import Tablet
from mdm.reconcile import app_configuration
from mdm.reconcile.models import ConfigurationStatus, TabletApp
from mdm.reconcile.service import reconcile_tablets
from profiles.apps.configuration import ConfigurationEntry, EntryKind
from profiles.apps.models import App
from profiles.render.declarations import APP_PREFIX, APP_VALUES_PATH, ManagedApp, build_declarations
from simulator.store import AppStore
from tests.conftest import KEYRING
from tests.mdm.reconcile.enrolled_tablet import EnrolledTablet
from tests.mdm.reconcile.test_a_school_day import SchoolDay
from tests.mdm.reconcile.test_declared_app_licences import create_declared_app
from tests.support.server import LiveServer, start_live_server

SCRATCH = "org.scratchjr.ipad"
SERVER = {"key": "server", "kind": "text", "value": "https://classe.example.fr/{{tag}}"}
COUNT = {"key": "count", "kind": "number", "value": "3"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def server(engine: Engine, tmp_path: Path, clock: ManualClock) -> Iterator[LiveServer]:
    with start_live_server(engine, KEYRING, tmp_path / "data", clock, token_minutes=60_000, declarative_apps=True) as running:
        yield running


def test_tablets_prove_the_values_that_a_declaration_brings(server: LiveServer, clock: ManualClock) -> None:
    day = SchoolDay(server, clock)

    async def run() -> None:
        try:
            await _prove_values(day)
        finally:
            await day.close()

    asyncio.run(run())


async def _prove_values(day: SchoolDay) -> None:
    day.create_policy()
    await day.enroll()
    for tablet in day.tablets.values():
        tablet.device.store = AppStore(bundle_ids={895485086: SCRATCH}, install_seconds=0)
    configure(day, SERVER, COUNT)
    await day.exchange()
    tag = rename(day, "VAL-00001")
    await day.exchange()
    new = day.tablets["new"]
    assert new.device.apps[SCRATCH].configuration == {"server": f"https://classe.example.fr/{tag}", "count": 3}, (
        "its tag has changed"
    )
    assert load_app(day)["configuration"] == "proved"
    assert all({"InstallApplication", "Settings"}.isdisjoint(each.request_types) for each in new.history), "commands fail for it"
    old = day.tablets["old"].device.apps[SCRATCH].configuration
    assert old is not None, "a system without the key gets it by command"
    assert old["count"] == 3

    configure(day, COUNT)
    await day.exchange()
    assert new.device.apps[SCRATCH].configuration == {"count": 3}
    assert load_app(day)["configuration"] == "proved"
    configure(day)
    await day.exchange()
    assert new.device.apps[SCRATCH].configuration is None
    assert load_app(day)["configuration"] is None
    forged = f"{day.server.url}{APP_VALUES_PATH}{load_app(day)['app_id']}/0"
    assert day.admin.get(forged).status_code in {400, 401, 403}, "no values without the identity of a tablet"


def configure(day: SchoolDay, *entries: dict[str, str]) -> None:
    path = f"/apps/{load_app_id(day)}/configuration"
    day.admin.put(path, json={"entries": list(entries)}).raise_for_status()


def load_app_id(day: SchoolDay) -> str:
    [app] = day.admin.get("/apps", params={"town_id": str(day.town.id)}).json()["items"]
    return str(app["id"])


def load_app(day: SchoolDay) -> dict[str, Any]:
    [row] = day.admin.get("/tablets", params={"q": day.tablets["new"].serial}).json()["items"]
    [app] = day.admin.get(f"/tablets/{row['id']}").json()["apps"]
    return dict(app)


def rename(day: SchoolDay, tag: str) -> str:
    """Give the tablet another tag, as a bench does that prints a new label."""
    with day.server.runtime.open_unit_of_work() as work:
        tablet = work.session.query(Tablet).filter(Tablet.serial == day.tablets["new"].serial).one()
        tablet.tag = tag
        work.session.flush()
        reconcile_tablets(work, [tablet.id])
    return tag


def test_what_a_tablet_cannot_apply_is_told_with_its_reason_until_it_can(runtime: Runtime, clock: ManualClock) -> None:
    tablet = EnrolledTablet(runtime, clock)
    create_declared_app(runtime, tablet)
    with runtime.open_unit_of_work() as work:
        entry = ConfigurationEntry("server", EntryKind.TEXT, "{{tag}}")
        app_configuration.set_configuration(work, SYSTEM, work.session.query(App).one().id, [entry])
    tablet.prove()
    reason = {"code": "Error.AssetCannotBeDownloaded", "description": "no network"}
    tablet.report({f"{APP_PREFIX}.": {"valid": "invalid", "active": False, "reasons": [reason]}})
    tablet.connect()
    row = load_row(runtime)
    assert row.configuration_status is ConfigurationStatus.REFUSED
    assert "no network" in (row.configuration_problem or "")
    tablet.wait(minutes=3)
    tablet.report()
    tablet.connect()
    assert load_row(runtime).configuration_status is ConfigurationStatus.PROVED


def test_a_tablet_that_lists_the_former_version_has_proved_nothing(runtime: Runtime, clock: ManualClock) -> None:
    tablet = EnrolledTablet(runtime, clock)
    create_declared_app(runtime, tablet)
    with runtime.open_unit_of_work() as work:
        entry = ConfigurationEntry("server", EntryKind.TEXT, "a")
        app_configuration.set_configuration(work, SYSTEM, work.session.query(App).one().id, [entry])
    tablet.prove()
    tablet.report({f"{APP_PREFIX}-values.": {"server-token": "former"}})
    tablet.connect()
    assert load_row(runtime).configuration_status is ConfigurationStatus.WAITING


def load_row(runtime: Runtime) -> TabletApp:
    with runtime.open_unit_of_work() as work:
        row = work.session.query(TabletApp).one()
        work.session.expunge(row)
        return row


def test_other_values_are_another_asset_and_another_configuration() -> None:
    def build(values: str | None) -> dict[str, str]:
        app = ManagedApp("fr.test.atlas", 47, None, values)
        declared = build_declarations("https://mdm.test", "Ville", None, {}, [app])
        return {each.identifier: each.server_token for each in declared if each.identifier.startswith(APP_PREFIX)}

    without, first, second = build(None), build("app/1"), build("app/2")
    assert len(without) == 1
    assert len(first) == len(second) == 2
    [configuration] = without
    assert len({each[configuration] for each in (without, first, second)}) == 3
    assert first.keys() & second.keys() == {configuration}

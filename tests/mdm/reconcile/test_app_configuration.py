"""The managed configuration of an app on a tablet: with the installation, changed later, taken away; proved by the tablet's own report."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from enrollment.facts import load_facts
from mdm.care import retries
from mdm.reconcile import app_configuration
from mdm.reconcile.app_configuration import ConfigurationProgress
from mdm.reconcile.models import AppState, ConfigurationStatus, TabletApp
from profiles.apps.configuration import ConfigurationEntry, EntryKind, check_entries
from profiles.apps.errors import BadConfiguration
from profiles.apps.models import App
from tests.mdm.reconcile.test_app_refusals import BUNDLE_ID, TabletWithApp

SERVER = ConfigurationEntry("server", EntryKind.TEXT, "https://classe.example.fr/{{tag}}/{{serial}}")


class TabletWithConfiguredApp(TabletWithApp):
    """A tablet that keeps the configuration of its app as iPadOS does, and reports it."""

    def __init__(self, runtime: Runtime, clock: ManualClock) -> None:
        self.configuration: dict[str, Any] | None = None
        super().__init__(runtime, clock, self._install)
        self.answers["Settings"] = self._set
        self.answers["ManagedApplicationConfiguration"] = self._report

    def _install(self, command: dict[str, Any]) -> dict[str, Any]:
        self.configuration, self.status = command.get("Configuration"), "Managed"
        return {"Identifier": BUNDLE_ID, "State": "Installing"}

    def _set(self, command: dict[str, Any]) -> dict[str, Any]:
        for item in command["Settings"]:
            assert (item["Item"], item["Identifier"]) == ("ApplicationConfiguration", BUNDLE_ID)
            self.configuration = item.get("Configuration")
        return {"Settings": [{"Item": "ApplicationConfiguration", "Status": "Acknowledged"}]}

    def _report(self, _command: dict[str, Any]) -> dict[str, Any]:
        return {"ApplicationConfigurations": [{"Identifier": BUNDLE_ID, "Configuration": self.configuration or {}}]}

    def configure(self, *entries: ConfigurationEntry) -> None:
        with self.runtime.open_unit_of_work() as work:
            app_configuration.set_configuration(work, SYSTEM, work.session.query(App).one().id, entries)

    def load_row(self) -> TabletApp:
        with self.runtime.open_unit_of_work() as work:
            row = work.session.query(TabletApp).one()
            work.session.expunge(row)
            return row

    def count_progress(self) -> ConfigurationProgress:
        with self.runtime.open_unit_of_work() as work:
            return app_configuration.count_progress(work, work.session.query(App).one())


def test_an_app_has_its_configuration_when_it_is_first_opened_and_the_tablet_proves_it(
    runtime: Runtime, clock: ManualClock
) -> None:
    tablet = TabletWithConfiguredApp(runtime, clock)
    tablet.configure(
        SERVER, ConfigurationEntry("count", EntryKind.NUMBER, "3"), ConfigurationEntry("open", EntryKind.BOOLEAN, "oui")
    )
    tablet.connect()
    [order] = tablet.orders
    with runtime.open_unit_of_work() as work:
        facts = load_facts(work, [tablet.tablet_id])[tablet.tablet_id]
    expected = {"server": f"https://classe.example.fr/{facts.tag}/{facts.serial}", "count": 3, "open": True}
    assert order["Configuration"] == expected
    tablet.wait(minutes=1)
    tablet.connect()
    assert tablet.configuration == expected
    assert tablet.count_progress() == ConfigurationProgress(installed=1, proved=1)
    assert "Settings" not in tablet.wait(hours=1), "what is proved is not sent again"


def test_a_change_and_a_removal_reach_an_installed_app(runtime: Runtime, clock: ManualClock) -> None:
    tablet = TabletWithConfiguredApp(runtime, clock)
    tablet.connect()
    tablet.wait(minutes=1)
    tablet.connect()
    assert tablet.count_progress() == ConfigurationProgress(1, 1)
    tablet.configure(
        ConfigurationEntry("sites", EntryKind.LIST, "lumni.fr\n {{tag}} \n\n"),
        ConfigurationEntry("from", EntryKind.DATE, "2026-09-01"),
        ConfigurationEntry("b64", EntryKind.TEXT, "no bytes"),
    )
    tablet.connect()
    tablet.connect()
    assert tablet.configuration
    assert tablet.configuration["sites"][0] == "lumni.fr"
    assert tablet.configuration["from"] == datetime(2026, 9, 1)  # noqa: DTZ001 (property lists have no zone)
    assert tablet.count_progress() == ConfigurationProgress(1, 1)
    tablet.configure()
    tablet.connect()
    tablet.connect()
    assert not tablet.configuration
    assert tablet.count_progress() == ConfigurationProgress(1, 1)
    with runtime.open_unit_of_work() as work:
        row = work.session.query(TabletApp).one()
        assert (row.configuration_sent, row.configuration_proved) == (None, None)


def test_what_a_tablet_does_not_report_is_not_proved(runtime: Runtime, clock: ManualClock) -> None:
    tablet = TabletWithConfiguredApp(runtime, clock)
    tablet.connect()
    tablet.wait(minutes=1)
    tablet.answers["Settings"] = lambda _command: {"Settings": [{"Item": "ApplicationConfiguration", "Status": "Error"}]}
    tablet.configure(SERVER)
    tablet.connect()
    tablet.connect()
    assert tablet.count_progress() == ConfigurationProgress(installed=1, proved=0)


def test_a_refused_configuration_is_sent_again_a_few_times_and_when_a_person_asks(runtime: Runtime, clock: ManualClock) -> None:
    tablet = TabletWithConfiguredApp(runtime, clock)
    tablet.connect()
    tablet.wait(minutes=1)
    orders: list[dict[str, Any]] = []
    error = {"ErrorCode": 12021, "ErrorDomain": "MCMDMErrorDomain", "LocalizedDescription": "The app is busy."}

    def refuse(command: dict[str, Any]) -> dict[str, Any]:
        orders.append(command)
        return {"Settings": [{"Item": "ApplicationConfiguration", "Status": "Error", "ErrorChain": [error]}]}

    tablet.answers["Settings"] = refuse
    tablet.configure(SERVER)
    tablet.connect()
    assert len(orders) == 1
    assert tablet.load_row().configuration_problem == "12021 The app is busy."
    tablet.wait(minutes=2)
    assert len(orders) == 2, "sent again after a minute"
    for _ in range(8):
        tablet.wait(hours=2)
    assert len(orders) == 5, "not for ever"
    with runtime.open_unit_of_work() as work:
        retries.retry_app(work, SYSTEM, tablet.tablet_id, tablet.load_row().app_id)
    tablet.answers["Settings"] = tablet._set
    tablet.connect()
    tablet.connect()
    assert tablet.load_row().configuration_status is ConfigurationStatus.PROVED
    assert tablet.load_app()[0] is AppState.INSTALLED, "the app itself was not ordered again"
    assert len(tablet.orders) == 1


def test_a_change_forgets_the_refusals_before_it(runtime: Runtime, clock: ManualClock) -> None:
    tablet = TabletWithConfiguredApp(runtime, clock)
    tablet.connect()
    tablet.wait(minutes=1)
    tablet.answers["Settings"] = lambda _command: {"Status": "Error", "ErrorChain": []}
    tablet.configure(SERVER)
    tablet.connect()
    assert tablet.load_row().configuration_status is ConfigurationStatus.REFUSED, "a refusal of the whole command counts too"
    tablet.answers["Settings"] = tablet._set
    tablet.configure(ConfigurationEntry("server", EntryKind.TEXT, "other"))
    tablet.connect()
    tablet.connect()
    assert tablet.load_row().configuration_status is ConfigurationStatus.PROVED
    assert tablet.load_row().configuration_attempts == 0


def test_values_are_sealed_and_not_audited(runtime: Runtime, clock: ManualClock) -> None:
    tablet = TabletWithConfiguredApp(runtime, clock)
    tablet.configure(ConfigurationEntry("licence", EntryKind.TEXT, "SECRET-4711"))
    with runtime.open_unit_of_work() as work:
        [event] = work.session.query(AuditEvent).filter(AuditEvent.action == "app.configure").all()
        assert event.details["keys"] == ["licence"]
        assert "SECRET" not in str(event.details)
        stored = work.session.connection().exec_driver_sql("SELECT configuration FROM app").scalar_one()
        assert b"SECRET" not in bytes(stored)


@pytest.mark.parametrize(
    "entry",
    [
        ConfigurationEntry("", EntryKind.TEXT, "x"),
        ConfigurationEntry("count", EntryKind.NUMBER, "three"),
        ConfigurationEntry("count", EntryKind.NUMBER, "1e400"),
        ConfigurationEntry("count", EntryKind.NUMBER, "1e300"),
        ConfigurationEntry("open", EntryKind.BOOLEAN, "perhaps"),
        ConfigurationEntry("day", EntryKind.DATE, "01/09/2026"),
        ConfigurationEntry("name", EntryKind.TEXT, "{{first_name}}"),
        ConfigurationEntry("bell", EntryKind.TEXT, "\x07"),
        ConfigurationEntry("half", EntryKind.TEXT, "\ud800"),
    ],
)
def test_a_value_of_another_kind_is_refused(entry: ConfigurationEntry) -> None:
    with pytest.raises(BadConfiguration):
        check_entries([entry])


def test_a_key_is_there_once() -> None:
    with pytest.raises(BadConfiguration):
        check_entries([SERVER, SERVER])

"""Why an app is not installed: the tablet's own reason, also with Status Error, is what people read; retries are bounded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from mdm.care import retries
from mdm.care.errors import NothingToRetry
from mdm.protocol.commands.apps import RemoveApplication
from mdm.protocol.connect import ErrorLink
from mdm.queue import service as queue
from mdm.queue.models import QueuedCommand
from mdm.reconcile.app_outcomes import InstallOutcome, judge_installation, read_declared_app
from mdm.reconcile.models import AppReason, AppState, TabletApp
from mdm.reconcile.refresh import enqueue_refresh
from mdm.reconcile.service import reconcile_tablets
from profiles.apps import licences
from profiles.apps.service import create_app
from profiles.effective import bundles
from profiles.policy.kinds import PlaceKind
from profiles.policy.models import Preset
from tests.mdm.reconcile.enrolled_tablet import Answer, EnrolledTablet

BUNDLE_ID = "fr.test.atlas"
STORE_ID = 4711


class TabletWithApp(EnrolledTablet):
    """A tablet of a town where one store app is required, with enough licences. `status`: in the ManagedApplicationList."""

    def __init__(self, runtime: Runtime, clock: ManualClock, install: Answer, status: str | None = None) -> None:
        super().__init__(runtime, clock, os_version="16.7")
        self.status = status
        self.orders: list[dict[str, Any]] = []

        def answer_install(command: dict[str, Any]) -> dict[str, Any]:
            self.orders.append(command)
            return install(command)

        def list_managed(_command: dict[str, Any]) -> dict[str, Any]:
            return {"ManagedApplicationList": {BUNDLE_ID: {"Status": self.status}} if self.status else {}}

        self.answers["InstallApplication"] = answer_install
        self.answers["ManagedApplicationList"] = list_managed
        with runtime.open_unit_of_work() as work:
            town_id = self.enrollment.town_id
            app = create_app(
                work, SYSTEM, town_id, name="Atlas", bundle_identifier=BUNDLE_ID, app_store_id=STORE_ID, manifest_url=None
            )
            licences.set_pool_total(work, SYSTEM, app.id, 10)
            bundle = bundles.create_bundle(work, SYSTEM, town_id, "Atlas", [app.id])
            bundles.assign_bundle(work, SYSTEM, bundle, PlaceKind.TOWN, "")

    def load_app(self) -> tuple[AppState, AppReason]:
        with self.runtime.open_unit_of_work() as work:
            row = work.session.query(TabletApp).one()
            return row.state, row.reason

    def wait_ten_hours(self) -> None:
        for _ in range(10):
            self.wait(hours=1)


def refuse(rejection: str | None, *errors: tuple[str, int, str]) -> Answer:
    """Return the answer of a tablet that refuses every installation in this way."""
    chain = [{"ErrorDomain": domain, "ErrorCode": code, "LocalizedDescription": text} for domain, code, text in errors]
    body: dict[str, Any] = {"Status": "Error", "ErrorChain": chain, "State": "Failed"}
    return lambda _command: body | ({"RejectionReason": rejection} if rejection else {})


def accept(_command: dict[str, Any]) -> dict[str, Any]:
    return {"Identifier": BUNDLE_ID, "State": "Installing"}


ALREADY_INSTALLED = refuse("AppAlreadyInstalled", ("MCMDMErrorDomain", 12025, "The app is already installed."))
NO_LICENCE = refuse(
    "Other",
    ("MDMErrorDomain", 12064, "Could not retrieve license for the app."),
    ("DeviceManagement.error", 2605, "Could not retrieve license."),
)
PROMPTING = refuse(None, ("DeviceManagement.error", 1407, "The user is already being prompted."))


def test_management_of_an_app_that_a_person_had_installed_is_taken_over(runtime: Runtime, clock: ManualClock) -> None:
    def install(command: dict[str, Any]) -> dict[str, Any]:
        if command.get("ChangeManagementState") != "Managed":
            return ALREADY_INSTALLED(command)
        tablet.status = "Managed"
        return accept(command)

    tablet = TabletWithApp(runtime, clock, install)
    tablet.wait(minutes=1)
    tablet.wait(minutes=1)
    assert [order.get("ChangeManagementState") for order in tablet.orders] == [None, "Managed"]
    assert tablet.load_app() == (AppState.INSTALLED, AppReason.INSTALLED)


@pytest.mark.one_database
def test_an_app_that_cannot_be_taken_over_counts_as_installed(runtime: Runtime, clock: ManualClock) -> None:
    tablet = TabletWithApp(runtime, clock, ALREADY_INSTALLED)
    tablet.wait_ten_hours()
    assert tablet.load_app() == (AppState.INSTALLED, AppReason.NOT_MANAGED)
    assert len(tablet.orders) == 2
    with runtime.open_unit_of_work() as work:
        enqueue_refresh(work, [tablet.tablet_id])
    tablet.answers["InstalledApplicationList"] = lambda _command: {"InstalledApplicationList": []}
    tablet.connect()
    assert tablet.load_app() == (AppState.INSTALLED, AppReason.NOT_MANAGED), "a list of managed apps does not name it"


@pytest.mark.one_database
def test_a_licence_that_the_store_does_not_know_is_waited_for(runtime: Runtime, clock: ManualClock) -> None:
    tablet = TabletWithApp(runtime, clock, NO_LICENCE)
    tablet.wait_ten_hours()
    assert tablet.load_app() == (AppState.WAITING, AppReason.NO_LICENCE)
    assert 3 <= len(tablet.orders) <= 6
    tablet.answers["InstallApplication"] = accept
    tablet.status = "Managed"
    tablet.wait(days=1)
    tablet.wait(minutes=2)
    assert tablet.load_app() == (AppState.INSTALLED, AppReason.INSTALLED)


@pytest.mark.one_database
def test_the_reason_of_a_failure_stays_when_the_app_is_ordered_again(runtime: Runtime, clock: ManualClock) -> None:
    tablet = TabletWithApp(runtime, clock, refuse("CouldNotVerifyAppID", ("MCMDMErrorDomain", 12023, "unknown")))
    tablet.wait(minutes=1)
    assert tablet.load_app() == (AppState.WAITING, AppReason.REMOVED_FROM_STORE)
    with runtime.open_unit_of_work() as work:
        reconcile_tablets(work, [tablet.tablet_id])
    assert tablet.load_app() == (AppState.WAITING, AppReason.REMOVED_FROM_STORE)
    tablet.wait_ten_hours()
    assert tablet.load_app() == (AppState.FAILED, AppReason.REMOVED_FROM_STORE)
    assert len(tablet.orders) == 5


@pytest.mark.one_database
def test_a_prompt_that_nobody_answers_is_the_reason_and_ends(runtime: Runtime, clock: ManualClock) -> None:
    tablet = TabletWithApp(runtime, clock, PROMPTING)
    tablet.wait(minutes=1)
    assert tablet.load_app() == (AppState.INSTALLING, AppReason.USER_PROMPTED)
    tablet.wait_ten_hours()
    assert tablet.load_app() == (AppState.FAILED, AppReason.USER_PROMPTED)
    assert len(tablet.orders) == 1


@pytest.mark.one_database
@pytest.mark.parametrize("status", ["UserRejected", "ManagementRejected", "UpdateRejected"])
def test_an_app_that_a_child_declines_is_not_offered_again(runtime: Runtime, clock: ManualClock, status: str) -> None:
    tablet = TabletWithApp(runtime, clock, accept, status)
    tablet.wait_ten_hours()
    assert tablet.load_app() == (AppState.FAILED, AppReason.USER_REJECTED)
    assert len(tablet.orders) == 1


def test_a_declined_update_leaves_the_app_installed(runtime: Runtime, clock: ManualClock) -> None:
    tablet = TabletWithApp(runtime, clock, accept, "Managed")
    tablet.wait(minutes=1)
    tablet.wait(minutes=1)
    assert tablet.load_app() == (AppState.INSTALLED, AppReason.INSTALLED)
    tablet.status = "UpdateRejected"
    tablet.wait(hours=1)
    assert tablet.load_app() == (AppState.INSTALLED, AppReason.INSTALLED)


def test_an_app_that_a_child_removed_is_ordered_again(runtime: Runtime, clock: ManualClock) -> None:
    tablet = TabletWithApp(runtime, clock, accept, "ManagedButUninstalled")
    tablet.wait(minutes=1)
    tablet.wait(seconds=30)
    assert tablet.load_app() == (AppState.WAITING, AppReason.UNINSTALLED)
    assert len(tablet.orders) == 1
    tablet.status = "Managed"
    tablet.wait(minutes=2)
    tablet.wait(minutes=2)
    assert tablet.load_app() == (AppState.INSTALLED, AppReason.INSTALLED)
    assert len(tablet.orders) == 2


@pytest.mark.parametrize(
    ("rejection", "error", "outcome", "reason"),
    [
        ("AppAlreadyQueued", None, InstallOutcome.PENDING, AppReason.INSTALLING),
        (None, ("MCMDMErrorDomain", 12026), InstallOutcome.PENDING, AppReason.INSTALLING),
        ("Other", ("MCMDMErrorDomain", 12025), InstallOutcome.ALREADY_INSTALLED, AppReason.INSTALLING),
        ("Other", ("MCMDMErrorDomain", 12063), InstallOutcome.REJECTED, AppReason.USER_REJECTED),
        ("Other", ("MCMDMErrorDomain", 12040), InstallOutcome.PENDING, AppReason.USER_PROMPTED),
        (None, ("ASDServerErrorDomain", 9610), InstallOutcome.FAILED, AppReason.NO_LICENCE),
        (None, ("MCMDMErrorDomain", 12047), InstallOutcome.FAILED, AppReason.NO_LICENCE),
        ("AppStoreDisabled", ("MCMDMErrorDomain", 12031), InstallOutcome.FAILED, AppReason.REMOVED_FROM_STORE),
        ("NotSupported", None, InstallOutcome.FAILED, AppReason.OS_TOO_OLD),
        (None, ("NSPOSIXErrorDomain", 28), InstallOutcome.FAILED, AppReason.STORAGE_FULL),
        (None, ("MCMDMErrorDomain", 12078), InstallOutcome.POSTPONED, AppReason.WAITING_CONTACT),
        ("ManagementChangeNotSupported", None, InstallOutcome.NOT_MANAGEABLE, AppReason.NOT_MANAGED),
        ("SomethingNew", ("NewDomain", 1), InstallOutcome.FAILED, AppReason.DOWNLOAD_FAILED),
        (None, None, InstallOutcome.FAILED, AppReason.DOWNLOAD_FAILED),
    ],
)
def test_refusals_are_read_by_reason_then_by_code(
    rejection: str | None, error: tuple[str, int] | None, outcome: InstallOutcome, reason: AppReason
) -> None:
    verdict = judge_installation(rejection, [ErrorLink(*error, "text")] if error else [])
    assert (verdict.outcome, verdict.reason) == (outcome, reason)


def test_reasons_of_declared_apps_are_read() -> None:
    row: dict[str, object] = {"state": "failed", "reasons": [{"code": "Error.LicenseNotFound"}]}
    assert read_declared_app(row).reason is AppReason.NO_LICENCE
    assert read_declared_app({"state": "managed-but-uninstalled"}).reason is AppReason.UNINSTALLED
    assert read_declared_app({"state": ["odd"], "reasons": "odd"}).reason is AppReason.INSTALLING


STORE_REFUSAL = refuse("CouldNotVerifyAppID", ("MCMDMErrorDomain", 12023, "unknown"))


def load_row(tablet: TabletWithApp) -> TabletApp:
    with tablet.runtime.open_unit_of_work() as work:
        row = work.session.query(TabletApp).one()
        work.session.expunge(row)
        return row


def retry(tablet: TabletWithApp) -> None:
    with tablet.runtime.open_unit_of_work() as work:
        retries.retry_app(work, SYSTEM, tablet.tablet_id, work.session.query(TabletApp).one().app_id)


@pytest.mark.one_database
def test_a_person_has_a_failed_app_tried_again_and_its_reason_stays_until_the_tablet_reports(
    runtime: Runtime, clock: ManualClock
) -> None:
    tablet = TabletWithApp(runtime, clock, STORE_REFUSAL)
    tablet.wait_ten_hours()
    assert tablet.load_app() == (AppState.FAILED, AppReason.REMOVED_FROM_STORE)
    orders = len(tablet.orders)
    retry(tablet)
    tablet.run_worker()
    row = load_row(tablet)
    assert (row.state, row.reason, "12023" in (row.detail or "")) == (AppState.WAITING, AppReason.REMOVED_FROM_STORE, True)
    tablet.connect()
    assert len(tablet.orders) == orders + 1
    assert load_row(tablet).attempts == 1, "refused again: the waits begin anew"
    tablet.answers["InstallApplication"] = accept
    tablet.status = "Managed"
    retry(tablet)
    tablet.connect()
    tablet.wait(minutes=1)
    assert tablet.load_app() == (AppState.INSTALLED, AppReason.INSTALLED)
    assert load_row(tablet).detail is None
    with runtime.open_unit_of_work() as work:
        assert work.session.query(AuditEvent).filter_by(action="tablet.retry_app").count() == 2
    with pytest.raises(NothingToRetry):
        retry(tablet)


@pytest.mark.one_database
def test_a_declined_app_asks_again_only_because_a_person_wants_it(runtime: Runtime, clock: ManualClock) -> None:
    tablet = TabletWithApp(runtime, clock, accept, status="UserRejected")
    tablet.connect()
    tablet.wait(minutes=1)
    assert tablet.load_app() == (AppState.FAILED, AppReason.USER_REJECTED)
    orders = len(tablet.orders)
    tablet.wait(days=1)
    assert len(tablet.orders) == orders
    tablet.status = "Managed"
    retry(tablet)
    tablet.connect()
    tablet.wait(minutes=1)
    assert (len(tablet.orders), tablet.load_app()[0]) == (orders + 1, AppState.INSTALLED)


def test_two_people_who_try_an_app_again_at_once_order_it_once(runtime: Runtime, clock: ManualClock) -> None:
    tablet = TabletWithApp(runtime, clock, STORE_REFUSAL)
    tablet.wait_ten_hours()
    orders = len(tablet.orders)

    def press(_number: int) -> str:
        try:
            retry(tablet)
        except NothingToRetry:
            return "nothing to retry"
        return "noted"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(press, range(2))) == ["noted", "nothing to retry"]
    tablet.connect()
    assert len(tablet.orders) == orders + 1


@pytest.mark.one_database
def test_an_app_that_the_tablet_has_by_now_is_not_ordered_again(runtime: Runtime, clock: ManualClock) -> None:
    """A person presses the button while the tablet reports the app as installed: whoever is second sees what the first did."""
    tablet = TabletWithApp(runtime, clock, STORE_REFUSAL)
    tablet.wait_ten_hours()
    orders = len(tablet.orders)
    tablet.status = "Managed"
    with runtime.open_unit_of_work() as work:
        enqueue_refresh(work, [tablet.tablet_id])
    tablet.answers["InstalledApplicationList"] = lambda _command: {
        "InstalledApplicationList": [{"Identifier": BUNDLE_ID, "Installing": False}]
    }
    tablet.connect()
    assert tablet.load_app()[0] is AppState.INSTALLED
    with pytest.raises(NothingToRetry):
        retry(tablet)
    tablet.connect()
    assert len(tablet.orders) == orders


def test_an_app_that_is_taken_and_given_again_while_the_tablet_is_away_is_installed_in_the_end(
    runtime: Runtime, clock: ManualClock
) -> None:
    tablet = TabletWithApp(runtime, clock, lambda _command: {})
    tablet.run_worker()
    for change in (bundles.unassign_bundle, bundles.assign_bundle):
        with runtime.open_unit_of_work() as work:
            change(work, SYSTEM, work.session.query(Preset).one(), PlaceKind.TOWN, "")
        tablet.run_worker()
    tablet.connect()
    assert [name for name in tablet.received if name.endswith("Application")] == ["InstallApplication"]


def test_an_app_that_is_given_and_taken_while_the_tablet_is_away_is_never_installed(runtime: Runtime, clock: ManualClock) -> None:
    tablet = TabletWithApp(runtime, clock, lambda _command: {})
    tablet.run_worker()
    with runtime.open_unit_of_work() as work:
        bundles.unassign_bundle(work, SYSTEM, work.session.query(Preset).one(), PlaceKind.TOWN, "")
    tablet.connect()
    assert [name for name in tablet.received if name.endswith("Application")] == ["RemoveApplication"]


def test_a_removal_that_a_person_cancelled_is_ordered_again_by_the_next_decision(runtime: Runtime, clock: ManualClock) -> None:
    tablet = TabletWithApp(runtime, clock, accept, "Managed")
    tablet.wait(minutes=1)
    tablet.wait(minutes=1)
    assert tablet.load_app() == (AppState.INSTALLED, AppReason.INSTALLED)
    with runtime.open_unit_of_work() as work:
        bundles.unassign_bundle(work, SYSTEM, work.session.query(Preset).one(), PlaceKind.TOWN, "")
    tablet.run_worker()
    with runtime.open_unit_of_work() as work:
        key = RemoveApplication(identifier=BUNDLE_ID).dedupe_key()
        queue.cancel_command(work, SYSTEM, work.session.query(QueuedCommand).filter_by(dedupe_key=key).one().id)
    tablet.connect()
    assert "RemoveApplication" not in tablet.received
    assert tablet.load_app()[0] is AppState.REMOVING
    for _ in range(2):
        with runtime.open_unit_of_work() as work:
            reconcile_tablets(work, [tablet.tablet_id])
    tablet.connect()
    assert tablet.received.count("RemoveApplication") == 1
    with runtime.open_unit_of_work() as work:
        assert work.session.query(TabletApp).count() == 0


def test_a_managed_app_of_which_nothing_is_known_any_more_is_removed(runtime: Runtime, clock: ManualClock) -> None:
    tablet = TabletWithApp(runtime, clock, accept, "Managed")
    tablet.wait(minutes=1)
    with runtime.open_unit_of_work() as work:
        bundles.unassign_bundle(work, SYSTEM, work.session.query(Preset).one(), PlaceKind.TOWN, "")
        work.session.delete(work.session.query(TabletApp).one())
    tablet.answers["InstalledApplicationList"] = lambda _command: {
        "InstalledApplicationList": [
            {"Identifier": BUNDLE_ID, "Installing": False},
            {"Identifier": "fr.other", "Installing": False},
        ]
    }
    with runtime.open_unit_of_work() as work:
        enqueue_refresh(work, [tablet.tablet_id])
    tablet.connect()
    assert tablet.received.count("RemoveApplication") == 1
    with runtime.open_unit_of_work() as work:
        assert work.session.query(TabletApp).count() == 0

"""An app that goes by declaration needs a licence as any other: while none is free, that is the reason people read."""

from __future__ import annotations

from cartable.clock import ManualClock
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from mdm.reconcile.models import AppReason, AppState, TabletApp
from profiles.apps import licences
from profiles.apps.models import App
from profiles.apps.service import create_app
from profiles.effective import bundles
from profiles.effective.bundles import Consent
from profiles.policy.kinds import PlaceKind
from tests.mdm.reconcile.enrolled_tablet import EnrolledTablet


def test_a_declared_app_without_a_licence_waits_for_one(runtime: Runtime, clock: ManualClock) -> None:
    tablet = EnrolledTablet(runtime, clock)
    create_declared_app(runtime, tablet, licences_owned=0)
    tablet.prove()
    tablet.connect()
    assert load_reason(runtime) == (AppState.WAITING, AppReason.NO_LICENCE)
    with runtime.open_unit_of_work() as work:
        licences.set_pool_total(work, SYSTEM, work.session.query(App).one().id, 1)
    tablet.connect()
    assert load_reason(runtime) == (AppState.WAITING, AppReason.WAITING_CONTACT)


def create_declared_app(runtime: Runtime, tablet: EnrolledTablet, *, licences_owned: int = 1) -> None:
    """Give an app to the town of a tablet, on a server that declares apps."""
    runtime.settings = runtime.settings.model_copy(update={"declarative_apps": True})
    with runtime.open_unit_of_work() as work:
        town_id = tablet.enrollment.town_id
        app = create_app(
            work, SYSTEM, town_id, name="Atlas", bundle_identifier="fr.test.atlas", app_store_id=47, manifest_url=None
        )
        licences.set_pool_total(work, SYSTEM, app.id, licences_owned)
        bundle = bundles.create_bundle(work, SYSTEM, town_id, "Atlas", [app.id])
        bundles.assign_bundle(work, SYSTEM, bundle, PlaceKind.TOWN, "", consent=Consent(accept_shortage=True))


def load_reason(runtime: Runtime) -> tuple[AppState, AppReason]:
    with runtime.open_unit_of_work() as work:
        row = work.session.query(TabletApp).one()
        return row.state, row.reason

"""The buttons of a tablet's page that have something tried again: rules, lost mode, an app. Who may, what is noted, what happens."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from cartable.scope import SYSTEM, Role
from mdm.care.lost_mode import service as lost_mode
from mdm.care.lost_mode.models import LostCase
from mdm.reconcile.models import AppReason, AppState, ProfileReason, ProfileState, TabletApp, TabletProfile
from profiles.apps.service import create_app
from tests.mdm.console.conftest import Person
from tests.support.server import LiveServer
from tests.support.world import TownFactory


class RefusingTablet:
    """An enrolled tablet that has refused its rules, lost mode and an app; ids of what its page shows."""

    def __init__(self, server: LiveServer) -> None:
        with server.runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            town = world.create_town()
            tablet = world.create_tablet(town, school_id=world.create_school(town).id)
            world.enroll_tablet(tablet)
            work.session.flush()
            lost_mode.mark_lost(work, SYSTEM, tablet.id, "left on the bus")
            case = work.session.query(LostCase).one()
            case.problem, case.attempts = "12021 not a valid request type", 2
            app = create_app(
                work, SYSTEM, town.id, name="Atlas", bundle_identifier="fr.test.atlas", app_store_id=4711, manifest_url=None
            )
            work.session.add_all(
                [
                    TabletProfile(
                        tablet_id=tablet.id, desired_sha256="0" * 64, state=ProfileState.FAILED, reason=ProfileReason.REFUSED,
                        problem="4001 Profile Installation Failed", attempts=3, changed_at=work.now, next_attempt_at=work.now,
                    ),
                    TabletApp(
                        tablet_id=tablet.id, app_id=app.id, state=AppState.FAILED, reason=AppReason.REMOVED_FROM_STORE,
                        detail="12023 unknown", attempts=5, changed_at=work.now,
                    ),
                ]
            )  # fmt: skip
            self.town_id: UUID = town.id
            self.page = f"/tablets/{tablet.id}"
            self.buttons = {
                "tablet.retry_rules": f"{self.page}/rules/retry",
                "tablet.retry_lost": f"{self.page}/lost-mode/retry",
                "tablet.retry_app": f"{self.page}/apps/{app.id}/retry",
            }


@pytest.fixture
def tablet(server: LiveServer) -> RefusingTablet:
    assert isinstance(server.runtime.clock, ManualClock)
    return RefusingTablet(server)


def test_each_refusal_is_told_and_has_a_button_that_is_noted(
    server: LiveServer, person: Callable[..., Person], tablet: RefusingTablet
) -> None:
    helpdesk = person(tablet.town_id, Role.HELPDESK)
    page = helpdesk.client.get(tablet.page).text
    helpdesk.csrf = page.split('name="csrf" value="', 1)[1].split('"', 1)[0]
    for words in ("4001 Profile Installation Failed", "12021 not a valid request type", "12023 unknown"):
        assert words in page
    for action, address in tablet.buttons.items():
        assert f'action="{address}"' in page
        assert helpdesk.client.post(address, data={"csrf": "of another site"}).status_code == 403
        noted = helpdesk.client.post(address, data={"csrf": helpdesk.csrf})
        assert (noted.status_code, noted.headers["location"]) == (303, f"{tablet.page}?done=noted")
        with server.runtime.open_unit_of_work() as work:
            assert work.session.query(AuditEvent).filter_by(action=action).count() == 1
    with server.runtime.open_unit_of_work() as work:
        app = work.session.query(TabletApp).one()
        assert (app.state, app.attempts, app.reason) == (AppState.WAITING, 0, AppReason.REMOVED_FROM_STORE)
        assert (work.session.query(LostCase).one().attempts, work.session.query(TabletProfile).one().attempts) == (0, 0)
    again = helpdesk.client.post(tablet.buttons["tablet.retry_app"], data={"csrf": helpdesk.csrf})
    assert (again.status_code, "rien à réessayer" in again.text) == (409, True)


def test_who_may_not_care_sees_no_button_and_presses_none(person: Callable[..., Person], tablet: RefusingTablet) -> None:
    dpo = person(tablet.town_id, Role.DPO)
    for address in tablet.buttons.values():
        assert dpo.client.post(address, data={"csrf": dpo.csrf}).status_code in (403, 404)

"""The page of a tablet's life: each act from its form to the database, what two people decide, and who sees what."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import select

from cartable.scope import SYSTEM, Role
from enrollment.places.models import Town
from enrollment.tablets import service as tablets
from enrollment.tablets.loan_repository import LoanRepository
from enrollment.tablets.models import AgreementState, Tablet, TabletState
from mdm.accounts.models import Account
from mdm.care.tablet_life import LifeAct
from mdm.console.tablets.life import _ACTIONS
from mdm.console.tablets.life_labels import LIFE_ACTS
from mdm.devices import service as devices
from tests.mdm.console.conftest import Person
from tests.mdm.console.forms import read, send
from tests.support.accounts import make_trusted
from tests.support.server import LiveServer
from tests.support.world import TownFactory


class LifeTown:
    """A tablet on loan to a child, and one in stock; another child has none."""

    def __init__(self, server: LiveServer) -> None:
        with server.runtime.open_unit_of_work() as work:
            world = TownFactory(work)
            town = world.create_town()
            school_class = world.create_class(world.create_school(town))
            lent, stock = world.create_tablet(town), world.create_tablet(town)
            world.lend_tablet(lent, world.create_pupil(school_class))
            stock.state = TabletState.STOCK
            self.child_id = world.create_pupil(school_class, first="Basile").id
            self.town_id, self.lent_id, self.stock_id = town.id, lent.id, stock.id


@pytest.fixture
def place(server: LiveServer) -> LifeTown:
    return LifeTown(server)


def get_tablet(server: LiveServer, tablet_id: UUID) -> Tablet:
    with server.runtime.open_unit_of_work() as work:
        return work.session.get_one(Tablet, tablet_id)


def test_each_act_has_a_verb_and_a_consequence() -> None:
    assert set(_ACTIONS) == set(LIFE_ACTS) == set(LifeAct)


def test_the_familys_answer_is_noted_with_who_and_when(
    server: LiveServer, person: Callable[..., Person], place: LifeTown
) -> None:
    technician = person(place.town_id, Role.TECHNICIAN)
    page = f"/tablets/{place.lent_id}/life"
    assert "La réponse de la famille" in read(technician.client.get(page))
    refused = send(technician, f"{page}/agreement", answer="signed", signed_by="Anne")
    assert (refused.status_code, 'value="Anne"' in refused.text) == (422, True)
    assert send(technician, f"{page}/agreement", answer="signed", signed_by="Anne", signed_on="2026-09-02").status_code == 303
    with server.runtime.open_unit_of_work() as work:
        loan = LoanRepository(work.session).get_open_loan_by_tablet(place.lent_id)
        assert loan is not None
        assert (loan.agreement, loan.signed_by) == (AgreementState.SIGNED, "Anne")


def test_a_tablet_in_stock_is_assigned_moved_retired_and_disposed_of(
    server: LiveServer, person: Callable[..., Person], place: LifeTown
) -> None:
    admin = person(place.town_id, Role.TOWN_ADMIN)
    page = f"/tablets/{place.stock_id}/life"
    assert send(admin, f"{page}/move", state="storage", reason="été").status_code == 303
    assert get_tablet(server, place.stock_id).state is TabletState.STORAGE
    assert send(admin, f"{page}/retire", reason="trop vieille").status_code == 303
    assert send(admin, f"{page}/dispose", wipe_proof="W1").status_code == 422
    assert send(admin, f"{page}/dispose", wipe_proof="W1", waste_slip="B2").status_code == 303
    assert get_tablet(server, place.stock_id).state is TabletState.DISPOSED


def test_a_child_gets_a_tablet_assigned_by_the_address_of_the_childs_page(
    server: LiveServer, person: Callable[..., Person], place: LifeTown
) -> None:
    technician = person(place.town_id, Role.TECHNICIAN)
    page = f"/tablets/{place.stock_id}/life"
    assert send(technician, f"{page}/assign", pupil_id="somebody").status_code == 422
    assert send(technician, f"{page}/assign", pupil_id=place.child_id).status_code == 303
    assert get_tablet(server, place.stock_id).state is TabletState.ASSIGNED


def test_what_two_people_decide_waits_for_another_one(server: LiveServer, person: Callable[..., Person], place: LifeTown) -> None:
    helpdesk, admin = person(place.town_id, Role.HELPDESK), person(place.town_id, Role.TOWN_ADMIN)
    with server.runtime.open_unit_of_work() as work:
        for account in work.session.scalars(select(Account)):
            make_trusted(work, account)
    page = f"/tablets/{place.lent_id}/life"
    asked = send(helpdesk, f"{page}/approval", action="place_evidence_hold", reason="réquisition")
    assert asked.status_code == 303, asked.text
    assert 'approve"' not in helpdesk.client.get(page).text
    approve = re.search(r'action="(/tablets/[^"]+/approvals/[^"]+/approve)"', admin.client.get(page).text)
    assert approve is not None
    assert send(admin, approve[1]).status_code == 303
    assert get_tablet(server, place.lent_id).evidence_hold


def test_an_act_that_the_state_refuses_is_said_and_what_was_typed_stays(
    server: LiveServer, person: Callable[..., Person], place: LifeTown
) -> None:
    admin = person(place.town_id, Role.TOWN_ADMIN)
    refused = send(admin, f"/tablets/{place.lent_id}/life/retire", reason="vieille tablette")
    assert (refused.status_code, 'value="vieille tablette"' in refused.text) == (409, True)
    assert get_tablet(server, place.lent_id).state is TabletState.IN_USE
    with server.runtime.open_unit_of_work() as work:
        tablet = work.session.get_one(Tablet, place.lent_id)
        tablets.change_state(work, SYSTEM, tablet, TabletState.LOST, "test")
    assert send(admin, f"/tablets/{place.lent_id}/life/theft", receipt_number="PV 12", receipt_on="2026-11-20").status_code in (
        303,
        409,
    )


def test_a_teacher_records_nothing(person: Callable[..., Person], place: LifeTown) -> None:
    dpo = person(place.town_id, Role.DPO)
    assert dpo.client.get(f"/tablets/{place.lent_id}/life").status_code == 404
    assert send(dpo, f"/tablets/{place.lent_id}/life/retire", reason="xxx").status_code in (403, 404)


def test_the_label_tells_a_finder_whom_to_call_and_no_more(
    server: LiveServer, person: Callable[..., Person], place: LifeTown
) -> None:
    technician = person(place.town_id, Role.TECHNICIAN)
    with server.runtime.open_unit_of_work() as work:
        tag = work.session.get_one(Tablet, place.lent_id).tag
        name = work.session.get_one(Town, place.town_id).name
    assert technician.client.get(f"/t/{tag}").headers["location"] == f"/?q={tag}"
    technician.client.cookies.clear()
    page = read(technician.client.get(f"/t/{tag}"))
    assert (name in page, "+33 1 00 00 00 00" in page, "Zoé" in page) == (True, True, False)
    unknown = tag[:-5] + "99999"
    assert read(technician.client.get(f"/t/{unknown}")) == page.replace(tag, unknown), "a stranger learns no tag by asking"
    assert "Zoé" not in read(technician.client.get("/t/<b>x"))


def test_an_erase_is_called_ordered_until_the_tablet_has_reported_it(
    server: LiveServer, person: Callable[..., Person], place: LifeTown
) -> None:
    with server.runtime.open_unit_of_work() as work:
        enrollment_id = TownFactory(work).enroll_tablet(work.session.get_one(Tablet, place.stock_id)).id
    admin = person(place.town_id, Role.TOWN_ADMIN)
    page = f"/tablets/{place.stock_id}/life"
    assert "Annuler l'effacement" not in read(admin.client.get(page))
    ordered = send(admin, f"{page}/erase", reason="retour", ticket="INC-1")
    assert ordered.status_code == 303
    text = read(admin.client.get(ordered.headers["location"]))
    assert "C'est fait" not in text
    assert "Pas encore effacée : la tablette s'efface à son prochain contact." in text
    cancel = re.search(r'action="(/tablets/[^"]+/cancel/[0-9]+)"', admin.client.get(page).text)
    assert cancel is not None
    assert send(admin, cancel[1]).status_code == 303
    assert "Pas effacée : annulée" in read(admin.client.get(page))
    assert send(admin, f"{page}/erase", reason="retour", ticket="INC-2").status_code == 303
    with server.runtime.open_unit_of_work() as work:
        devices.record_erase(work, enrollment_id)
    assert "La tablette a signalé" in read(admin.client.get(page))


def test_what_waits_for_another_person_is_not_called_done(
    server: LiveServer, person: Callable[..., Person], place: LifeTown
) -> None:
    helpdesk = person(place.town_id, Role.HELPDESK)
    with server.runtime.open_unit_of_work() as work:
        for account in work.session.scalars(select(Account)):
            make_trusted(work, account)
    page = f"/tablets/{place.lent_id}/life"
    asked = send(helpdesk, f"{page}/approval", action="place_evidence_hold", reason="réquisition")
    text = read(helpdesk.client.get(asked.headers["location"]))
    assert ("C'est fait" in text, "Rien ne change avant qu'une autre personne" in text) == (False, True)

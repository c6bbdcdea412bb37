"""Data-protection sheets: who writes and decides, that a change of facts takes the verdict back, and that a refused app is given to nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest
from sqlalchemy import select

from cartable.audit import AuditEvent
from cartable.errors import Forbidden
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import Grade, Town
from mdm.care.today.kinds import TodayScope, WaitingKind
from mdm.care.today.service import load_today
from mdm.reconcile.models import AppReason, AppState, TabletApp
from profiles.apps.data_sheets import service
from profiles.apps.data_sheets.models import AppVerdict, LegalBasis
from profiles.apps.data_sheets.service import SheetFacts
from profiles.apps.errors import AppNotFound, AppRefused, ConditionsMissing, DataSheetNotFound
from profiles.apps.models import App
from profiles.apps.service import create_app
from profiles.effective import bundles
from profiles.effective.publishing import Publication, publish
from profiles.policy import life
from profiles.policy.content import PolicyContent
from profiles.policy.documents import open_document
from profiles.policy.kinds import AppUse, PlaceKind
from profiles.policy.life import Draft
from tests.support.world import TownFactory, create_actor

FACTS = SheetFacts(
    "Éditions du Préau", "apprendre à lire", "prénom, résultats", "France", LegalBasis.PUBLIC_TASK, "la fin de l'année scolaire",
    uses_gar=True, agreement_signed_on=date(2026, 9, 1), agreement_reference="RGPD-2026-014",
)  # fmt: skip


@pytest.fixture
def work(runtime: Runtime) -> Iterator[UnitOfWork]:
    with runtime.open_unit_of_work() as opened:
        yield opened


def create_catalogue(work: UnitOfWork) -> tuple[Town, App, App]:
    """Return a town with two apps of its own."""
    town = TownFactory(work).create_town()
    made = [
        create_app(
            work, SYSTEM, town.id, name=name, bundle_identifier=f"fr.{name.lower()}.app", app_store_id=None, manifest_url=None
        )
        for name in ("Lire", "Compter")
    ]
    return town, made[0], made[1]


def refuse(work: UnitOfWork, app_id: UUID) -> None:
    service.save_sheet(work, SYSTEM, app_id, FACTS)
    service.decide_verdict(work, SYSTEM, app_id, AppVerdict.REFUSED, "hébergée hors d'Europe")


def test_facts_are_written_and_a_change_takes_the_verdict_back(work: UnitOfWork) -> None:
    town, app, _ = create_catalogue(work)
    officer = create_actor(Role.DPO, town)
    with pytest.raises(DataSheetNotFound):
        service.decide_verdict(work, officer, app.id, AppVerdict.ALLOWED)
    service.save_sheet(work, officer, app.id, FACTS)
    with pytest.raises(ConditionsMissing):
        service.decide_verdict(work, officer, app.id, AppVerdict.ALLOWED_WITH_CONDITIONS, "  ")
    sheet = service.decide_verdict(work, officer, app.id, AppVerdict.ALLOWED_WITH_CONDITIONS, "sans nom")
    assert (sheet.verdict, sheet.conditions, sheet.reviewed_on) == (
        AppVerdict.ALLOWED_WITH_CONDITIONS,
        "sans nom",
        work.now.date(),
    )
    assert service.save_sheet(work, officer, app.id, FACTS).verdict is not None, "nothing has changed"
    assert service.save_sheet(work, officer, app.id, replace(FACTS, hosting_country="Canada")).verdict is None
    service.decide_verdict(work, officer, app.id, AppVerdict.REFUSED)
    assert service.save_sheet(work, officer, app.id, FACTS).verdict is AppVerdict.REFUSED, "words open no way to children"
    actions = list(
        work.session.scalars(select(AuditEvent.action).where(AuditEvent.subject_id == str(app.id)).order_by(AuditEvent.id))
    )
    assert actions.count("app.data_sheet") == 3
    assert actions.count("app.verdict") == 2


@pytest.mark.parametrize("role", [Role.TECHNICIAN, Role.HELPDESK])
def test_others_neither_read_nor_decide(work: UnitOfWork, role: Role) -> None:
    town, app, _ = create_catalogue(work)
    actor = create_actor(role, town)
    with pytest.raises(AppNotFound):
        service.find_sheet(work, actor, app.id)
    with pytest.raises(AppNotFound):
        service.save_sheet(work, actor, app.id, FACTS)
    with pytest.raises(Forbidden):
        service.list_sheets(work, actor, town.id)


def test_a_refused_app_is_put_in_no_bundle_and_a_bundle_with_it_is_given_to_nobody(work: UnitOfWork) -> None:
    town, app, other = create_catalogue(work)
    bundle = bundles.create_bundle(work, SYSTEM, town.id, "Lecture", [app.id])
    refuse(work, app.id)
    with pytest.raises(AppRefused, match="Lire"):
        bundles.create_bundle(work, SYSTEM, town.id, "Autre", [app.id, other.id])
    with pytest.raises(AppRefused):
        bundles.assign_bundle(work, SYSTEM, bundle, PlaceKind.GRADE, Grade.CP.value)
    bundles.assign_bundle(work, SYSTEM, bundle, PlaceKind.GRADE, Grade.CP.value, AppUse.BLOCKED)
    document = open_document(work, SYSTEM, town.id, PlaceKind.TOWN, "")
    values = {"all": {AppUse.AVAILABLE.setting: [app.bundle_identifier]}}
    with pytest.raises(AppRefused):
        life.save_draft(work, SYSTEM, document, Draft(PolicyContent(values), reason="une app"))


def test_what_was_given_before_stays_changeable_and_stands_on_the_day_of_who_can_take_it_back(work: UnitOfWork) -> None:
    town, app, other = create_catalogue(work)
    bundle = bundles.create_bundle(work, SYSTEM, town.id, "Lecture", [app.id])
    bundles.assign_bundle(work, SYSTEM, bundle, PlaceKind.GRADE, Grade.CP.value)
    tablet = TownFactory(work).create_tablet(town)
    work.session.add(
        TabletApp(tablet_id=tablet.id, app_id=app.id, state=AppState.INSTALLED, reason=AppReason.INSTALLED, changed_at=work.now)
    )
    work.session.flush()
    admin = create_actor(Role.TOWN_ADMIN, town)
    assert WaitingKind.REFUSED_APPS not in load_today(work, admin, TodayScope(town.id)).waiting
    refuse(work, app.id)
    assert load_today(work, admin, TodayScope(town.id)).waiting[WaitingKind.REFUSED_APPS] == 1
    assert WaitingKind.REFUSED_APPS not in load_today(work, create_actor(Role.TECHNICIAN, town), TodayScope(town.id)).waiting
    bundles.change_bundle(work, SYSTEM, bundle, [app.id, other.id], reason="une app de plus")
    bundles.change_bundle(work, SYSTEM, bundle, [other.id], reason="sans la première")
    with pytest.raises(AppRefused):
        bundles.change_bundle(work, SYSTEM, bundle, [app.id, other.id], reason="et de nouveau")


def test_a_draft_that_is_older_than_the_refusal_is_not_published(work: UnitOfWork) -> None:
    town, app, _ = create_catalogue(work)
    document = open_document(work, SYSTEM, town.id, PlaceKind.GRADE, Grade.CP.value)
    values = {"all": {AppUse.AVAILABLE.setting: [app.bundle_identifier]}}
    draft = life.save_draft(work, SYSTEM, document, Draft(PolicyContent(values), reason="une app"))
    refuse(work, app.id)
    with pytest.raises(AppRefused):
        publish(work, SYSTEM, document, draft.number, Publication())

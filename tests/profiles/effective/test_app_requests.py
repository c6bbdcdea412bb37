"""Requests for apps: asked by a teacher, supported by the head, given through the bundle of the class once the officer has allowed the app."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from cartable.audit import AuditEvent
from cartable.errors import Forbidden
from cartable.ids import new_id
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.places.models import School, SchoolClass, Town
from mdm.care.today.kinds import TodayScope, WaitingKind
from mdm.care.today.service import load_today
from mdm.places.school_merge import merge_schools
from profiles.apps.data_sheets import service as sheets
from profiles.apps.data_sheets.models import AppVerdict
from profiles.apps.errors import AppNotFound
from profiles.apps.models import App
from profiles.apps.service import create_app
from profiles.effective import bundles
from profiles.effective.app_requests import service
from profiles.effective.app_requests.errors import AppNotReviewed, AppRequestDecided, AppRequestNotFound, BadAppRequest
from profiles.effective.app_requests.models import AppRequestState
from profiles.effective.app_requests.service import RequestedApp
from profiles.policy.kinds import AppUse, PlaceKind, PresetKind
from profiles.policy.repository import PolicyRepository
from tests.profiles.apps.test_data_sheets import FACTS
from tests.support.concurrency import run_at_once
from tests.support.world import TownFactory, create_actor

WANTED = RequestedApp("ScratchJr", "programmer au cycle 2")


@pytest.fixture
def work(runtime: Runtime) -> Iterator[UnitOfWork]:
    with runtime.open_unit_of_work() as opened:
        yield opened


class AskingTown:
    """A town with two classes, an app, and the people of a request."""

    def __init__(self, work: UnitOfWork) -> None:
        self.work, world = work, TownFactory(work)
        self.town: Town = world.create_town()
        self.school: School = world.create_school(self.town)
        self.school_class: SchoolClass = world.create_class(self.school)
        self.other_class = world.create_class(self.school, "CE2 B")
        self.app: App = self.create_app("ScratchJr")
        assignment = RoleAssignment(Role.TEACHER, self.town.id, self.school.id, self.school_class.id)
        self.teacher = Actor(new_id(), "teacher", (assignment,))
        self.head, self.admin = create_actor(Role.HEAD, self.town, self.school), create_actor(Role.TOWN_ADMIN, self.town)

    def create_app(self, name: str) -> App:
        identifier = f"fr.{name.lower()}.app"
        return create_app(
            self.work, SYSTEM, self.town.id, name=name, bundle_identifier=identifier, app_store_id=None, manifest_url=None
        )

    def allow(self, app: App) -> None:
        sheets.save_sheet(self.work, SYSTEM, app.id, FACTS)
        sheets.decide_verdict(self.work, SYSTEM, app.id, AppVerdict.ALLOWED)

    def list_given(self) -> list[tuple[set[str], list[tuple[PlaceKind, str, AppUse]]]]:
        """Return the apps and places of every bundle."""
        presets = PolicyRepository(self.work.session).list_all_presets(self.town.id)
        made = [bundles.describe_bundle(self.work, preset) for preset in presets if preset.kind is PresetKind.BUNDLE]
        return [
            ({app.name for app in each.apps}, [(place.place, place.target, place.use) for place in each.assignments])
            for each in made
        ]


def test_a_request_goes_from_the_teacher_to_the_tablets_of_the_class(work: UnitOfWork) -> None:
    town = AskingTown(work)
    request = service.create_request(work, town.teacher, town.school_class.id, WANTED)
    scope = TodayScope(town.town.id)
    assert load_today(work, town.admin, scope).waiting[WaitingKind.APP_REQUESTS] == 1
    assert service.support_request(work, town.head, request.id).supported_at == work.now
    with pytest.raises(AppNotReviewed, match="ScratchJr"):
        service.approve_request(work, town.admin, request.id, town.app.id)
    town.allow(town.app)
    given = service.approve_request(work, town.admin, request.id, town.app.id, "bonne idée")
    assert (given.state, given.app_id, given.answer) == (AppRequestState.APPROVED, town.app.id, "bonne idée")
    place = (PlaceKind.CLASS, str(town.school_class.id), AppUse.REQUIRED)
    assert town.list_given() == [({"ScratchJr"}, [place])]
    assert WaitingKind.APP_REQUESTS not in load_today(work, town.admin, scope).waiting
    second = town.create_app("Lire")
    town.allow(second)
    more = service.create_request(work, town.teacher, town.school_class.id, RequestedApp("Lire", "lire"))
    service.approve_request(work, town.admin, more.id, second.id)
    assert town.list_given() == [({"ScratchJr", "Lire"}, [place])], "one bundle for a class"
    service.end_request(work, town.admin, request.id)
    assert town.list_given() == [({"Lire"}, [place])]
    verbs = work.session.scalars(
        select(AuditEvent.action).where(AuditEvent.subject_id == str(request.id)).order_by(AuditEvent.id)
    )
    assert list(verbs) == [f"app_request.{verb}" for verb in ("ask", "support", "approve", "end")]


def test_a_class_keeps_its_bundle_when_its_school_is_merged_into_another(work: UnitOfWork) -> None:
    town = AskingTown(work)
    other_school = TownFactory(work).create_school(town.town)
    second = town.create_app("Lire")
    for app in (town.app, second):
        town.allow(app)
    service.approve_request(
        work, town.admin, service.create_request(work, town.teacher, town.school_class.id, WANTED).id, town.app.id
    )
    merge_schools(work, SYSTEM, town.school.id, other_school.id)
    teacher = Actor(new_id(), "t", (RoleAssignment(Role.TEACHER, town.town.id, other_school.id, town.school_class.id),))
    later = service.create_request(work, teacher, town.school_class.id, RequestedApp("Lire", "lire"))
    service.approve_request(work, town.admin, later.id, second.id)
    place = (PlaceKind.CLASS, str(town.school_class.id), AppUse.REQUIRED)
    assert town.list_given() == [({"ScratchJr", "Lire"}, [place])]
    service.end_request(work, town.admin, later.id)
    assert town.list_given() == [({"ScratchJr"}, [place])]


def test_an_app_that_is_asked_for_until_a_day_stands_on_the_day_after(work: UnitOfWork) -> None:
    town = AskingTown(work)
    town.allow(town.app)
    until = work.now.date()
    request = service.create_request(
        work, town.teacher, town.school_class.id, RequestedApp("ScratchJr", "semaine du code", until=until)
    )
    service.approve_request(work, town.admin, request.id, town.app.id)
    assert WaitingKind.APP_REQUESTS not in load_today(work, town.admin, TodayScope(town.town.id)).waiting
    request.until = until - timedelta(days=1)
    work.session.flush()
    assert load_today(work, town.admin, TodayScope(town.town.id)).waiting[WaitingKind.APP_REQUESTS] == 1


def test_a_refusal_has_a_reason_and_ends_the_request(work: UnitOfWork) -> None:
    town = AskingTown(work)
    request = service.create_request(work, town.teacher, town.school_class.id, WANTED)
    with pytest.raises(BadAppRequest):
        service.refuse_request(work, town.admin, request.id, "  ")
    service.refuse_request(work, town.admin, request.id, "une autre application fait cela")
    with pytest.raises(AppRequestDecided):
        service.refuse_request(work, town.admin, request.id, "encore")
    with pytest.raises(AppRequestDecided):
        service.support_request(work, town.head, request.id)
    with pytest.raises(AppRequestDecided):
        service.end_request(work, town.admin, request.id)
    assert not town.list_given()


@pytest.mark.parametrize("wrong", [RequestedApp(" ", "x"), RequestedApp("x", " "), RequestedApp("x", "y", "javascript:alert(1)")])
def test_what_is_incomplete_is_refused(work: UnitOfWork, wrong: RequestedApp) -> None:
    town = AskingTown(work)
    with pytest.raises(BadAppRequest):
        service.create_request(work, town.teacher, town.school_class.id, wrong)


def test_who_teaches_another_class_or_leads_another_school_neither_asks_nor_sees_nor_decides(work: UnitOfWork) -> None:
    town, neighbour = AskingTown(work), AskingTown(work)
    with pytest.raises(AppRequestNotFound):
        service.create_request(work, town.teacher, town.other_class.id, WANTED)
    request = service.create_request(work, town.teacher, town.school_class.id, WANTED)
    colleague = Actor(new_id(), "c", (RoleAssignment(Role.TEACHER, town.town.id, town.school.id, town.other_class.id),))
    for stranger in (colleague, neighbour.teacher, neighbour.head, neighbour.admin):
        assert service.list_requests(work, stranger, town.town.id) == []
        with pytest.raises(AppRequestNotFound):
            service.support_request(work, stranger, request.id)
    with pytest.raises(Forbidden):
        service.support_request(work, town.teacher, request.id)
    with pytest.raises(Forbidden):
        service.refuse_request(work, town.head, request.id, "non")
    with pytest.raises(AppNotFound):
        service.approve_request(work, town.admin, request.id, neighbour.app.id)
    assert [row[0].id for row in service.list_requests(work, town.head, town.town.id)] == [request.id]


def test_two_approvals_at_once_give_the_class_both_apps(runtime: Runtime) -> None:
    with runtime.open_unit_of_work() as work:
        town = AskingTown(work)
        other = town.create_app("Lire")
        pairs: list[tuple[UUID, UUID]] = []
        for app in (town.app, other):
            town.allow(app)
            pairs.append((service.create_request(work, town.teacher, town.school_class.id, WANTED).id, app.id))
    with runtime.open_unit_of_work() as work:
        service.approve_request(work, town.admin, *pairs[0])
        service.end_request(work, town.admin, pairs[0][0])
        pairs[0] = (service.create_request(work, town.teacher, town.school_class.id, WANTED).id, pairs[0][1])

    def approve(pair: tuple[UUID, UUID]) -> Callable[[UnitOfWork], object]:
        return lambda work: service.approve_request(work, town.admin, *pair)

    assert run_at_once(runtime, *map(approve, pairs)) == []
    with runtime.open_unit_of_work() as work:
        town.work = work
        assert [apps for apps, _ in town.list_given()] == [{"ScratchJr", "Lire"}]

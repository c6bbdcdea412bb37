"""Class sessions as teachers start them: limited to what the class has, to the lesson's sites alone, and never for who is absent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cartable.clock import ManualClock
from cartable.errors import DomainError, Invalid, NotFound
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime, UnitOfWork
from enrollment.facts import load_facts
from profiles.effective import bundles
from profiles.effective.errors import AppsNotOfClass, SitesClosed
from profiles.effective.explain import explain
from profiles.effective.explain_web import explain_host
from profiles.effective.lessons import LessonPlan, list_lesson_apps, start_lesson
from profiles.effective.situation import build_situation, compose_mode_filter, load_policy
from profiles.filters.payloads import FILTER, build_filter_payloads
from profiles.filters.rules import HostDecision, VerdictReason
from profiles.policy.kinds import PlaceKind
from profiles.schedule import attendance, authoring, sessions
from profiles.schedule.calendar import FOLLOW_ZONE
from profiles.schedule.models import ClassSession
from profiles.schedule.modes import Mode
from profiles.schedule.repository import ScheduleRepository
from profiles.schedule.service import evaluate_modes
from profiles.schedule.session_rules import SessionPreset
from tests.profiles.apps.test_bundles import BundleTown
from tests.support.concurrency import run_at_once
from tests.support.policy import publish_document
from tests.support.world import create_actor

#: A Monday at 10:00 in Paris.
IN_SCHOOL = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
WEEK = {"mon": [{"kind": "school", "from": "08:00", "to": "16:30"}]}


@pytest.fixture
def place(runtime: Runtime, clock: ManualClock) -> BundleTown:
    clock.advance(IN_SCHOOL - clock.now())
    with runtime.open_unit_of_work() as work:
        town = BundleTown(work)
        bundles.assign_bundle(work, SYSTEM, town.bundle, PlaceKind.GRADE, "CE2")
        authoring.save_timetable(work, SYSTEM, town.town.id, None, week=WEEK, calendar=FOLLOW_ZONE, night=None)
        town.new_app(work, "Other", 1)
        return town


def start(work: UnitOfWork, place: BundleTown, preset: SessionPreset, **limits: list[str]) -> ClassSession:
    plan = LessonPlan(45, preset, limits.get("apps", []), limits.get("sites", []))
    return start_lesson(work, SYSTEM, place.town.id, place.school.id, place.school_class.id, plan)


def list_modes(work: UnitOfWork, place: BundleTown) -> list[Mode]:
    evaluations = evaluate_modes(work, load_facts(work, place.ids).values())
    return [evaluations[tablet_id].mode for tablet_id in place.ids]


def test_a_lesson_is_limited_to_apps_that_a_tablet_of_the_class_shows(runtime: Runtime, place: BundleTown) -> None:
    with runtime.open_unit_of_work() as work:
        offered = dict(list_lesson_apps(work, place.town.id, place.school_class.id))
        assert offered[place.app.bundle_identifier] == "ScratchJr"
        assert "fr.test.other" not in offered
        with pytest.raises(AppsNotOfClass) as refusal:
            start(work, place, SessionPreset.FOCUS_APPS, apps=[place.app.bundle_identifier, "fr.test.other"])
        assert refusal.value.details["apps"] == "Other"
        start(work, place, SessionPreset.FOCUS_APPS, apps=[place.app.bundle_identifier])
        values = explain(work, load_facts(work, [place.ids[4]])[place.ids[4]]).settings["allowListedAppBundleIDs"].value
        assert values == ["com.apple.webapp", place.app.bundle_identifier]


@pytest.mark.parametrize("preset", [SessionPreset.FOCUS_APPS, SessionPreset.FOCUS_SITES])
def test_a_lesson_limited_to_nothing_is_refused(runtime: Runtime, place: BundleTown, preset: SessionPreset) -> None:
    with runtime.open_unit_of_work() as work, pytest.raises(Invalid):
        start(work, place, preset)


def test_only_the_sites_of_the_lesson_are_open_and_no_closed_one(runtime: Runtime, place: BundleTown) -> None:
    with runtime.open_unit_of_work() as work:
        publish_document(work, place.town.id, PlaceKind.TOWN, "", {"all": {"web.denied": ["jeux.example"]}})
        with pytest.raises(SitesClosed) as refusal:
            start(work, place, SessionPreset.FOCUS_SITES, sites=["lumni.fr", "www.jeux.example"])
        assert refusal.value.details["sites"] == "www.jeux.example"
        start(work, place, SessionPreset.FOCUS_SITES, sites=["https://www.lumni.fr/primaire"])
        facts = load_facts(work, [place.ids[0]])[place.ids[0]]
        verdicts = {
            host: explain_host(work, facts, host).verdict for host in ("www.lumni.fr", "fr.wikipedia.org", "jeux.example")
        }
        assert [(each.decision, each.reason) for each in verdicts.values()] == [
            (HostDecision.ALLOW, VerdictReason.DEFAULT),
            (HostDecision.BLOCK, VerdictReason.LESSON),
            (HostDecision.BLOCK, VerdictReason.DENIED),
        ]
        policy = load_policy(work, [facts])
        situation = build_situation(facts, policy, evaluate_modes(work, [facts])[facts.tablet_id])
        web = compose_mode_filter(situation, policy, Mode.CLASS_SESSION)
        payload = build_filter_payloads(web, supervised=True)[0][FILTER]
        assert payload["AllowListBookmarks"] == [{"URL": "https://www.lumni.fr", "Title": "www.lumni.fr"}]
        assert compose_mode_filter(situation, policy, Mode.SCHOOL).only_open_hosts is None


def test_where_only_permitted_sites_are_open_a_lesson_opens_those_that_teachers_may(runtime: Runtime, place: BundleTown) -> None:
    values = {"web.only_permitted": True, "web.permitted": ["ecole.example"], "web.teacher_unlockable": ["lumni.fr"]}
    with runtime.open_unit_of_work() as work:
        publish_document(work, place.town.id, PlaceKind.TOWN, "", {"all": values})
        with pytest.raises(SitesClosed):
            start(work, place, SessionPreset.FOCUS_SITES, sites=["wikipedia.org"])
        start(work, place, SessionPreset.FOCUS_SITES, sites=["lumni.fr"])
        facts = load_facts(work, [place.ids[0]])[place.ids[0]]
        opened = [explain_host(work, facts, host).verdict.decision for host in ("lumni.fr", "ecole.example")]
        assert opened == [HostDecision.ALLOW, HostDecision.BLOCK]


def test_an_absent_pupils_tablet_takes_no_part_until_midnight(runtime: Runtime, place: BundleTown, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        absent = load_facts(work, place.ids)[place.ids[0]].pupil_id
        assert absent is not None
        attendance.mark_absent_pupils(work, SYSTEM, place.school_class.id, [absent])
        session = start(work, place, SessionPreset.SCREENS_DOWN)
        assert list_modes(work, place) == [Mode.SCHOOL, *[Mode.CLASS_SESSION] * 4]
        attendance.mark_absent_pupils(work, SYSTEM, place.school_class.id, [])
        assert list_modes(work, place) == [Mode.CLASS_SESSION] * 5
        attendance.mark_absent_pupils(work, SYSTEM, place.school_class.id, [absent])
        assert list_modes(work, place)[0] is Mode.SCHOOL
        sessions.end_session(work, SYSTEM, session.id)
    clock.advance(timedelta(hours=15))
    with runtime.open_unit_of_work() as work:
        assert attendance.list_absent_pupils(work, SYSTEM, place.school_class.id) == frozenset()
        assert ScheduleRepository(work.session).count_ended_absences(place.town.id, work.now) == 1


def test_pupils_of_another_class_and_other_peoples_classes_cannot_be_marked(runtime: Runtime, place: BundleTown) -> None:
    with runtime.open_unit_of_work() as work:
        with pytest.raises(NotFound):
            attendance.mark_absent_pupils(work, SYSTEM, place.school_class.id, [place.school.id])
        with pytest.raises(DomainError):
            attendance.mark_absent_pupils(work, create_actor(Role.HELPDESK, place.town), place.school_class.id, [])


def test_two_people_mark_the_same_class_at_once(runtime: Runtime, place: BundleTown) -> None:
    with runtime.open_unit_of_work() as work:
        pupils = [facts.pupil_id for facts in load_facts(work, place.ids).values() if facts.pupil_id]
    class_id = place.school_class.id
    refusals = run_at_once(
        runtime,
        lambda work: attendance.mark_absent_pupils(work, SYSTEM, class_id, pupils[:2]),
        lambda work: attendance.mark_absent_pupils(work, SYSTEM, class_id, pupils[1:3]),
    )
    with runtime.open_unit_of_work() as work:
        absent = attendance.list_absent_pupils(work, SYSTEM, class_id)
    assert not refusals
    assert absent in (frozenset(pupils[:2]), frozenset(pupils[1:3]))

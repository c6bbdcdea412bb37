"""A teacher reports a tablet of the school by its tag; the helpdesk confirms, and the tablet locks itself; or declines, and says why."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from cartable.alarms import Alarm, AlarmKind, raise_alarm
from cartable.clock import ManualClock
from cartable.errors import DomainError, Invalid
from cartable.ids import new_id
from cartable.outbox import OutboxRow, Topic
from cartable.scope import Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime
from enrollment.places.models import Town
from enrollment.tablets.models import Incident, Reporter, Tablet, TabletState
from mdm.care.lost_mode import reports
from mdm.care.lost_mode.errors import LossReportDecided, LossReportNotFound, NoTabletWithTag, TooManyLossReports
from mdm.care.lost_mode.models import LossReport, LossReportState
from tests.mdm.reconcile.enrolled_tablet import EnrolledTablet
from tests.support.world import TownFactory, create_actor


class School:
    """The school of an enrolled tablet: its teacher, an after-school agent, the helpdesk of the town."""

    def __init__(self, runtime: Runtime, tablet: EnrolledTablet) -> None:
        self.runtime = runtime
        with runtime.open_unit_of_work() as work:
            world, row = TownFactory(work), work.session.get_one(Tablet, tablet.tablet_id)
            town = work.session.get_one(Town, row.town_id)
            school = world.create_school(town)
            row.school_id, row.state = school.id, TabletState.IN_USE
            own_class, other_class = world.create_class(school), world.create_class(school, "CM1 B")
            self.town_id, self.school_id, self.tag, self.tablet_id = town.id, school.id, row.tag, row.id
            self.teacher = self._create(Role.TEACHER, own_class.id)
            self.colleague = self._create(Role.TEACHER, other_class.id)
            self.agent = self._create(Role.AFTER_SCHOOL_AGENT)
            self.helpdesk = create_actor(Role.HELPDESK, town)
            self.elsewhere = create_actor(Role.HEAD, town, world.create_school(town, "École Simone-Veil"))
            self.stranger = create_actor(Role.TOWN_ADMIN, world.create_town("Autreville"))

    def _create(self, role: Role, class_id: object = None) -> Actor:
        return Actor(new_id(), role.value, (RoleAssignment(role, self.town_id, self.school_id, class_id),))  # type: ignore[arg-type]

    def report(self, actor: Actor, tag: str | None = None) -> LossReport:
        with self.runtime.open_unit_of_work() as work:
            return reports.report_loss(work, actor, tag or self.tag.lower(), "not in the cupboard", place="library")

    def confirm(self, actor: Actor, report: LossReport) -> None:
        with self.runtime.open_unit_of_work() as work:
            reports.confirm_report(work, actor, report.id)


@pytest.fixture
def tablet(runtime: Runtime, clock: ManualClock) -> EnrolledTablet:
    tablet = EnrolledTablet(runtime, clock)
    tablet.connect()
    return tablet


@pytest.fixture
def school(runtime: Runtime, tablet: EnrolledTablet) -> School:
    return School(runtime, tablet)


def test_nothing_happens_to_the_tablet_before_the_helpdesk_confirms(tablet: EnrolledTablet, school: School) -> None:
    report = school.report(school.teacher)
    assert report.reporter is Reporter.TEACHER
    assert school.report(school.agent).id == report.id, "one report of a tablet waits"
    tablet.connect()
    assert "EnableLostMode" not in tablet.received
    with tablet.runtime.open_unit_of_work() as work:
        assert work.session.get_one(Tablet, tablet.tablet_id).state is TabletState.IN_USE
        assert reports.count_waiting_reports(work, school.helpdesk) == 1
        assert reports.count_waiting_reports(work, school.elsewhere) == 0, "of another school"
    school.confirm(school.helpdesk, report)
    tablet.connect()
    assert "EnableLostMode" in tablet.received, "felt on the tablet"
    with tablet.runtime.open_unit_of_work() as work:
        assert work.session.get_one(Tablet, tablet.tablet_id).state is TabletState.LOST
        incident = work.session.query(Incident).one()
        assert (incident.reporter, incident.place) == (Reporter.TEACHER, "library")
        [(own, _)] = reports.list_own_reports(work, school.teacher).items
        assert own.state is LossReportState.CONFIRMED


def test_a_declined_report_says_why_to_who_made_it(tablet: EnrolledTablet, school: School) -> None:
    report = school.report(school.agent)
    assert report.reporter is Reporter.AGENT
    with tablet.runtime.open_unit_of_work() as work:
        reports.decline_report(work, school.helpdesk, report.id, "it is at the repair")
    tablet.connect()
    assert "EnableLostMode" not in tablet.received
    with tablet.runtime.open_unit_of_work() as work:
        [(own, _)] = reports.list_own_reports(work, school.agent).items
        assert (own.state, own.answer) == (LossReportState.DECLINED, "it is at the repair")
    with pytest.raises(LossReportDecided):
        school.confirm(school.helpdesk, report)
    assert school.report(school.agent).id != report.id, "it may be lost the next day"


def test_who_may_report_and_who_may_decide(school: School) -> None:
    assert school.report(school.colleague).tablet_id == school.tablet_id, "another class of the school"
    for actor in (school.elsewhere, school.stranger):
        with pytest.raises(NoTabletWithTag):
            school.report(actor)
    with pytest.raises(NoTabletWithTag):
        school.report(school.teacher, "NONE-1")
    report = school.report(school.teacher)
    for actor in (school.teacher, school.agent, school.elsewhere, school.stranger):
        with pytest.raises(LossReportNotFound):
            school.confirm(actor, report)


def test_days_to_come_and_floods_of_reports_are_refused(runtime: Runtime, school: School) -> None:
    with runtime.open_unit_of_work() as work, pytest.raises(Invalid):
        reports.report_loss(work, school.teacher, school.tag, "gone", happened_on=work.now.date() + timedelta(days=1))
    with runtime.open_unit_of_work() as work:
        town, world = work.session.get_one(Town, school.town_id), TownFactory(work)
        tags = [world.create_tablet(town, school_id=school.school_id).tag for _ in range(reports.MAX_WAITING)]
    for tag in tags:
        school.report(school.teacher, tag)
    with pytest.raises(TooManyLossReports):
        school.report(school.teacher)
    school.report(school.colleague)


def test_two_people_who_decide_at_once_decide_once(runtime: Runtime, tablet: EnrolledTablet, school: School) -> None:
    report = school.report(school.teacher)
    second = replace(school.helpdesk, account_id=new_id())

    def confirm(actor: Actor) -> DomainError | None:
        try:
            school.confirm(actor, report)
        except DomainError as refusal:
            return refusal
        return None

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(confirm, (school.helpdesk, second)))
    assert sorted(type(each) is LossReportDecided for each in results) == [False, True], results
    tablet.connect()
    assert tablet.received.count("EnableLostMode") == 1


def test_two_teachers_who_report_at_once_make_one_report(runtime: Runtime, school: School) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(school.report, (school.teacher, school.colleague))
    assert first.id == second.id
    with runtime.open_unit_of_work() as work:
        assert work.session.query(LossReport).count() == 1


def test_a_report_is_an_alarm_until_it_is_decided(runtime: Runtime, tablet: EnrolledTablet, school: School) -> None:
    report = school.report(school.teacher)
    school.report(school.agent)  # the same tablet again
    with runtime.open_unit_of_work() as work:
        other = raise_alarm(work, school.town_id, AlarmKind.TABLET_REPORTED_LOST, report_id="another")
        assert other is not None
        [alarm] = work.session.scalars(select(Alarm).where(Alarm.id != other.id))
        assert (alarm.kind, alarm.details) == (AlarmKind.TABLET_REPORTED_LOST, {"report_id": str(report.id)})
        mails = work.session.scalars(select(OutboxRow.key).where(OutboxRow.topic == Topic.ALARM))
        assert sorted(mails) == sorted([str(alarm.id), str(other.id)])
        reports.decline_report(work, school.helpdesk, report.id, "It is in the repair shop.")
        assert (alarm.acknowledged_by, other.acknowledged_at) == (school.helpdesk.account_id, None)

"""Reports of losses by people who may not turn lost mode on: teachers, substitutes, after-school agents. Never commits.

The helpdesk confirms a report, which requests lost mode, or declines it with a sentence. See docs/domain/custody.md#loss.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

from cartable import audit, locks
from cartable.alarms import AlarmKind, acknowledge_settled_alarms, raise_alarm
from cartable.errors import Invalid
from cartable.ids import new_id
from cartable.paging import FIRST_PAGE, Page, PageRequest
from cartable.scope import Actor, Permission, Role
from cartable.unit_of_work import UnitOfWork
from enrollment.tablets import lookup
from enrollment.tablets.incidents import IncidentReport
from enrollment.tablets.models import Reporter, Tablet
from mdm.care.lost_mode import service
from mdm.care.lost_mode.errors import LossReportDecided, LossReportNotFound, NoTabletWithTag, TooManyLossReports
from mdm.care.lost_mode.models import LossReport, LossReportState
from mdm.care.lost_mode.report_repository import LossReportRepository

#: Whoever has so many reports waiting calls somebody: nobody loses that many tablets.
MAX_WAITING = 10
#: The permissions of which a person needs one in the school of a tablet, or in a class of it, to report it.
REPORTING = (Permission.TEACH, Permission.ACTIVITY, Permission.CARE)
_REPORTERS: tuple[tuple[frozenset[Role], Reporter], ...] = (
    (frozenset({Role.TEACHER, Role.SUBSTITUTE}), Reporter.TEACHER),
    (frozenset({Role.AFTER_SCHOOL_AGENT}), Reporter.AGENT),
    (frozenset({Role.HEAD}), Reporter.HEAD),
    (frozenset({Role.TECHNICIAN}), Reporter.TECHNICIAN),
)


def report_loss(
    work: UnitOfWork, actor: Actor, tag: str, description: str, *, place: str | None = None, happened_on: date | None = None
) -> LossReport:
    """Store a report that the tablet with this tag is lost, raise an alarm, and return it; one that waits already is returned unchanged.

    The tag names a tablet of a school in which the actor works, be it in one class or without seeing its tablets: nothing is shown of
    it, and nothing happens to it. Raises `NoTabletWithTag`, `TooManyLossReports`, `Invalid` for a day to come.
    """
    if happened_on is not None and happened_on > work.now.date():
        raise Invalid(field="happened_on")
    tablet = _find_tablet(work, actor, tag)
    locks.lock_town(work, tablet.town_id)
    repository = LossReportRepository(work.session)
    waiting = repository.get_waiting(tablet.id)
    if waiting is not None:
        return waiting
    if repository.count_waiting_of(actor.account_id) >= MAX_WAITING:
        raise TooManyLossReports(count=MAX_WAITING)
    report_id = new_id()
    audit.record_event(work, actor, "tablet.report_loss", "tablet", tablet.id, town_id=tablet.town_id, report_id=str(report_id))
    report = LossReport(
        id=report_id, town_id=tablet.town_id, school_id=tablet.school_id, tablet_id=tablet.id, reporter=_get_reporter(actor, tablet),
        reported_by=actor.account_id, reported_at=work.now, description=description, place=place or None, happened_on=happened_on,
        state=LossReportState.WAITING,
    )  # fmt: skip
    work.session.add(report)
    work.session.flush()
    raise_alarm(work, tablet.town_id, AlarmKind.TABLET_REPORTED_LOST, actor=actor, report_id=str(report_id))
    return report


def confirm_report(work: UnitOfWork, actor: Actor, report_id: UUID) -> LossReport:
    """Mark the tablet of a report lost, and return the report. Raises `LossReportNotFound`, `LossReportDecided`, and as `mark_lost` does."""
    report = _lock_waiting(work, actor, report_id)
    incident = IncidentReport(report.description, reporter=report.reporter, place=report.place, happened_on=report.happened_on)
    service.mark_lost(work, actor, report.tablet_id, report.description, incident_report=incident)
    _decide(work, actor, report, LossReportState.CONFIRMED, None)
    return report


def decline_report(work: UnitOfWork, actor: Actor, report_id: UUID, answer: str) -> LossReport:
    """Close a report without marking the tablet lost, with a sentence for who reported it. Raises as `confirm_report` does."""
    report = _lock_waiting(work, actor, report_id)
    audit.record_event(
        work, actor, "tablet.decline_loss", "tablet", report.tablet_id, town_id=report.town_id, report_id=str(report.id)
    )
    _decide(work, actor, report, LossReportState.DECLINED, answer)
    return report


def list_reports(
    work: UnitOfWork, actor: Actor, state: LossReportState | None = None, page: PageRequest = FIRST_PAGE
) -> Page[tuple[LossReport, Tablet]]:
    """List the reports of tablets that the actor cares for, each with its tablet, the oldest first."""
    return LossReportRepository(work.session).list_reports(actor, state, page)


def list_own_reports(work: UnitOfWork, actor: Actor, page: PageRequest = FIRST_PAGE) -> Page[tuple[LossReport, Tablet]]:
    """List what the actor has reported, each with its tablet, the newest first."""
    return LossReportRepository(work.session).list_own_reports(actor.account_id, page)


def count_waiting_reports(work: UnitOfWork, actor: Actor) -> int:
    """Return how many reports wait for the actor, or for a colleague with the same right."""
    return LossReportRepository(work.session).count_waiting(actor)


def _find_tablet(work: UnitOfWork, actor: Actor, tag: str) -> Tablet:
    towns = {town_id for permission in REPORTING for town_id in actor.list_permitted_towns(permission)}
    for tablet in LossReportRepository(work.session).find_tablets_by_tag(towns, tag.strip().upper()):
        if any(actor.has_permission_in_school(permission, tablet.town_id, tablet.school_id) for permission in REPORTING):
            return tablet
    raise NoTabletWithTag(field="tag")


def _get_reporter(actor: Actor, tablet: Tablet) -> Reporter:
    roles = {grant.role for grant in actor.role_assignments if grant.town_id == tablet.town_id}
    return next((reporter for kinds, reporter in _REPORTERS if roles & kinds), Reporter.HELPDESK)


def _lock_waiting(work: UnitOfWork, actor: Actor, report_id: UUID) -> LossReport:
    report = LossReportRepository(work.session).get_visible(actor, report_id)
    if report is None:
        raise LossReportNotFound
    lookup.get_tablet_for_update(work, actor, report.tablet_id, Permission.CARE)
    LossReportRepository(work.session).lock(report)
    if report.state is not LossReportState.WAITING:
        raise LossReportDecided
    return report


def _decide(work: UnitOfWork, actor: Actor, report: LossReport, state: LossReportState, answer: str | None) -> None:
    report.state, report.decided_by, report.decided_at, report.answer = state, actor.account_id, work.now, answer
    work.session.flush()
    acknowledge_settled_alarms(work, actor, report.town_id, AlarmKind.TABLET_REPORTED_LOST, report_id=str(report.id))

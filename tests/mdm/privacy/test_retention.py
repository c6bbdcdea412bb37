"""Retention: each rule removes what is due and nothing earlier, a preview changes nothing, a report proves each run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from cartable import audit
from cartable.alarms import Alarm, AlarmKind
from cartable.audit import AuditEvent
from cartable.audit_verification import FaultKind
from cartable.clock import ManualClock
from cartable.errors import Forbidden, NotFound
from cartable.ids import new_id
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime
from enrollment.people.models import AccessKind, Guardian, Pupil, PupilState, RecordAccess, StaffMember
from enrollment.rosters.models import RosterImport
from enrollment.tablets.models import Loan
from mdm.care.lost_mode.models import LostCase, PositionRequest
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.privacy import reports, retention
from mdm.privacy.errors import RetentionOutOfBounds
from mdm.privacy.models import PrivacyReport, ReportKind
from mdm.privacy.purges import PURGES
from mdm.queue.archive_repository import CommandArchiveRepository
from mdm.queue.models import ArchivedCommand, CommandBody, CommandState, QueuedCommand
from tests.enrollment.rosters.files import ONDE, STAFF, onde_line, text_file
from tests.enrollment.rosters.school import SchoolScenario
from tests.mdm.privacy.records import create_child, return_tablet
from tests.support.audit_trail import find_fault
from tests.support.world import create_actor


@pytest.fixture
def school(runtime: Runtime) -> Iterator[SchoolScenario]:
    with runtime.open_unit_of_work() as work:
        yield SchoolScenario(work)


def list_due(school: SchoolScenario) -> dict[str, tuple[int, int]]:
    previews = retention.preview_retention(school.work, school.admin, school.town.id)
    return {each.rule_id: (each.due, each.deferred) for each in previews if each.due}


def apply(school: SchoolScenario) -> dict[str, dict[str, Any]]:
    """Apply retention. Returns the results of the rules that had due rows, by rule."""
    report = retention.apply_retention(school.work, school.admin, school.town.id)
    assert reports.is_genuine(school.work, report)
    assert report.content["audit_chain_intact"] is True
    assert all(line["remaining"] == 0 for line in report.content["rules"]), "nothing that was due is left"
    assert [line["rule"] for line in report.content["rules"]] == list(PURGES)
    return {line["rule"]: line for line in report.content["rules"] if line["due"]}


def move_clock(school: SchoolScenario, *when: int) -> None:
    school.work.now = datetime(*when, tzinfo=UTC)  # type: ignore[arg-type, misc]


def test_departed_pupil_is_erased_two_months_after_the_school_year_unless_a_loan_is_open(school: SchoolScenario) -> None:
    pupil = create_child(school)
    school.import_file(text_file(ONDE, onde_line("AUTRE", "Léa", label="CE2 A", number="7", grade="CE2", born="02/02/2018")))
    assert pupil.absent_since == date(2026, 11, 23)
    move_clock(school, 2027, 10, 31)
    assert "pupil_identity" not in list_due(school)
    move_clock(school, 2027, 11, 1)
    assert list_due(school)["pupil_identity"] == (1, 1)
    assert apply(school)["pupil_identity"]["deferred"] == 1
    assert pupil.state is PupilState.ABSENT_FROM_ROSTER, "the tablet has not come back"
    return_tablet(school, pupil)
    assert apply(school)["pupil_identity"] | {"cutoff": ""} == {
        "rule": "pupil_identity", "days": 61, "cutoff": "", "due": 1, "removed": 1, "deferred": 0, "remaining": 0,
    }  # fmt: skip
    assert (pupil.state, pupil.last_name) == (PupilState.ERASED, "")
    assert school.get_pupil("AUTRE Léa").state is PupilState.ACTIVE
    move_clock(school, 2028, 10, 31)
    apply(school)
    assert school.work.session.scalar(select(func.count()).select_from(Pupil)) == 2, "the loan is kept for a year"
    move_clock(school, 2028, 11, 2)
    done = apply(school)
    assert (done["loan"]["removed"], done["anonymous_pupil"]["removed"]) == (1, 1)
    assert school.work.session.scalars(select(Pupil.last_name)).all() == ["AUTRE"]


def test_contacts_and_guardians_are_removed_after_two_months(school: SchoolScenario) -> None:
    pupil = create_child(school)
    guardian = school.get_guardians()["Nadia"][0]
    return_tablet(school, pupil)
    school.work.now += timedelta(days=60)
    assert "guardian_contact" not in list_due(school)
    school.work.now += timedelta(days=2)
    assert apply(school)["guardian_contact"]["removed"] == 1
    school.work.session.expire_all()
    assert (guardian.email, guardian.mobile) == (None, None)
    school.import_file(text_file("Nom responsable;Prénom responsable;Nom enfant;Prénom enfant", "X;Y;AUTRE;Léa"))
    school.work.now += timedelta(days=61)
    assert "guardian_identity" not in list_due(school)
    school.work.now += timedelta(days=1)
    assert apply(school)["guardian_identity"]["removed"] == 2
    assert [g.first_name for g in school.work.session.scalars(select(Guardian))] == ["Y"]


def test_contact_is_kept_while_any_child_has_a_loan(school: SchoolScenario) -> None:
    pupil = create_child(school)
    school.world.lend_tablet(school.world.create_tablet(school.town), school.get_pupil("AUTRE Léa"))
    return_tablet(school, pupil)
    school.work.now += timedelta(days=100)
    assert "guardian_contact" not in list_due(school)


def test_departed_staff_is_removed_two_months_after_the_school_year(school: SchoolScenario) -> None:
    uai = school.school.uai
    school.import_file(text_file(STAFF, f"{uai};DURAND;Paul;;;main", f"{uai};NOIR;Anne;;;main"))
    school.import_file(text_file(STAFF, f"{uai};NOIR;Anne;;;main"))
    move_clock(school, 2027, 10, 31)
    assert "staff_identity" not in list_due(school)
    move_clock(school, 2027, 11, 1)
    assert apply(school)["staff_identity"]["removed"] == 1
    assert [m.last_name for m in school.work.session.scalars(select(StaffMember))] == ["NOIR"]


def test_lost_case_loses_its_position_after_a_week_and_its_texts_after_a_year(school: SchoolScenario) -> None:
    create_child(school)
    school.work.now += timedelta(days=7)
    assert "position" not in list_due(school)
    school.work.now += timedelta(minutes=1)
    assert apply(school)["position"]["removed"] == 1
    school.work.session.expire_all()
    [request] = school.work.session.scalars(select(PositionRequest)).all()
    assert (request.position, bool(request.reason)) == (None, True)
    school.work.now += timedelta(days=359)
    assert apply(school)["lost_reason"]["removed"] == 1
    school.work.session.expire_all()
    [case] = school.work.session.scalars(select(LostCase)).all()
    assert (case.reason, case.lift_reason, request.reason) == ("", None, "")


def test_import_plans_are_removed_after_a_day(school: SchoolScenario) -> None:
    roster_import = school.import_file(text_file(ONDE, onde_line("A", "B")))
    school.work.now += timedelta(hours=23)
    assert "import" not in list_due(school)
    school.work.now += timedelta(hours=1)
    assert apply(school)["import"]["removed"] == 1
    school.work.session.expire_all()
    row = school.work.session.get_one(RosterImport, roster_import.id)
    assert (row.plan, row.undo_log) == (None, None)


def test_purged_audit_events_keep_the_chain_verifiable(school: SchoolScenario) -> None:
    for number in range(3):
        audit.record_event(school.work, school.admin, "class.read", "school_class", number, town_id=school.town.id)
        audit.record_event(school.work, school.admin, "tablet.erase", "tablet", number, town_id=school.town.id, ticket="T-1")
    school.work.now += timedelta(days=366)
    assert list_due(school)["audit"] == (3, 0)
    assert apply(school)["audit"]["removed"] == 3
    assert {event.action for event in audit.list_events(school.work, school.town.id).items} == {
        "tablet.erase",
        "privacy.apply_retention",
    }
    first = school.work.session.scalars(select(AuditEvent).order_by(AuditEvent.id)).first()
    assert first is not None
    assert (first.action, first.actor_name, first.actor_id, first.subject_id) == (audit.PURGED, "", None, "")
    assert find_fault(school.work, school.town.id) is None

    second = school.work.session.scalars(
        select(AuditEvent).where(AuditEvent.action == "tablet.erase").order_by(AuditEvent.id)
    ).first()
    assert second is not None
    kept = (second.action, second.details)
    second.action, second.details = audit.PURGED, {"proof": first.details["proof"]}
    school.work.session.flush()
    fault = find_fault(school.work, school.town.id)
    assert fault is not None
    assert fault.event_id == second.id, "a forged purge is detected"
    second.action, second.details = kept
    school.work.session.flush()
    assert find_fault(school.work, school.town.id) is None
    school.work.session.delete(first)
    school.work.session.flush()
    fault = find_fault(school.work, school.town.id)
    assert fault is not None
    assert (fault.kind, fault.sequence) == (FaultKind.MISSING, first.sequence), "a deleted purged event is detected"


def test_security_events_are_kept_for_three_years(school: SchoolScenario) -> None:
    audit.record_event(school.work, school.admin, "tablet.erase", "tablet", 1, town_id=school.town.id)
    school.work.now += timedelta(days=1096)
    assert apply(school)["security_audit"]["removed"] == 1
    with pytest.raises(ValueError, match="cannot be recorded as purged"):
        audit.record_event(school.work, school.admin, audit.PURGED, "x", 1, town_id=school.town.id)


def test_accesses_and_old_reports_are_removed(school: SchoolScenario) -> None:
    pupil = create_child(school)
    school.work.session.add(CommandBody(nonce=1, request_type="DeviceLock", args=b"{}", requested_by=new_id(), requested_by_name="Ann", reason="why", created_at=school.work.now))  # fmt: skip
    apply(school)
    school.work.now += timedelta(days=366)
    done = apply(school)
    assert done["record_access"]["removed"] == 1
    assert school.work.session.scalars(select(RecordAccess).where(RecordAccess.pupil_id == pupil.id)).all() == []
    school.work.now += timedelta(days=1100)
    assert apply(school)["privacy_report"]["removed"] == 2


def test_command_loses_its_reason_and_author_after_a_year(school: SchoolScenario) -> None:
    now = school.work.now
    tablet = school.world.create_tablet(school.town)
    channel = DeviceEnrollment(town_id=school.town.id, tablet_id=tablet.id, channel_key="U", udid="U", state=EnrollmentState.ENROLLED,
                               fingerprint="f", authenticated_at=now)  # fmt: skip
    body = CommandBody(
        nonce=1,
        request_type="DeviceLock",
        args=b"{}",
        requested_by=new_id(),
        requested_by_name="Ann",
        reason="why",
        created_at=now,
    )
    school.work.session.add_all([channel, body])
    school.work.session.flush()
    school.work.session.add(
        QueuedCommand(
            enrollment_id=channel.id, town_id=channel.town_id, generation=1, body_id=body.id, lane=1, deadline=now, created_at=now
        )
    )
    school.work.session.flush()
    school.work.now += timedelta(days=366)
    assert apply(school)["command_reason"]["removed"] == 1
    school.work.session.expire_all()
    assert (body.reason, body.requested_by, body.requested_by_name) == (None, None, "")


def test_archived_command_loses_its_author_and_ends_after_its_month(school: SchoolScenario) -> None:
    start = school.work.now
    while CommandArchiveRepository(school.work.session).drop_oldest_month(start + timedelta(days=60)) is not None:
        pass  # the rows of a month with a partition, which another test may have left, wait until it is dropped
    for number, by in ((1, new_id()), (2, None)):
        archived = ArchivedCommand(
            id=number, created_at=start, town_id=school.town.id, enrollment_id=1, generation=1, request_type="DeviceLock",
            state=CommandState.ACKNOWLEDGED, requested_by=by, requested_by_name="Ann" if by else "system", reason="why" if by else None,
        )  # fmt: skip
        school.work.session.add(archived)
    school.work.session.flush()
    school.work.now = start + timedelta(days=364)
    assert not {"command", "command_reason"} & list_due(school).keys()
    school.work.now = start + timedelta(days=366)
    done = apply(school)
    assert (done["command_reason"]["removed"], "command" in done) == (1, False)
    school.work.session.expire_all()
    rows = school.work.session.scalars(select(ArchivedCommand).order_by(ArchivedCommand.id)).all()
    assert [(row.requested_by, row.requested_by_name, row.reason) for row in rows] == [(None, "", None), (None, "system", None)]
    move_clock(school, start.year + 1, 12, 1)
    assert apply(school)["command"]["removed"] == 2, "a year after the end of November"


def test_preview_changes_nothing(school: SchoolScenario) -> None:
    pupil = create_child(school)
    return_tablet(school, pupil)
    move_clock(school, 2029, 1, 1)
    loans = school.work.session.scalar(select(func.count()).select_from(Loan))
    due = list_due(school)
    assert {"loan", "position", "lost_reason", "import", "audit", "record_access"} <= set(due)
    assert list_due(school) == due
    assert school.work.session.scalar(select(func.count()).select_from(Loan)) == loans


def test_town_sets_a_period_within_bounds(school: SchoolScenario) -> None:
    pupil = create_child(school)
    return_tablet(school, pupil)
    school.work.now += timedelta(days=400)
    assert "loan" in list_due(school)
    retention.set_period(school.work, school.admin, school.town.id, "loan", 1826, "unpaid repairs")
    assert "loan" not in list_due(school)
    shown = {each.rule.id: (each.days, each.reason) for each in retention.list_periods(school.work, school.admin, school.town.id)}
    assert (shown["loan"], shown["position"]) == ((1826, "unpaid repairs"), (7, None))
    for days in (29, 1827):
        with pytest.raises(RetentionOutOfBounds):
            retention.set_period(school.work, school.admin, school.town.id, "loan", days, "no")
    with pytest.raises(NotFound):
        retention.set_period(school.work, school.admin, school.town.id, "nothing", 1, "no")


def test_one_town_is_purged_without_another(school: SchoolScenario) -> None:
    pupil = create_child(school)
    return_tablet(school, pupil)
    neighbour = SchoolScenario(school.work)
    school.work.now += timedelta(days=400)
    assert apply(neighbour) == {}
    assert school.work.session.scalar(select(func.count()).select_from(Loan)) == 1
    for act in (retention.preview_retention, retention.apply_retention, retention.list_periods):
        with pytest.raises(Forbidden):
            act(school.work, neighbour.admin, school.town.id)
        with pytest.raises(Forbidden):
            act(school.work, create_actor(Role.HELPDESK, school.town, name="help"), school.town.id)


def test_job_applies_retention_to_one_town_at_a_time_once_a_day(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        towns = {SchoolScenario(work).town.id, SchoolScenario(work).town.id}
        audit.record_event(work, SYSTEM, "account.sign_in", "account", 1, town_id=None)
    seen = []
    for _ in range(4):
        clock.advance(timedelta(minutes=10))
        with runtime.open_unit_of_work() as work:
            report = retention.apply_next_due(work)
            seen.append(report.town_id if report else "nothing due")
    assert set(seen[:3]) == {None, *towns}
    assert seen[3] == "nothing due"
    clock.advance(timedelta(hours=21))
    with runtime.open_unit_of_work() as work:
        again = retention.apply_next_due(work)
        assert again is not None
        assert again.town_id == seen[0], "the town that has waited longest"
    clock.advance(timedelta(days=366))
    for _ in range(3):
        clock.advance(timedelta(minutes=10))
        with runtime.open_unit_of_work() as work:
            retention.apply_next_due(work)
    with runtime.open_unit_of_work() as work:
        assert work.session.scalar(select(AuditEvent.id).where(AuditEvent.action == "account.sign_in")) is None
        assert find_fault(work, None) is None
        kinds = set(work.session.scalars(select(PrivacyReport.kind)))
        assert kinds == {ReportKind.RETENTION}


def _record_accesses(school: SchoolScenario, pupil: Pupil, days: int) -> None:
    now = school.work.now
    for age in range(days):
        school.work.session.add(
            RecordAccess(
                town_id=school.town.id, pupil_id=pupil.id, actor_id=new_id(), actor_name="reader", kind=AccessKind.TABLET,
                day=(now - timedelta(days=age)).date(), first_at=now, last_at=now,
            )
        )  # fmt: skip
    school.work.session.flush()


def _run_by_schedule(school: SchoolScenario) -> dict[str, dict[str, Any]]:
    """Let the server apply the table to the town and to the rows of no town. Returns the results of the town, by rule."""
    written = [retention.apply_next_due(school.work) for _ in range(2)]
    [report] = [report for report in written if report is not None and report.town_id == school.town.id]
    return {line["rule"]: line for line in report.content["rules"]}


def test_the_server_does_not_delete_more_than_half_of_a_table_without_a_person(school: SchoolScenario) -> None:
    _record_accesses(school, create_child(school), 300)
    school.work.now += timedelta(days=400)
    lines = _run_by_schedule(school)
    assert (lines["record_access"]["removed"], lines["record_access"].get("withheld")) == (0, True)
    [alarm] = school.work.session.scalars(select(Alarm).where(Alarm.town_id == school.town.id))
    assert (alarm.kind, alarm.details) == (AlarmKind.DELETION_WITHHELD, {"rules": ["record_access"]})
    school.work.now += timedelta(days=1)
    for _ in range(2):
        retention.apply_next_due(school.work)
    assert school.work.session.scalar(select(func.count()).select_from(Alarm)) == 1, "once a week"

    assert apply(school)["record_access"]["removed"] >= 300, "a person has looked at the preview"


def test_what_two_months_of_holidays_make_due_is_deleted_by_the_server(school: SchoolScenario) -> None:
    _record_accesses(school, create_child(school), 365)
    school.work.now += timedelta(days=62)
    lines = _run_by_schedule(school)
    assert lines["record_access"]["removed"] == 61
    assert not any("withheld" in line for line in lines.values())

"""The retention table applied: each rule removes what is due and nothing before, a preview touches nothing, a report proves it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from cartable import audit
from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from cartable.errors import Forbidden, NotFound
from cartable.ids import new_id
from cartable.scope import SYSTEM, Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime
from enrollment.people.models import Guardian, Pupil, PupilState, RecordAccess, RosterImport, StaffMember
from enrollment.tablets.models import Loan
from mdm.care.models import LostCase, PositionRequest
from mdm.devices.models import DeviceEnrollment, EnrollmentState
from mdm.privacy import reports, retention
from mdm.privacy.errors import OutOfBounds
from mdm.privacy.models import PrivacyReport, ReportKind
from mdm.privacy.purges import PURGES
from mdm.queue.models import Command, CommandBody
from tests.enrollment.people.files import ONDE, STAFF, onde_line, text_file
from tests.enrollment.people.school import OneSchool
from tests.mdm.privacy.world import child, give_back


@pytest.fixture
def one(runtime: Runtime) -> Iterator[OneSchool]:
    with runtime.open_unit_of_work() as work:
        yield OneSchool(work)


def due(one: OneSchool) -> dict[str, tuple[int, int]]:
    told = retention.preview(one.work, one.admin, one.town.id)
    return {each.rule_id: (each.found, each.held) for each in told if each.found}


def run(one: OneSchool) -> dict[str, dict[str, Any]]:
    """Apply, and give the lines that had something to do."""
    report = retention.run(one.work, one.admin, one.town.id)
    assert reports.is_genuine(one.work, report)
    assert report.content["audit_holds"] is True
    assert all(line["left"] == 0 for line in report.content["rules"]), "nothing that was due is left"
    assert [line["rule"] for line in report.content["rules"]] == list(PURGES)
    return {line["rule"]: line for line in report.content["rules"] if line["found"]}


def at(one: OneSchool, *when: int) -> None:
    one.work.now = datetime(*when, tzinfo=UTC)  # type: ignore[arg-type, misc]


def test_a_pupil_who_left_is_erased_two_months_after_the_school_year_and_never_with_a_tablet(one: OneSchool) -> None:
    pupil = child(one)
    one.bring(text_file(ONDE, onde_line("AUTRE", "Léa", label="CE2 A", number="7", level="CE2", born="02/02/2018")))
    assert pupil.absent_since == date(2026, 11, 23)
    at(one, 2027, 10, 31)
    assert "pupil_identity" not in due(one)
    at(one, 2027, 11, 1)
    assert due(one)["pupil_identity"] == (1, 1)
    assert run(one)["pupil_identity"]["held"] == 1
    assert pupil.state is PupilState.ABSENT_FROM_ROSTER, "the tablet has not come back"
    give_back(one, pupil)
    assert run(one)["pupil_identity"] | {"before": ""} == {
        "rule": "pupil_identity", "days": 61, "before": "", "found": 1, "removed": 1, "held": 0, "left": 0,
    }  # fmt: skip
    assert (pupil.state, pupil.last_name) == (PupilState.ERASED, "")
    assert one.pupil("AUTRE Léa").state is PupilState.ACTIVE
    at(one, 2028, 10, 31)
    run(one)
    assert one.work.session.scalar(select(func.count()).select_from(Pupil)) == 2, "the loan's file is kept for a year"
    at(one, 2028, 11, 2)
    done = run(one)
    assert (done["loan"]["removed"], done["nameless_pupil"]["removed"]) == (1, 1)
    assert one.work.session.scalars(select(Pupil.last_name)).all() == ["AUTRE"]


def test_contacts_and_guardians(one: OneSchool) -> None:
    pupil = child(one)
    guardian = one.guardians()["Nadia"][0]
    give_back(one, pupil)
    one.work.now += timedelta(days=60)
    assert "guardian_contact" not in due(one)
    one.work.now += timedelta(days=2)
    assert run(one)["guardian_contact"]["removed"] == 1
    one.work.session.expire_all()
    assert (guardian.email, guardian.mobile) == (None, None)
    one.bring(text_file("Nom responsable;Prénom responsable;Nom enfant;Prénom enfant", "X;Y;AUTRE;Léa"))
    one.work.now += timedelta(days=61)
    assert "guardian_identity" not in due(one)
    one.work.now += timedelta(days=1)
    assert run(one)["guardian_identity"]["removed"] == 2
    assert [g.first_name for g in one.work.session.scalars(select(Guardian))] == ["Y"]


def test_a_contact_stays_while_any_child_has_a_tablet(one: OneSchool) -> None:
    pupil = child(one)
    one.world.lend(one.world.tablet(one.town), one.pupil("AUTRE Léa"))
    give_back(one, pupil)
    one.work.now += timedelta(days=100)
    assert "guardian_contact" not in due(one)


def test_staff_who_left(one: OneSchool) -> None:
    uai = one.school.uai
    one.bring(text_file(STAFF, f"{uai};DURAND;Paul;;;main", f"{uai};NOIR;Anne;;;main"))
    one.bring(text_file(STAFF, f"{uai};NOIR;Anne;;;main"))
    at(one, 2027, 10, 31)
    assert "staff_identity" not in due(one)
    at(one, 2027, 11, 1)
    assert run(one)["staff_identity"]["removed"] == 1
    assert [m.last_name for m in one.work.session.scalars(select(StaffMember))] == ["NOIR"]


def test_a_loss_forgets_the_position_in_a_week_and_the_words_in_a_year(one: OneSchool) -> None:
    child(one)
    one.work.now += timedelta(days=7)
    assert "position" not in due(one)
    one.work.now += timedelta(minutes=1)
    assert run(one)["position"]["removed"] == 1
    one.work.session.expire_all()
    [request] = one.work.session.scalars(select(PositionRequest)).all()
    assert (request.position, bool(request.reason)) == (None, True)
    one.work.now += timedelta(days=359)
    assert run(one)["lost_reason"]["removed"] == 1
    one.work.session.expire_all()
    [case] = one.work.session.scalars(select(LostCase)).all()
    assert (case.reason, case.lift_reason, request.reason) == ("", None, "")


def test_plans_of_imports(one: OneSchool) -> None:
    made = one.bring(text_file(ONDE, onde_line("A", "B")))
    one.work.now += timedelta(hours=23)
    assert "import" not in due(one)
    one.work.now += timedelta(hours=1)
    assert run(one)["import"]["removed"] == 1
    one.work.session.expire_all()
    row = one.work.session.get_one(RosterImport, made.id)
    assert (row.plan, row.undo) == (None, None)


def test_the_audit_forgets_what_was_said_and_still_proves_that_nothing_was_taken_away(one: OneSchool) -> None:
    for number in range(3):
        audit.record_event(one.work, one.admin, "class.read", "school_class", number, town_id=one.town.id)
        audit.record_event(one.work, one.admin, "tablet.erase", "tablet", number, town_id=one.town.id, ticket="T-1")
    one.work.now += timedelta(days=366)
    assert due(one)["audit"] == (3, 0)
    assert run(one)["audit"]["removed"] == 3
    assert {event.action for event in audit.list_events(one.work, one.town.id)} == {"tablet.erase", "privacy.retention"}
    first = one.work.session.scalars(select(AuditEvent).order_by(AuditEvent.id)).first()
    assert first is not None
    assert (first.action, first.actor_name, first.actor_id, first.subject_id) == (audit.PURGED, "", None, "")
    assert audit.verify_chain(one.work, one.town.id) is None

    second = one.work.session.scalars(
        select(AuditEvent).where(AuditEvent.action == "tablet.erase").order_by(AuditEvent.id)
    ).first()
    assert second is not None
    kept = (second.action, second.details)
    second.action, second.details = audit.PURGED, {"proof": first.details["proof"]}
    one.work.session.flush()
    assert audit.verify_chain(one.work, one.town.id) == second.id, "nobody makes an event look purged"
    second.action, second.details = kept
    one.work.session.flush()
    assert audit.verify_chain(one.work, one.town.id) is None
    one.work.session.delete(first)
    one.work.session.flush()
    assert audit.verify_chain(one.work, one.town.id) == second.id, "a purged event that is taken away is missed"


def test_security_acts_are_kept_for_three_years(one: OneSchool) -> None:
    audit.record_event(one.work, one.admin, "tablet.erase", "tablet", 1, town_id=one.town.id)
    one.work.now += timedelta(days=1096)
    assert run(one)["security_audit"]["removed"] == 1
    with pytest.raises(ValueError, match="nobody does this"):
        audit.record_event(one.work, one.admin, audit.PURGED, "x", 1, town_id=one.town.id)


def test_readings_orders_and_old_reports(one: OneSchool) -> None:
    pupil = child(one)
    one.work.session.add(CommandBody(nonce=1, request_type="DeviceLock", args=b"{}", asked_by=new_id(), asked_by_name="Ann", reason="why", created_at=one.work.now))  # fmt: skip
    run(one)
    one.work.now += timedelta(days=366)
    done = run(one)
    assert done["record_access"]["removed"] == 1
    assert one.work.session.scalars(select(RecordAccess).where(RecordAccess.pupil_id == pupil.id)).all() == []
    one.work.now += timedelta(days=1100)
    assert run(one)["privacy_report"]["removed"] == 2


def test_an_order_forgets_its_reason_and_author(one: OneSchool) -> None:
    now = one.work.now
    tablet = one.world.tablet(one.town)
    channel = DeviceEnrollment(town_id=one.town.id, tablet_id=tablet.id, channel_key="U", udid="U", state=EnrollmentState.ENROLLED,
                               fingerprint="f", authenticated_at=now)  # fmt: skip
    body = CommandBody(
        nonce=1, request_type="DeviceLock", args=b"{}", asked_by=new_id(), asked_by_name="Ann", reason="why", created_at=now
    )
    one.work.session.add_all([channel, body])
    one.work.session.flush()
    one.work.session.add(Command(enrollment_id=channel.id, generation=1, body_id=body.id, lane=1, deadline=now, created_at=now))
    one.work.session.flush()
    one.work.now += timedelta(days=366)
    assert run(one)["order_reason"]["removed"] == 1
    one.work.session.expire_all()
    assert (body.reason, body.asked_by, body.asked_by_name) == (None, None, "")


def test_a_preview_touches_nothing(one: OneSchool) -> None:
    pupil = child(one)
    give_back(one, pupil)
    at(one, 2029, 1, 1)
    loans = one.work.session.scalar(select(func.count()).select_from(Loan))
    told = due(one)
    assert {"loan", "position", "lost_reason", "import", "audit", "record_access"} <= set(told)
    assert due(one) == told
    assert one.work.session.scalar(select(func.count()).select_from(Loan)) == loans


def test_a_town_chooses_within_bounds_and_its_choice_holds(one: OneSchool) -> None:
    pupil = child(one)
    give_back(one, pupil)
    one.work.now += timedelta(days=400)
    assert "loan" in due(one)
    retention.choose(one.work, one.admin, one.town.id, "loan", 1826, "unpaid repairs")
    assert "loan" not in due(one)
    shown = {each.rule.id: (each.days, each.reason) for each in retention.periods(one.work, one.admin, one.town.id)}
    assert (shown["loan"], shown["position"]) == ((1826, "unpaid repairs"), (7, None))
    for days in (29, 1827):
        with pytest.raises(OutOfBounds):
            retention.choose(one.work, one.admin, one.town.id, "loan", days, "no")
    with pytest.raises(NotFound):
        retention.choose(one.work, one.admin, one.town.id, "nothing", 1, "no")


def test_one_town_is_purged_without_the_other(one: OneSchool) -> None:
    pupil = child(one)
    give_back(one, pupil)
    neighbour = OneSchool(one.work)
    one.work.now += timedelta(days=400)
    assert run(neighbour) == {}
    assert one.work.session.scalar(select(func.count()).select_from(Loan)) == 1
    for act in (retention.preview, retention.run, retention.periods):
        with pytest.raises(Forbidden):
            act(one.work, neighbour.admin, one.town.id)
        with pytest.raises(Forbidden):
            act(one.work, Actor(new_id(), "help", (RoleAssignment(Role.HELPDESK, one.town.id),)), one.town.id)


def test_the_job_takes_one_place_at_a_time_each_once_a_day(runtime: Runtime, clock: ManualClock) -> None:
    with runtime.open_unit_of_work() as work:
        towns = {OneSchool(work).town.id, OneSchool(work).town.id}
        audit.record_event(work, SYSTEM, "account.sign_in", "account", 1, town_id=None)
    seen = []
    for _ in range(4):
        clock.advance(timedelta(minutes=10))
        with runtime.open_unit_of_work() as work:
            report = retention.run_next(work)
            seen.append(report.town_id if report else "nothing due")
    assert set(seen[:3]) == {None, *towns}
    assert seen[3] == "nothing due"
    clock.advance(timedelta(hours=21))
    with runtime.open_unit_of_work() as work:
        again = retention.run_next(work)
        assert again is not None
        assert again.town_id == seen[0], "who waited longest"
    clock.advance(timedelta(days=366))
    for _ in range(3):
        clock.advance(timedelta(minutes=10))
        with runtime.open_unit_of_work() as work:
            retention.run_next(work)
    with runtime.open_unit_of_work() as work:
        assert work.session.scalar(select(AuditEvent.id).where(AuditEvent.action == "account.sign_in")) is None
        assert audit.verify_chain(work, None) is None
        kinds = set(work.session.scalars(select(PrivacyReport.kind)))
        assert kinds == {ReportKind.RETENTION}

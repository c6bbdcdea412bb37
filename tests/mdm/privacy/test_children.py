"""Export and erasure of one child: the export contains all data of the child and none of others; the erasure leaves only an id, and an
intact audit trail.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from cartable import audit
from cartable.audit import AuditEvent
from cartable.foreign_keys import list_referencing_columns
from cartable.scope import Role
from cartable.unit_of_work import Runtime
from enrollment.people import service as people
from enrollment.people.models import Guardian, PupilState
from enrollment.rosters.models import RosterImport
from enrollment.tablets.models import Loan
from mdm.privacy import children, reports
from mdm.privacy.errors import LoanStillOpen, PrivacyReportNotFound, PupilAlreadyErased, PupilRecordNotFound
from mdm.privacy.models import PrivacyReport, ReportKind
from mdm.tables import metadata
from tests.enrollment.rosters.files import ONDE, onde_line, text_file
from tests.enrollment.rosters.school import SchoolScenario
from tests.mdm.privacy.records import SECRET, create_child, return_tablet
from tests.support.audit_trail import find_fault
from tests.support.world import create_actor


@pytest.fixture
def school(runtime: Runtime) -> Iterator[SchoolScenario]:
    with runtime.open_unit_of_work() as work:
        yield SchoolScenario(work)


def read_all_rows(school: SchoolScenario) -> list[tuple[str, Any]]:
    """Return all rows of all tables, unsealed, each with its table."""
    school.work.session.flush()
    connection = school.work.session.connection()
    return [(table.name, row) for table in metadata.sorted_tables for row in connection.execute(select(table))]


def test_export_contains_all_data_of_the_child_and_none_of_others(school: SchoolScenario) -> None:
    pupil = create_child(school)
    export = children.export_child(school.work, school.admin, pupil.id)
    assert json.loads(json.dumps(export)) == export
    assert export["pupil"] == {
        "school_id": str(school.school.id), "class_id": str(pupil.class_id), "grade": "CE2", "last_name": SECRET,
        "usage_name": f"{SECRET}BIS", "first_name": "Zoé", "take_home": True, "state": "active", "absent_since": None,
    }  # fmt: skip
    assert {g["first_name"] for g in export["guardians"]} == {"Nadia", "Karim"}
    assert (len(export["loan"]), len(export["losses"]), len(export["losses"][0]["positions"])) == (1, 1, 1)
    assert export["losses"][0]["positions"][0]["position"] == '{"latitude": 48.8}'
    assert (export["pupil_after_school"], export["guardian_rule"][0]["kind"]) == ([{"after_school": "attends"}], "quiet")
    assert {r["kind"] for r in export["readings"]} == {"search", "export"}
    assert set(export) >= {column.table.name for column in list_referencing_columns(type(pupil))} - {
        "guardian_link",
        "pupil_group_member",
    } | {"groups"}, "every table that references it"
    text = json.dumps(export)
    for other in (
        "home.example",
        "+336",
        "AUTRE",
        "Léa",
        str(pupil.ine_hash),
        str(pupil.birth_hash),
        str(school.admin.account_id),
    ):
        assert other not in text
    report = reports.get_report(school.work, school.second, UUID(export["report_id"]))
    assert (report.kind, report.subject_id, reports.is_genuine(school.work, report)) == (ReportKind.EXPORT, pupil.id, True)
    assert SECRET not in str(report.content)
    acts = school.work.session.scalars(select(AuditEvent.action).where(AuditEvent.subject_id == str(pupil.id))).all()
    assert acts == ["privacy.export"]


def test_child_with_an_open_loan_is_not_erased(school: SchoolScenario) -> None:
    pupil = create_child(school)
    with pytest.raises(LoanStillOpen):
        children.erase_child(school.work, school.admin, pupil.id, "request of the family")
    assert school.get_pupil(f"{SECRET} Zoé").state is PupilState.ACTIVE


def test_erasure_leaves_an_id_and_an_intact_audit_trail(school: SchoolScenario) -> None:
    pupil = create_child(school)
    previewed = school.preview_file(text_file(ONDE, onde_line(SECRET, "Zoé", grade="CM1")))
    return_tablet(school, pupil)
    assert any(SECRET in str(row) for _, row in read_all_rows(school))
    audit.chain_events(school.work)
    events = school.work.session.scalars(select(AuditEvent.link).order_by(AuditEvent.id)).all()
    hashes = [pupil.ine_hash, pupil.birth_hash, pupil.name_hash]
    report = children.erase_child(school.work, school.admin, pupil.id, "request of the family")
    school.work.session.expire_all()

    after = read_all_rows(school)
    assert [name for name, row in after if SECRET in str(row).upper()] == []
    assert not any(str(value) in str(row) for value in hashes for _, row in after)
    assert pupil.state is PupilState.ERASED
    [guardian] = school.work.session.scalars(select(Guardian)).all()
    assert guardian.first_name == "Nadia", "she has another child; Karim has no other"
    assert "48.8" not in str(after)
    assert school.work.session.get_one(RosterImport, previewed.id).plan is None
    assert school.work.session.scalars(select(Loan.pupil_id)).all() == [pupil.id], "the tablet's history stays"

    assert find_fault(school.work, school.town.id) is None
    assert list(school.work.session.scalars(select(AuditEvent.link).order_by(AuditEvent.id)))[: len(events)] == list(events)
    assert reports.is_genuine(school.work, report)
    assert report.content["removed"]["identities"] == 1
    assert report.content["removed"]["guardian_rule"] == 1
    assert report.content["remaining"] == {"loan": {"rows": 1, "rule": "loan"}}
    with pytest.raises(PupilAlreadyErased):
        children.erase_child(school.work, school.admin, pupil.id, "again")
    with pytest.raises(PupilAlreadyErased):
        children.export_child(school.work, school.admin, pupil.id)
    assert people.search_pupils(school.work, school.admin, {school.town.id}, "zoe") == []
    readings = children.list_accesses(school.work, school.admin, pupil.id)
    assert [(row.actor_name, row.kind.value) for row in readings] == [("one", "search")], "accesses are still listed"


def test_roster_import_creates_an_erased_child_as_a_new_pupil(school: SchoolScenario) -> None:
    pupil = create_child(school)
    return_tablet(school, pupil)
    children.erase_child(school.work, school.admin, pupil.id, "left the town")
    roster_import = school.import_file(
        text_file(ONDE, onde_line(SECRET, "Zoé", ine="1234567890A"), onde_line("AUTRE", "Léa", born="02/02/2018"))
    )
    assert roster_import.counts["new"] == 1
    assert school.get_pupil(f"{SECRET} Zoé").id != pupil.id


def test_changed_report_is_not_genuine(school: SchoolScenario) -> None:
    pupil = create_child(school)
    return_tablet(school, pupil)
    report = children.erase_child(school.work, school.admin, pupil.id, "request of the family")
    report.content = {**report.content, "removed": {"identities": 0}}
    school.work.session.flush()
    assert not reports.is_genuine(school.work, report)
    event = school.work.session.scalars(select(AuditEvent).where(AuditEvent.action == "privacy.erase")).one()
    assert event.details["report_id"] == str(report.id), "a deleted report would be missed"


def test_other_towns_and_roles_cannot_export_or_erase(school: SchoolScenario) -> None:
    pupil = create_child(school)
    children.export_child(school.work, school.admin, pupil.id)
    [report] = school.work.session.scalars(select(PrivacyReport)).all()
    stranger = create_actor(Role.TOWN_ADMIN, school.world.create_town("Autre-Ville"), name="stranger")
    helpdesk = create_actor(Role.HELPDESK, school.town, name="helpdesk")
    for actor in (stranger, helpdesk):
        with pytest.raises(PupilRecordNotFound):
            children.export_child(school.work, actor, pupil.id)
        with pytest.raises(PupilRecordNotFound):
            children.list_accesses(school.work, actor, pupil.id)
        with pytest.raises(PupilRecordNotFound):
            children.erase_child(school.work, actor, pupil.id, "no")
        with pytest.raises(PrivacyReportNotFound):
            reports.get_report(school.work, actor, report.id)

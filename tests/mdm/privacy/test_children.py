"""One child's data: the export holds all that is the child's and nothing of others; the erasure leaves nothing but a number, and
the audit trail holds.
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
from cartable.ids import new_id
from cartable.scope import Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime
from enrollment.people import service as people
from enrollment.people.models import Guardian, PupilState, RosterImport
from enrollment.tablets.models import Loan
from mdm.privacy import children, reports
from mdm.privacy.errors import AlreadyErased, LoanOpen, PupilUnknown, ReportUnknown
from mdm.privacy.models import PrivacyReport, ReportKind
from mdm.tables import metadata
from tests.enrollment.people.files import ONDE, onde_line, text_file
from tests.enrollment.people.school import OneSchool
from tests.mdm.privacy.world import SECRET, child, give_back


@pytest.fixture
def one(runtime: Runtime) -> Iterator[OneSchool]:
    with runtime.open_unit_of_work() as work:
        yield OneSchool(work)


def everything(one: OneSchool) -> list[tuple[str, Any]]:
    """All rows of all tables, unsealed."""
    one.work.session.flush()
    connection = one.work.session.connection()
    return [(table.name, row) for table in metadata.sorted_tables for row in connection.execute(select(table))]


def test_the_export_is_whole_and_of_nobody_else(one: OneSchool) -> None:
    pupil = child(one)
    told = children.export(one.work, one.admin, pupil.id)
    assert json.loads(json.dumps(told)) == told
    assert told["pupil"] == {
        "school_id": str(one.school.id), "class_id": str(pupil.class_id), "level": "CE2", "last_name": SECRET,
        "usage_name": f"{SECRET}BIS", "first_name": "Zoé", "take_home": True, "state": "active", "absent_since": None,
    }  # fmt: skip
    assert {g["first_name"] for g in told["guardians"]} == {"Nadia", "Karim"}
    assert (len(told["loan"]), len(told["losses"]), len(told["losses"][0]["positions"])) == (1, 1, 1)
    assert told["losses"][0]["positions"][0]["position"] == '{"latitude": 48.8}'
    assert (told["pupil_rhythm"], told["guardian_rule"][0]["kind"]) == ([{"after_school": "attends"}], "quiet")
    assert {r["kind"] for r in told["readings"]} == {"search", "export"}
    assert set(told) >= {column.table.name for column in list_referencing_columns(type(pupil))} - {
        "guardian_link",
        "pupil_group_member",
    } | {"groups"}, "every table that points at it"
    text = json.dumps(told)
    for other in (
        "home.example",
        "+336",
        "AUTRE",
        "Léa",
        str(pupil.ine_hash),
        str(pupil.birth_hash),
        str(one.admin.account_id),
    ):
        assert other not in text
    report = reports.get(one.work, one.second, UUID(told["report_id"]))
    assert (report.kind, report.subject_id, reports.is_genuine(one.work, report)) == (ReportKind.EXPORT, pupil.id, True)
    assert SECRET not in str(report.content)
    acts = one.work.session.scalars(select(AuditEvent.action).where(AuditEvent.subject_id == str(pupil.id))).all()
    assert acts == ["privacy.export"]


def test_a_child_with_a_tablet_is_not_erased(one: OneSchool) -> None:
    pupil = child(one)
    with pytest.raises(LoanOpen):
        children.erase(one.work, one.admin, pupil.id, "request of the family")
    assert one.pupil(f"{SECRET} Zoé").state is PupilState.ACTIVE


def test_the_erasure_leaves_a_number_and_the_audit_sound(one: OneSchool) -> None:
    pupil = child(one)
    waiting = one.preview(text_file(ONDE, onde_line(SECRET, "Zoé", level="CM1")))
    give_back(one, pupil)
    assert any(SECRET in str(row) for _, row in everything(one))
    events = one.work.session.scalars(select(AuditEvent.link).order_by(AuditEvent.id)).all()
    hashes = [pupil.ine_hash, pupil.birth_hash, pupil.name_hash]
    report = children.erase(one.work, one.admin, pupil.id, "request of the family")
    one.work.session.expire_all()

    after = everything(one)
    assert [name for name, row in after if SECRET in str(row).upper()] == []
    assert not any(str(value) in str(row) for value in hashes for _, row in after)
    assert pupil.state is PupilState.ERASED
    [guardian] = one.work.session.scalars(select(Guardian)).all()
    assert guardian.first_name == "Nadia", "she has another child; Karim has none here"
    assert "48.8" not in str(after)
    assert one.work.session.get_one(RosterImport, waiting.id).plan is None
    assert one.work.session.scalars(select(Loan.pupil_id)).all() == [pupil.id], "the tablet's history stays"

    assert audit.verify_chain(one.work, one.town.id) is None
    assert list(one.work.session.scalars(select(AuditEvent.link).order_by(AuditEvent.id)))[: len(events)] == list(events)
    assert reports.is_genuine(one.work, report)
    assert report.content["removed"]["identities"] == 1
    assert report.content["removed"]["guardian_rule"] == 1
    assert report.content["stays"] == {"loan": {"rows": 1, "rule": "loan"}}
    with pytest.raises(AlreadyErased):
        children.erase(one.work, one.admin, pupil.id, "again")
    with pytest.raises(AlreadyErased):
        children.export(one.work, one.admin, pupil.id)
    assert people.find_pupils(one.work, one.admin, one.town.id, "zoe") == []
    readings = children.accesses(one.work, one.admin, pupil.id)
    assert [(row.actor_name, row.kind.value) for row in readings] == [("one", "search")], "who read it is still told"


def test_a_roster_brings_an_erased_child_back_as_somebody_new(one: OneSchool) -> None:
    pupil = child(one)
    give_back(one, pupil)
    children.erase(one.work, one.admin, pupil.id, "left the town")
    made = one.bring(text_file(ONDE, onde_line(SECRET, "Zoé", ine="1234567890A"), onde_line("AUTRE", "Léa", born="02/02/2018")))
    assert made.counts["new"] == 1
    assert one.pupil(f"{SECRET} Zoé").id != pupil.id


def test_a_report_that_was_changed_shows(one: OneSchool) -> None:
    pupil = child(one)
    give_back(one, pupil)
    report = children.erase(one.work, one.admin, pupil.id, "request of the family")
    report.content = {**report.content, "removed": {"identities": 0}}
    one.work.session.flush()
    assert not reports.is_genuine(one.work, report)
    event = one.work.session.scalars(select(AuditEvent).where(AuditEvent.action == "privacy.erase")).one()
    assert event.details["report_id"] == str(report.id), "and one that was taken away would be missed"


def test_walls(one: OneSchool) -> None:
    pupil = child(one)
    children.export(one.work, one.admin, pupil.id)
    [report] = one.work.session.scalars(select(PrivacyReport)).all()
    stranger = Actor(new_id(), "stranger", (RoleAssignment(Role.TOWN_ADMIN, one.world.town("Autre-Ville").id),))
    helpdesk = Actor(new_id(), "helpdesk", (RoleAssignment(Role.HELPDESK, one.town.id),))
    for actor in (stranger, helpdesk):
        with pytest.raises(PupilUnknown):
            children.export(one.work, actor, pupil.id)
        with pytest.raises(PupilUnknown):
            children.accesses(one.work, actor, pupil.id)
        with pytest.raises(PupilUnknown):
            children.erase(one.work, actor, pupil.id, "no")
        with pytest.raises(ReportUnknown):
            reports.get(one.work, actor, report.id)

"""Privacy requests, the PDF for families, breach reports and notices, partly over real HTTPS as the data protection officer."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from cartable.i18n import FRENCH
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime
from mdm.privacy import breaches, notices, papers, requests, retention
from mdm.privacy.errors import (
    NoticeUnchanged,
    PrivacyRequestAnswered,
    PrivacyRequestExtended,
    PrivacyRequestNotFound,
    PupilRecordNotFound,
)
from mdm.privacy.models import NoticeAudience, RequestKind, RequestOutcome
from mdm.privacy.rules import add_months
from tests.enrollment.rosters.corpus.build import CUSTOM, build_csv, custom_line
from tests.enrollment.rosters.school import SchoolScenario
from tests.mdm.privacy.records import SECRET, create_child
from tests.support.server import LiveServer
from tests.support.world import TownFactory


@pytest.fixture
def school(runtime: Runtime) -> Iterator[SchoolScenario]:
    with runtime.open_unit_of_work() as work:
        yield SchoolScenario(work)


@pytest.mark.parametrize(
    ("day", "months", "due"),
    [
        (date(2026, 11, 23), 1, date(2026, 12, 23)),
        (date(2027, 1, 31), 1, date(2027, 2, 28)),
        (date(2026, 12, 31), 1, date(2027, 1, 31)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
    ],
)
def test_term_is_a_calendar_month(day: date, months: int, due: date) -> None:
    assert add_months(day, months) == due


def test_request_is_received_extended_once_and_answered(school: SchoolScenario) -> None:
    pupil = create_child(school)
    row = requests.receive_request(
        school.work, school.admin, school.town.id, RequestKind.ACCESS, f"{SECRET}PERE Karim", subject_id=pupil.id
    )
    assert (row.received_on, row.due_on) == (date(2026, 11, 23), date(2026, 12, 23))
    requests.extend_request(school.work, school.admin, row.id, "two schools must answer")
    assert row.due_on == date(2027, 2, 23)
    with pytest.raises(PrivacyRequestExtended):
        requests.extend_request(school.work, school.admin, row.id, "again")
    late = requests.receive_request(
        school.work, school.admin, school.town.id, RequestKind.ERASURE, "X", received_on=date(2026, 10, 1)
    )
    with pytest.raises(PrivacyRequestExtended):
        requests.extend_request(school.work, school.admin, late.id, "too late to say so")
    assert [each.id for each in requests.list_requests(school.work, school.admin, school.town.id).items] == [late.id, row.id]
    requests.answer_request(school.work, school.admin, row.id, RequestOutcome.DONE, "export handed over")
    with pytest.raises(PrivacyRequestAnswered):
        requests.answer_request(school.work, school.admin, row.id, RequestOutcome.REFUSED, "no")
    assert [each.id for each in requests.list_requests(school.work, school.admin, school.town.id, only_open=True).items] == [
        late.id
    ]
    raw = school.work.session.execute(text("SELECT requester FROM privacy_request")).all()
    assert SECRET.encode() not in b"".join(bytes(each[0]) for each in raw), "the requester is sealed"
    school.work.now += timedelta(days=1096)
    retention.apply_retention(school.work, school.admin, school.town.id)
    school.work.session.expire_all()
    assert [each.id for each in requests.list_requests(school.work, school.admin, school.town.id).items] == [late.id], (
        "an open one is never purged"
    )


def test_requests_are_isolated_between_towns(school: SchoolScenario) -> None:
    other = SchoolScenario(school.work)
    row = requests.receive_request(school.work, school.admin, school.town.id, RequestKind.ACCESS, "X")
    with pytest.raises(PrivacyRequestNotFound):
        requests.answer_request(school.work, other.admin, row.id, RequestOutcome.DONE, "no")
    with pytest.raises(PupilRecordNotFound):
        requests.receive_request(
            school.work, other.admin, other.town.id, RequestKind.ACCESS, "X", subject_id=create_child(school).id
        )
    assert requests.list_requests(school.work, other.admin, other.town.id).items == []


def test_breach_report_counts_affected_people_and_lists_fields(school: SchoolScenario) -> None:
    pupil = create_child(school)
    other = SchoolScenario(school.work)
    known_at = school.work.now - timedelta(hours=71)
    content = breaches.report_breach(school.work, school.admin, school.town.id, known_at).content
    assert (content["pupils"], content["guardians"], content["late"]) == (2, 2, False)
    assert content["notify_by"] == (known_at + timedelta(hours=72)).isoformat()
    assert {"pupil", "guardian", "loan"} <= set(content["fields"])
    assert "birth_hash" in content["fields"]["pupil"]
    assert SECRET not in str(content)
    assert breaches.report_breach(school.work, other.admin, other.town.id, known_at).content["pupils"] == 0
    misused = breaches.report_breach(
        school.work, school.admin, school.town.id, known_at, account_id=school.admin.account_id
    ).content
    assert (misused["pupil_ids"], misused["fields"]["pupil"][0], "guardian" in misused["fields"]) == (
        [str(pupil.id)],
        "last_name",
        False,
    )
    before = breaches.report_breach(
        school.work, school.admin, school.town.id, known_at, account_id=school.admin.account_id, until=date(2026, 11, 1)
    )
    assert before.content["pupils"] == 0
    assert (
        breaches.report_breach(school.work, school.admin, school.town.id, school.work.now - timedelta(hours=73)).content["late"]
        is True
    )


def test_changed_retention_makes_a_new_version_of_a_notice(school: SchoolScenario) -> None:
    create_child(school)
    last, content = notices.get_notice(school.work, school.admin, school.town.id, NoticeAudience.GUARDIANS)
    assert last is None
    assert {line["what"] for line in content["en"]["lines"]} >= {"family name", "hash of the INE"}
    first = notices.publish_notice(school.work, school.admin, school.town.id, NoticeAudience.GUARDIANS)
    with pytest.raises(NoticeUnchanged):
        notices.publish_notice(school.work, school.admin, school.town.id, NoticeAudience.GUARDIANS)
    retention.set_period(school.work, school.admin, school.town.id, "loan", 400, "agreed by the three officers")
    second = notices.publish_notice(school.work, school.admin, school.town.id, NoticeAudience.GUARDIANS)
    assert (first.version, second.version) == (1, 2)
    recipients = notices.list_recipients(school.work, school.admin, school.town.id, NoticeAudience.GUARDIANS)
    assert sorted(recipients.items, key=str) == sorted((guardian.id for guardian, _ in school.get_guardians().values()), key=str)
    plain = notices.compose_notice(school.work, school.town.id, NoticeAudience.CHILDREN)
    assert "3018" in plain["fr"]["words"]


def test_officer_processes_a_request_up_to_the_pdf(server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = TownFactory(work)
        town = world.create_town()
        school = world.create_school(town)
    with contextlib.closing(server.sign_in(town.id, Role.TOWN_ADMIN, "admin")) as admin, \
         contextlib.closing(server.sign_in(town.id, Role.DPO, "officer")) as dpo:  # fmt: skip
        file = build_csv(CUSTOM, custom_line("D'ARTAGNAN #let x = 1", "Élise", groups="Chorale", units="ULIS"))
        data = {"town_id": str(town.id), "school_uai": school.uai}
        roster_import = admin.post("/rosters", files={"file": ("a.csv", file)}, data=data).json()
        admin.post(f"/rosters/{roster_import['id']}/confirm").raise_for_status()
        [pupil] = admin.get("/pupils", params={"town_id": str(town.id), "q": "artagnan"}).json()["items"]
        body = {"town_id": str(town.id), "kind": "access", "requester": "Mme D'ARTAGNAN", "pupil_id": pupil["id"]}
        request = admin.post("/privacy/requests", json=body).json()
        [seen] = dpo.get("/privacy/requests", params={"town_id": str(town.id), "only_open": True}).json()["items"]
        assert (seen["pupil_id"], seen["late"]) == (pupil["id"], False)
        paper = dpo.get(f"/privacy/pupils/{pupil['id']}/export.pdf", headers={"Accept-Language": "fr"})
        assert paper.headers["content-type"] == "application/pdf"
        assert paper.content.startswith(b"%PDF")
        exported = dpo.get(f"/privacy/pupils/{pupil['id']}/export").json()
        content = papers.build_content(exported, FRENCH)
        words = json.dumps(content, ensure_ascii=False)
        assert not re.search(r"_|[0-9a-f]{8}-[0-9a-f]{4}|\d{4}-\d{2}-\d{2}", json.dumps(content["parts"])), (
            "no names of tables, no numbers"
        )
        for text_part in (
            "Données conservées",
            "ARTAGNAN #let x = 1 Élise",
            "Chorale",
            "ULIS",
            "nom de famille",
            "voir les données",
            "sorti en un fichier",
            "Pourquoi ces données",
        ):
            assert text_part in words, text_part
        assert "empreinte" not in words, "no hashes"
        answered = dpo.post(f"/privacy/requests/{request['id']}/answer", json={"outcome": "done", "answer": "handed over"}).json()
        assert answered["answered_on"] == str(datetime.now(UTC).date())
        assert [each["kind"] for each in exported["requests"]] == ["access"]
        assert dpo.get(f"/privacy/pupils/{uuid4()}/export.pdf").status_code == 404
        breach = dpo.post("/privacy/breaches", json={"town_id": str(town.id), "known_at": datetime.now(UTC).isoformat()}).json()
        assert (breach["genuine"], breach["content"]["pupils"]) == (True, 1)
        assert dpo.post("/privacy/notices/children", params={"town_id": str(town.id)}).json()["version"] == 1
        assert dpo.get("/privacy/notices/children", params={"town_id": str(town.id)}).json()["changed"] is False


def test_system_actor_may_receive_requests(school: SchoolScenario) -> None:
    assert requests.receive_request(school.work, SYSTEM, school.town.id, RequestKind.OBJECTION, "X").due_on == date(2026, 12, 23)

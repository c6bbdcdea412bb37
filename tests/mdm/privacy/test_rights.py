"""The desk of requests, the paper for a family, the breach kit and the notices, as the data protection officer uses them over real HTTPS."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from cartable.i18n import FRENCH
from cartable.scope import SYSTEM, Role
from cartable.unit_of_work import Runtime
from mdm.privacy import breaches, notices, papers, requests, retention
from mdm.privacy.errors import NoticeUnchanged, PupilUnknown, RequestAnswered, RequestExtended, RequestUnknown
from mdm.privacy.models import NoticeAudience, RequestKind, RequestOutcome
from mdm.privacy.rules import months_after
from tests.conftest import KEYRING
from tests.enrollment.people.corpus.build import CUSTOM, custom, lines
from tests.enrollment.people.school import OneSchool
from tests.mdm.privacy.world import SECRET, child
from tests.support.server import LiveServer, live_server
from tests.support.world import World


@pytest.fixture
def one(runtime: Runtime) -> Iterator[OneSchool]:
    with runtime.open_unit_of_work() as work:
        yield OneSchool(work)


@pytest.mark.parametrize(
    ("day", "months", "due"),
    [
        (date(2026, 11, 23), 1, date(2026, 12, 23)),
        (date(2027, 1, 31), 1, date(2027, 2, 28)),
        (date(2026, 12, 31), 1, date(2027, 1, 31)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
    ],
)
def test_a_term_is_a_month_of_the_calendar(day: date, months: int, due: date) -> None:
    assert months_after(day, months) == due


def test_a_request_is_received_extended_once_and_answered(one: OneSchool) -> None:
    pupil = child(one)
    row = requests.receive(one.work, one.admin, one.town.id, RequestKind.ACCESS, f"{SECRET}PERE Karim", subject_id=pupil.id)
    assert (row.received_on, row.due_on) == (date(2026, 11, 23), date(2026, 12, 23))
    requests.extend(one.work, one.admin, row.id, "two schools must answer")
    assert row.due_on == date(2027, 2, 23)
    with pytest.raises(RequestExtended):
        requests.extend(one.work, one.admin, row.id, "again")
    late = requests.receive(one.work, one.admin, one.town.id, RequestKind.ERASURE, "X", received_on=date(2026, 10, 1))
    with pytest.raises(RequestExtended):
        requests.extend(one.work, one.admin, late.id, "too late to say so")
    assert [each.id for each in requests.listed(one.work, one.admin, one.town.id)] == [late.id, row.id]
    requests.answer(one.work, one.admin, row.id, RequestOutcome.DONE, "export handed over")
    with pytest.raises(RequestAnswered):
        requests.answer(one.work, one.admin, row.id, RequestOutcome.REFUSED, "no")
    assert [each.id for each in requests.listed(one.work, one.admin, one.town.id, only_open=True)] == [late.id]
    raw = one.work.session.execute(text("SELECT asked_by FROM privacy_request")).all()
    assert SECRET.encode() not in b"".join(bytes(each[0]) for each in raw), "who asks is sealed"
    one.work.now += timedelta(days=1096)
    retention.run(one.work, one.admin, one.town.id)
    one.work.session.expire_all()
    assert [each.id for each in requests.listed(one.work, one.admin, one.town.id)] == [late.id], "an open one is never purged"


def test_requests_stay_behind_the_walls(one: OneSchool) -> None:
    other = OneSchool(one.work)
    row = requests.receive(one.work, one.admin, one.town.id, RequestKind.ACCESS, "X")
    with pytest.raises(RequestUnknown):
        requests.answer(one.work, other.admin, row.id, RequestOutcome.DONE, "no")
    with pytest.raises(PupilUnknown):
        requests.receive(one.work, other.admin, other.town.id, RequestKind.ACCESS, "X", subject_id=child(one).id)
    assert requests.listed(one.work, other.admin, other.town.id) == []


def test_a_breach_names_in_numbers_who_is_touched_and_by_what(one: OneSchool) -> None:
    pupil = child(one)
    other = OneSchool(one.work)
    known_at = one.work.now - timedelta(hours=71)
    told = breaches.report(one.work, one.admin, one.town.id, known_at).content
    assert (told["pupils"], told["guardians"], told["late"]) == (2, 2, False)
    assert told["notify_by"] == (known_at + timedelta(hours=72)).isoformat()
    assert {"pupil", "guardian", "loan"} <= set(told["fields"])
    assert "birth_hash" in told["fields"]["pupil"]
    assert SECRET not in str(told)
    assert breaches.report(one.work, other.admin, other.town.id, known_at).content["pupils"] == 0
    misused = breaches.report(one.work, one.admin, one.town.id, known_at, account_id=one.admin.account_id).content
    assert (misused["pupil_ids"], misused["fields"]["pupil"][0], "guardian" in misused["fields"]) == (
        [str(pupil.id)],
        "last_name",
        False,
    )
    before = breaches.report(one.work, one.admin, one.town.id, known_at, account_id=one.admin.account_id, until=date(2026, 11, 1))
    assert before.content["pupils"] == 0
    assert breaches.report(one.work, one.admin, one.town.id, one.work.now - timedelta(hours=73)).content["late"] is True


def test_a_notice_says_what_the_program_does_and_a_change_makes_a_version(one: OneSchool) -> None:
    child(one)
    last, content = notices.current(one.work, one.admin, one.town.id, NoticeAudience.GUARDIANS)
    assert last is None
    assert {line["what"] for line in content["en"]["lines"]} >= {"family name", "hash of the INE"}
    first = notices.publish(one.work, one.admin, one.town.id, NoticeAudience.GUARDIANS)
    with pytest.raises(NoticeUnchanged):
        notices.publish(one.work, one.admin, one.town.id, NoticeAudience.GUARDIANS)
    retention.choose(one.work, one.admin, one.town.id, "loan", 400, "agreed by the three officers")
    second = notices.publish(one.work, one.admin, one.town.id, NoticeAudience.GUARDIANS)
    assert (first.version, second.version) == (1, 2)
    whom = notices.to_notify(one.work, one.admin, one.town.id, NoticeAudience.GUARDIANS)
    assert sorted(whom, key=str) == sorted((guardian.id for guardian, _ in one.guardians().values()), key=str)
    plain = notices.compose(one.work, one.town.id, NoticeAudience.CHILDREN)
    assert "3018" in plain["fr"]["words"]


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(engine, KEYRING, tmp_path / "data") as running:
        yield running


def test_the_officer_follows_a_request_from_its_arrival_to_the_paper(server: LiveServer) -> None:
    with server.runtime.open_unit_of_work() as work:
        world = World(work)
        town = world.town()
        school = world.school(town)
    with contextlib.closing(server.client(town.id, Role.TOWN_ADMIN, "admin")) as admin, \
         contextlib.closing(server.client(town.id, Role.DPO, "officer")) as dpo:  # fmt: skip
        file = lines(CUSTOM, custom("D'ARTAGNAN #let x = 1", "Élise", groups="Chorale", units="ULIS"))
        data = {"town_id": str(town.id), "school_uai": school.uai}
        made = admin.post("/rosters", files={"file": ("a.csv", file)}, data=data).json()
        admin.post(f"/rosters/{made['id']}/confirm").raise_for_status()
        [pupil] = admin.get("/pupils", params={"town_id": str(town.id), "q": "artagnan"}).json()
        asked = {"town_id": str(town.id), "kind": "access", "asked_by": "Mme D'ARTAGNAN", "pupil_id": pupil["id"]}
        request = admin.post("/privacy/requests", json=asked).json()
        [seen] = dpo.get("/privacy/requests", params={"town_id": str(town.id), "only_open": True}).json()
        assert (seen["pupil_id"], seen["late"]) == (pupil["id"], False)
        paper = dpo.get(f"/privacy/pupils/{pupil['id']}/export.pdf", headers={"Accept-Language": "fr"})
        assert paper.headers["content-type"] == "application/pdf"
        assert paper.content.startswith(b"%PDF")
        exported = dpo.get(f"/privacy/pupils/{pupil['id']}/export").json()
        words = json.dumps(papers.content(exported, FRENCH), ensure_ascii=False)
        for said in (
            "Données conservées",
            "ARTAGNAN #let x = 1 Élise",
            "Chorale",
            "ULIS",
            "nom de famille",
            "Pourquoi ces données",
        ):
            assert said in words, said
        assert "empreinte" not in words, "no hashes"
        answered = dpo.post(f"/privacy/requests/{request['id']}/answer", json={"outcome": "done", "answer": "handed over"}).json()
        assert answered["answered_on"] == str(datetime.now(UTC).date())
        assert [each["kind"] for each in exported["requests"]] == ["access"]
        assert dpo.get(f"/privacy/pupils/{uuid4()}/export.pdf").status_code == 404
        breach = dpo.post("/privacy/breaches", json={"town_id": str(town.id), "known_at": datetime.now(UTC).isoformat()}).json()
        assert (breach["genuine"], breach["content"]["pupils"]) == (True, 1)
        assert dpo.post("/privacy/notices/children", params={"town_id": str(town.id)}).json()["version"] == 1
        assert dpo.get("/privacy/notices/children", params={"town_id": str(town.id)}).json()["changed"] is False


def test_the_server_itself_may_do_all_this(one: OneSchool) -> None:
    assert requests.receive(one.work, SYSTEM, one.town.id, RequestKind.OBJECTION, "X").due_on == date(2026, 12, 23)

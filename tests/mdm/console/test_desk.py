"""The desk's routes: who may, what other sites and other towns cannot, and that each scan costs the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from urllib.parse import quote
from uuid import uuid4
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select

from cartable.audit import AuditEvent
from cartable.clock import ManualClock
from cartable.scope import SYSTEM, Role
from enrollment.people.models import Pupil, RecordAccess
from enrollment.tablets.models import AgreementState, Incident, Loan, Tablet, TabletState
from mdm.accounts import missions
from mdm.accounts import service as accounts
from tests.browser.desk_world import desk_world
from tests.mdm.console.conftest import Person, result_of
from tests.support.accounts import PASSWORD, choose_password, sign_in
from tests.support.sampling import count_examples
from tests.support.server import LiveServer

Enter = Callable[..., Person]


def test_the_desk_is_there_for_those_who_handle_tablets(server: LiveServer, person: Enter) -> None:
    world = desk_world(server.runtime, size=2)
    technician, helpdesk = person(world.town_id), person(world.town_id, Role.HELPDESK)
    assert "Atelier" in technician.client.get("/").text
    assert "Atelier" not in helpdesk.client.get("/").text
    assert helpdesk.client.get("/desk").status_code == 200
    for path in ("", "/bench", f"/handover?class={world.class_id}", "/swap", "/return", "/breakage", "/store"):
        assert helpdesk.client.get(f"/desk/{world.town_id}{path}").status_code == 404
        assert technician.client.get(f"/desk/{world.town_id}{path}").status_code == 200
    assert helpdesk.scan(world.town_id, "bench", scan=world.serials[0]).status_code == 404
    assert technician.client.get(f"/desk/{world.town_id}/nonsense").status_code == 422


def test_a_stranger_is_asked_to_sign_in_and_comes_back_to_the_page(server: LiveServer, person: Enter) -> None:
    world = desk_world(server.runtime, size=1)
    stranger = person(world.town_id)
    stranger.client.cookies.clear()
    asked = stranger.client.get(f"/desk/{world.town_id}/bench")
    assert asked.headers["location"] == f"/sign-in?then={quote(f'/desk/{world.town_id}/bench', safe='')}"
    assert stranger.scan(world.town_id, "bench", scan=world.serials[0]).status_code == 401
    assert stranger.client.get("/desk/me", headers={"Accept": "application/json"}).status_code == 401
    with server.runtime.open_unit_of_work() as work:
        made = accounts.create_account(
            work, SYSTEM, login="again", display_name="again", password=PASSWORD, role=Role.TECHNICIAN, town_id=world.town_id
        )
        made.must_change_password = False
    for then, lands in (
        (f"/desk/{world.town_id}/bench", f"/desk/{world.town_id}/bench"),
        ("https://evil.example/", "/today"), ("//evil.example", "/today"), ("/desk/../\\evil", "/today"), ("/desk@evil.example", "/today"),
    ):  # fmt: skip
        back = stranger.client.post("/sign-in", data={"login": "again", "password": PASSWORD, "then": then})
        assert back.headers["location"] == lands


def test_a_form_of_another_site_or_another_sign_in_does_nothing(server: LiveServer, person: Enter) -> None:
    world = desk_world(server.runtime, size=1)
    technician, colleague = person(world.town_id), person(world.town_id)
    for csrf in ("", "x", colleague.csrf):
        answer = technician.scan(world.town_id, "bench", scan=world.serials[0], csrf=csrf)
        assert (answer.status_code, answer.json()["code"]) == (403, "stale_page")
        page = technician.submit(world.town_id, "bench", scan=world.serials[0], csrf=csrf)
        assert page.status_code == 403
        assert "rechargez-la" in result_of(page)
        assert technician.client.post(f"/desk/{world.town_id}/orders", data={"csrf": csrf, "reference": "B", "serials": "DMPX99"}).status_code == 403  # fmt: skip
    with server.runtime.open_unit_of_work() as work:
        assert set(work.session.scalars(select(Tablet.state).where(Tablet.serial.in_(world.serials)))) == {TabletState.ORDERED}


def test_a_desk_shows_its_own_town_only(server: LiveServer, person: Enter) -> None:
    ours, theirs = desk_world(server.runtime, size=2), desk_world(server.runtime, size=2)
    technician = person(ours.town_id)
    for path in (
        f"/desk/{theirs.town_id}",
        f"/desk/{theirs.town_id}/bench",
        f"/desk/{theirs.town_id}/return?class={theirs.class_id}",
    ):
        assert technician.client.get(path).status_code == 404
    for town in (ours, theirs):
        answer = technician.client.get(f"/desk/{town.town_id}/handover?class={theirs.class_id}", follow_redirects=True)
        assert "Adèle" not in answer.text
    for paper in ("labels", "sheets", "slips"):
        answer = technician.client.get(f"/desk/papers/class/{theirs.class_id}/{paper}")
        assert (answer.status_code, answer.headers["content-type"][:9]) == (404, "text/html")
    for paper in ("labels", "delivery"):
        answer = technician.client.get(f"/desk/papers/order/{theirs.town_id}/{paper}", params={"reference": "BC-2026-17"})
        assert answer.status_code in (403, 404)
    assert technician.scan(ours.town_id, "bench", scan=theirs.serials[0]).json()["code"] == "serial_not_ordered"
    mixed = {"scan": ours.tags[0], "pupil_id": str(theirs.pupil_ids[0]), "agreement": "stays"}
    assert technician.scan(ours.town_id, "handover", **mixed).json()["code"] == "not_found"
    other = {"scan": theirs.tags[0], "pupil_id": str(ours.pupil_ids[0]), "agreement": "stays"}
    assert technician.scan(ours.town_id, "handover", **other).json()["code"] == "unknown_scan"
    for act in ("swap", "return", "breakage"):
        assert technician.scan(ours.town_id, act, scan=theirs.tags[0], second=theirs.tags[1]).json()["code"] == "unknown_scan"
    with server.runtime.open_unit_of_work() as work:
        assert work.session.scalar(select(func.count()).select_from(Loan)) == 0


def test_a_shared_technician_works_in_the_towns_of_today_and_learns_of_a_mixed_up_pallet(
    server: LiveServer, person: Enter
) -> None:
    here, there, later = (desk_world(server.runtime, size=1) for _ in range(3))
    clock = server.runtime.clock
    assert isinstance(clock, ManualClock)
    today = clock.now().astimezone(ZoneInfo("Europe/Paris")).date()
    with server.runtime.open_unit_of_work() as work:
        first = accounts.create_shared_technician(work, "tech@operator.example", "Technicienne")
        choose_password(work, sign_in(work, "tech@operator.example", first).token, first, PASSWORD)
        for world in (here, there):
            missions.create_mission(work, SYSTEM, world.town_id, "tech@operator.example", today, today, "remise")
        missions.create_mission(
            work, SYSTEM, later.town_id, "tech@operator.example", today + timedelta(3), today + timedelta(4), "remise"
        )
    technician = Person(server, "tech@operator.example")
    towns = technician.client.get("/desk").text
    assert [str(world.town_id) in towns for world in (here, there, later)] == [True, True, False]
    answer = technician.scan(here.town_id, "bench", scan=there.serials[0]).json()
    assert (answer["code"], "Belleville" in answer["title"]) == ("other_town", True)
    assert technician.scan(here.town_id, "bench", scan=later.serials[0]).json()["code"] == "serial_not_ordered"
    assert technician.scan(here.town_id, "bench", scan=here.serials[0]).status_code == 200
    clock.advance(timedelta(days=2))
    with server.runtime.open_unit_of_work() as work:
        sign_in(work, "tech@operator.example", PASSWORD)
    tomorrow = Person(server, "tech@operator.example")
    assert str(here.town_id) not in tomorrow.client.get("/desk").text
    assert tomorrow.scan(here.town_id, "bench", scan=here.serials[1]).status_code == 404
    technician.client.close()
    tomorrow.client.close()


def test_a_technician_of_one_school_sees_its_classes_only(server: LiveServer, person: Enter) -> None:
    world = desk_world(server.runtime, size=2)
    with server.runtime.open_unit_of_work() as work:
        school_id = work.session.get_one(Pupil, world.pupil_ids[0]).school_id
    technician = person(world.town_id, school_id=school_id)
    page = technician.client.get(f"/desk/{world.town_id}")
    assert page.status_code == 200
    assert "CE1-CE2" in page.text
    assert technician.scan(world.town_id, "bench", scan=world.serials[0]).json()["code"] == "forbidden"


def test_a_tablet_goes_through_every_form_without_scripts(server: LiveServer, person: Enter) -> None:
    world = desk_world(server.runtime, size=3)
    technician = person(world.town_id)
    assert "2" in technician.client.post(
        f"/desk/{world.town_id}/orders", data={"csrf": technician.csrf, "reference": "B2", "serials": " dmpx7001\n\nDMPX7002 "}
    ).text  # fmt: skip
    again = technician.client.post(
        f"/desk/{world.town_id}/orders", data={"csrf": technician.csrf, "reference": "B3", "serials": "DMPX7002"}
    )
    assert (again.status_code, "déjà connu" in again.text, ">DMPX7002</textarea>" in again.text) == (409, True, True)
    assert "ZZ-1 prête" in result_of(technician.submit(world.town_id, "bench", scan="dmpx7001", tag="zz-1"))
    give = {"class_id": str(world.class_id), "accessory": ["cover", "pen"]}
    page = technician.submit(world.town_id, "handover", scan=world.tags[0], pupil_id=str(world.pupil_ids[0]), **give)
    assert (page.status_code, "n'est pas signée" in result_of(page)) == (409, True)
    assert f'value="{world.tags[0]}"' in page.text  # what was scanned is still there
    for number, agreement in ((0, "signed_now"), (1, "was_signed")):
        page = technician.submit(
            world.town_id, "handover", scan=world.tags[number], pupil_id=str(world.pupil_ids[number]), agreement=agreement,
            signed_by="Mme Exemple", signed_on="2026-01-05", **give,
        )  # fmt: skip
        assert f"{world.tags[number]} remise" in result_of(page)
    assert "2 sur 3" in page.text
    assert "échangées" in result_of(technician.submit(world.town_id, "swap", scan=world.tags[0], second=world.tags[1]))
    broken = technician.submit(world.town_id, "breakage", scan=world.tags[0], second=world.tags[2], cause="screen")
    assert f"{world.tags[2]} prêtée" in result_of(broken)
    back = technician.submit(world.town_id, "return", scan=world.tags[1], condition="worn", accessory=["cover"])
    assert "sans : stylet" in result_of(back)
    assert f"{world.tags[1]} : en réserve" in result_of(technician.submit(world.town_id, "store", scan=world.tags[1]))
    assert technician.scan(world.town_id, "store", scan=world.tags[2]).json()["code"] == "pupil_has_tablet"
    assert technician.scan(world.town_id, "store", scan=world.tags[1], state="lost").json()["code"] == "invalid"
    with server.runtime.open_unit_of_work() as work:
        loans = work.session.scalars(select(Loan).where(Loan.closed_at.is_(None))).all()
        assert [loan.agreement for loan in loans] == [AgreementState.SIGNED]
        assert work.session.scalars(select(Loan.agreed_on).distinct()).all() != [None]
        assert work.session.scalar(select(Incident.description)) == "Signalée à l'atelier."
        assert work.session.scalar(select(func.count()).select_from(RecordAccess)) == 3


def test_another_language_keeps_the_class_that_is_open(server: LiveServer, person: Enter) -> None:
    world = desk_world(server.runtime, size=1)
    page = person(world.town_id).client.get(f"/desk/{world.town_id}/handover", params={"class": str(world.class_id)}).text
    assert f'href="?class={world.class_id}&amp;lang=en"' in page
    page = person(world.town_id).client.get(f"/desk/{world.town_id}/handover?class={world.class_id}&lang=en").text
    assert "Scan the tablet, or type a name" in page
    assert "Scannez" not in page


def test_a_refused_scan_leaves_nothing_behind(server: LiveServer, person: Enter) -> None:
    world = desk_world(server.runtime, size=2)
    technician = person(world.town_id)
    with server.runtime.open_unit_of_work() as work:
        before = work.session.scalar(select(func.count()).select_from(AuditEvent).where(AuditEvent.town_id == world.town_id))
    for fields in (
        {"scan": world.tags[0], "pupil_id": str(world.pupil_ids[0])},  # no agreement: the draft of a loan is undone too
        {"scan": world.tags[0], "pupil_id": str(uuid4()), "agreement": "stays"},
        {"scan": world.tags[0], "pupil_id": "x", "agreement": "stays"},
        {"scan": world.tags[0], "pupil_id": str(world.pupil_ids[0]), "agreement": "stays", "condition": "x"},
        {"scan": world.tags[0], "pupil_id": str(world.pupil_ids[0]), "agreement": "was_signed", "signed_on": "2999-01-01"},
        {"scan": world.tags[0], "pupil_id": str(world.pupil_ids[0]), "request_id": "not one"},
    ):
        answer = technician.scan(world.town_id, "handover", **fields)
        assert 400 <= answer.status_code < 500
        assert answer.json()["title"]
    broken = technician.scan(world.town_id, "breakage", scan=world.tags[0], second="NOPE")
    assert broken.json()["code"] == "unknown_scan"
    with server.runtime.open_unit_of_work() as work:
        assert work.session.scalar(select(func.count()).select_from(Loan)) == 0
        assert work.session.scalar(select(Tablet.state).where(Tablet.tag == world.tags[0])) is TabletState.STOCK
        after = work.session.scalar(select(func.count()).select_from(AuditEvent).where(AuditEvent.town_id == world.town_id))
        assert work.session.get_one(Pupil, world.pupil_ids[0]).take_home
    assert after == before


def test_a_scan_sent_twice_has_the_same_answer_even_without_the_name_that_was_not_stored(
    server: LiveServer, person: Enter
) -> None:
    world = desk_world(server.runtime, size=1)
    technician = person(world.town_id)
    sent = {
        "scan": world.tags[0], "pupil_id": str(world.pupil_ids[0]), "agreement": "signed_now", "request_id": str(uuid4()),
    }  # fmt: skip
    first = technician.scan(world.town_id, "handover", **sent, signed_by="Mme Exemple")
    second = technician.scan(world.town_id, "handover", **sent)
    assert first.json() == second.json()
    with server.runtime.open_unit_of_work() as work:
        assert work.session.scalars(select(Loan.signed_by)).all() == ["Mme Exemple"]


def test_a_handover_costs_the_same_in_any_class(server: LiveServer, person: Enter) -> None:
    counts: list[int] = []
    for size in (3, 30):
        world = desk_world(server.runtime, size=size, ordered=0)
        technician = person(world.town_id)
        for number in range(2):
            statements: list[str] = []
            listen = lambda *given, seen=statements: seen.append(given[2])  # noqa: E731
            event.listen(server.runtime.engine, "before_cursor_execute", listen)
            answer = technician.scan(
                world.town_id, "handover", scan=world.tags[number], pupil_id=str(world.pupil_ids[number]), agreement="signed_now"
            )
            event.remove(server.runtime.engine, "before_cursor_execute", listen)
            assert answer.status_code == 200
            counts.append(len(statements))
    assert len(set(counts)) == 1, counts


def test_printing_documents_is_audited(server: LiveServer, person: Enter) -> None:
    world = desk_world(server.runtime, size=3)
    technician = person(world.town_id)
    assert technician.client.get(f"/desk/papers/class/{world.class_id}/labels").status_code == 422  # nothing to print yet
    technician.scan(world.town_id, "handover", scan=world.tags[0], pupil_id=str(world.pupil_ids[0]), agreement="signed_now")
    for path in (
        f"class/{world.class_id}/labels", f"class/{world.class_id}/sheets", f"class/{world.class_id}/slips",
        f"order/{world.town_id}/labels?reference=BC-2026-17", f"order/{world.town_id}/delivery?reference=BC-2026-17",
    ):  # fmt: skip
        answer = technician.client.get(f"/desk/papers/{path}")
        assert answer.status_code == 200, path
        assert answer.content.startswith(b"%PDF")
        assert answer.headers["cache-control"] == "no-store"
    assert technician.client.get("/t/T001-00001").headers["location"] == "/?q=T001-00001"
    with server.runtime.open_unit_of_work() as work:
        actions = set(work.session.scalars(select(AuditEvent.action).where(AuditEvent.town_id == world.town_id)))
        kinds = set(work.session.scalars(select(RecordAccess.kind)))
    assert {"paper.labels", "paper.handover_sheets", "paper.return_slips", "paper.delivery"} <= actions
    assert {"class_list", "export"} <= kinds


def test_no_scan_causes_a_server_error(server: LiveServer, person: Enter) -> None:
    world = desk_world(server.runtime, size=1)
    technician = person(world.town_id)
    text = st.text(max_size=300) | st.sampled_from(
        ["\x00", "T\x00", "\x1dDMPX", "' OR 1=1 --", "<b>", "\u202e", "S", "//", "a" * 9000]
    )

    @settings(max_examples=count_examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(act=st.sampled_from(["bench", "handover", "swap", "return", "breakage", "store"]), scan=text, second=text, other=text)
    def act(act: str, scan: str, second: str, other: str) -> None:
        fields = {"scan": scan, "second": second, "tag": second, "pupil_id": other, "account": other, "signed_by": other}
        answer = technician.scan(world.town_id, act, **fields)
        assert 400 <= answer.status_code < 500, (answer.status_code, fields)
        page = technician.submit(world.town_id, act, **fields, class_id=str(world.class_id))
        assert 400 <= page.status_code < 500
        if "<b>" in scan:
            assert "<b>" not in page.text

    act()


def test_the_day_of_the_agreement_is_the_one_entered(server: LiveServer, person: Enter) -> None:
    world = desk_world(server.runtime, size=1)
    technician = person(world.town_id)
    technician.scan(
        world.town_id,
        "handover",
        scan=world.tags[0],
        pupil_id=str(world.pupil_ids[0]),
        agreement="was_signed",
        signed_on="2025-09-03",
    )
    with server.runtime.open_unit_of_work() as work:
        assert work.session.scalars(select(Loan.agreed_on)).all() == [date(2025, 9, 3)]


def test_a_tablet_with_the_data_of_a_child_is_prepared_and_not_called_ready(server: LiveServer, person: Enter) -> None:
    world = desk_world(server.runtime, size=1)
    technician = person(world.town_id)
    assert technician.scan(world.town_id, "bench", scan=world.serials[0]).json()["title"].endswith("prête")
    with server.runtime.open_unit_of_work() as work:
        work.session.scalars(select(Tablet).where(Tablet.tag == world.tags[0])).one().needs_wipe = True
    request_id = str(uuid4())
    answers = [technician.scan(world.town_id, "bench", scan=world.tags[0], request_id=request_id).json() for _ in range(2)]
    assert answers[0] == answers[1], "a scan that is sent again says the same"
    assert "pas prête" in answers[0]["title"]
    assert "Vie de la tablette" in answers[0]["advice"]
    today = technician.client.get(f"/desk/{world.town_id}/bench").text
    assert f"{world.tags[0]} préparée, mais pas prête" in today

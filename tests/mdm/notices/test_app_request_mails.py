"""A request for an app is in the mailbox of who decides, and the answer in that of who asked: once, in their language, over a real SMTP server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cartable.clock import ManualClock
from cartable.outbox import Topic
from cartable.scope import Actor, Role, RoleAssignment
from cartable.unit_of_work import Runtime
from mdm.accounts.models import Account
from mdm.notices.app_request_mails import MailReach, get_mail_reach
from mdm.notices.models import NoticeLevel
from mdm.notices.service import save_choice
from mdm.worker.drains import drain
from profiles.effective.app_requests import service
from profiles.effective.app_requests.models import AppRequest
from profiles.effective.app_requests.service import RequestedApp
from tests.profiles.effective.test_app_requests import AskingTown
from tests.support.accounts import create_account
from tests.support.mail_server import LOGIN, PASSWORD, Mailbox, start_mail_server

REASON = "pour Léo Martin, qui lit mal"


@pytest.fixture
def mailbox(folder: Path) -> Iterator[Mailbox]:
    with start_mail_server(folder / "chain.pem", folder / "key.pem") as running:
        yield running


class Town:
    """A town with a teacher who asks, and two administrators who decide: one reads French, one English."""

    def __init__(self, runtime: Runtime, mailbox: Mailbox, folder: Path) -> None:
        self.runtime, self.mailbox = runtime, mailbox
        update = {
            "smtp_host": "127.0.0.1", "smtp_port": mailbox.port, "smtp_user": LOGIN, "smtp_password": PASSWORD, "smtp_ca": folder / "ca.pem",
            "mail_from": "Cartable <cartable@valmont.example>",
        }  # fmt: skip
        runtime.settings = runtime.settings.model_copy(update=update)
        with runtime.open_unit_of_work() as work:
            self.places = AskingTown(work)
            self.places.town.name = "Valmont"
            self.places.allow(self.places.app)
            self.admin = self._add_person("ana", "fr")
            self._add_person("bob", "en")
            self.teacher = self._add_person("lea", "fr", Role.HELPDESK)

    def _add_person(self, login: str, language: str, role: Role = Role.TOWN_ADMIN) -> Actor:
        account = create_account(self.places.work, self.places.town.id, role, login)
        account.email, account.language = f"{login}@valmont.example", language
        if role is Role.TOWN_ADMIN:
            return Actor(account.id, login, (RoleAssignment(role, self.places.town.id),))
        school_class = self.places.school_class
        return Actor(
            account.id, login, (RoleAssignment(Role.TEACHER, school_class.town_id, school_class.school_id, school_class.id),)
        )

    def ask(self) -> AppRequest:
        with self.runtime.open_unit_of_work() as work:
            return service.create_request(work, self.teacher, self.places.school_class.id, RequestedApp("ScratchJr", REASON))

    def refuse(self, request: AppRequest) -> None:
        with self.runtime.open_unit_of_work() as work:
            service.refuse_request(work, self.admin, request.id, "une autre application fait cela")

    def choose(self, actor: Actor, level: NoticeLevel) -> None:
        with self.runtime.open_unit_of_work() as work:
            account = work.session.get_one(Account, actor.account_id)
            save_choice(work, account, level=level, email=account.email or "", language=account.language)

    def plan(self) -> None:
        drain(self.runtime, Topic.APP_REQUEST)

    def send(self) -> list[tuple[str, str, str]]:
        """Send what is due. Returns recipient, subject and text of the mails that arrived."""
        before = len(self.mailbox.mails)
        self.plan()
        drain(self.runtime, Topic.APP_REQUEST_MAIL)
        mails = self.mailbox.mails[before:]
        return sorted((str(mail["To"]).partition("@")[0], str(mail["Subject"]), str(mail.get_content())) for mail in mails)


@pytest.fixture
def town(runtime: Runtime, mailbox: Mailbox, folder: Path) -> Town:
    return Town(runtime, mailbox, folder)


def test_who_decides_is_written_to_and_who_asked_gets_the_answer_with_its_reason(town: Town) -> None:
    request = town.ask()
    ana, bob = town.send()
    assert ana[:2] == ("ana", "Valmont : l'application ScratchJr est demandée")
    assert bob[:2] == ("bob", "Valmont: the app ScratchJr is asked for")
    assert f"class {town.places.school_class.label} ({town.places.school.name})" in bob[2]
    assert "https://mdm.test:8443/app-requests" in bob[2]
    assert not [text for _, _, text in (ana, bob) if "Léo" in text], "what it is for may name a child"
    assert town.send() == [], "once"
    town.refuse(request)
    [lea] = town.send()
    assert lea[:2] == ("lea", "Valmont : votre demande de l'application ScratchJr est refusée")
    assert "Réponse : une autre application fait cela" in lea[2]
    assert town.send() == []


def test_an_app_that_is_given_and_taken_back_is_told_to_who_asked(town: Town) -> None:
    request = town.ask()
    town.send()
    with town.runtime.open_unit_of_work() as work:
        service.approve_request(work, town.admin, request.id, town.places.app.id, "bonne idée")
    [(recipient, subject, text)] = town.send()
    assert (recipient, "est donnée" in subject, "bonne idée" in text) == ("lea", True, True)
    assert f"/app-requests?town={request.town_id}" in text, "whoever has several towns reads it in the right one"
    with town.runtime.open_unit_of_work() as work:
        service.end_request(work, town.admin, request.id)
    [(recipient, subject, text)] = town.send()
    assert (recipient, "est retirée" in subject, "bonne idée" in text) == ("lea", True, False)


@pytest.mark.parametrize("is_planned", [False, True])
def test_nobody_is_asked_for_what_is_decided_meanwhile(town: Town, *, is_planned: bool) -> None:
    request = town.ask()
    if is_planned:
        town.plan()
    town.refuse(request)
    assert [recipient for recipient, _, _ in town.send()] == ["lea"]


def test_a_refused_recipient_is_tried_again_and_the_others_get_nothing_twice(town: Town, clock: ManualClock) -> None:
    town.mailbox.refuses = True
    town.ask()
    assert town.send() == []
    town.mailbox.refuses = False
    clock.advance(timedelta(minutes=1))
    assert [recipient for recipient, _, _ in town.send()] == ["ana", "bob"]
    clock.advance(timedelta(hours=2))
    assert town.send() == []


def test_nobody_is_written_to_without_a_mail_server_an_address_or_the_wish(town: Town) -> None:
    town.choose(town.admin, NoticeLevel.CRITICAL)
    town.ask()
    assert [recipient for recipient, _, _ in town.send()] == ["bob"]
    with town.runtime.open_unit_of_work() as work:
        account = work.session.get_one(Account, town.admin.account_id)
        assert get_mail_reach(work, account) is MailReach.UNWANTED
        account.email = None
        assert get_mail_reach(work, account) is MailReach.NO_ADDRESS, "the login is no address either"
    town.runtime.settings = town.runtime.settings.model_copy(update={"smtp_host": ""})
    town.ask()
    assert town.send() == []
    with town.runtime.open_unit_of_work() as work:
        assert get_mail_reach(work, work.session.get_one(Account, town.teacher.account_id)) is MailReach.NO_SERVER

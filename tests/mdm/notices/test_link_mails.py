"""A link goes to its owner by mail over a real SMTP server, once; a refusal is shown, and the stored link is forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from cartable.clock import ManualClock
from cartable.ids import new_id
from cartable.outbox import OutboxRow, Topic
from cartable.outbox_leases import MAX_ATTEMPTS, Claimant
from cartable.scope import SYSTEM, Actor, Role
from cartable.unit_of_work import Runtime
from mdm.accounts import links
from mdm.accounts.links import NewLink
from mdm.accounts.models import AccountLink, SessionKind
from mdm.accounts.sign_in_limits import SignInClient
from mdm.notices.link_mails import send_link_mail
from mdm.worker.drains import drain
from tests.support.leases import take_over_job
from tests.support.mail_server import LOGIN, PASSWORD, Mailbox, start_mail_server
from tests.support.world import TownFactory, create_actor


@pytest.fixture
def mailbox(runtime: Runtime, folder: Path) -> Iterator[Mailbox]:
    with start_mail_server(folder / "chain.pem", folder / "key.pem") as running:
        update = {
            "smtp_host": "127.0.0.1", "smtp_port": running.port, "smtp_user": LOGIN, "smtp_password": PASSWORD, "smtp_ca": folder / "ca.pem",
            "mail_from": "Cartable <cartable@valmont.example>",
        }  # fmt: skip
        runtime.settings = runtime.settings.model_copy(update=update)
        yield running


@pytest.fixture
def admin(runtime: Runtime) -> Actor:
    with runtime.open_unit_of_work() as work:
        return create_actor(Role.TOWN_ADMIN, TownFactory(work).create_town("Valmont"))


def invite(runtime: Runtime, admin: Actor, login: str = "lea@valmont.example", language: str = "fr") -> NewLink:
    town_id = admin.role_assignments[0].town_id
    assert isinstance(town_id, UUID)
    with runtime.open_unit_of_work() as work:
        return links.invite(
            work, admin, login=login, display_name="Léa Petit", role=Role.HELPDESK, town_id=town_id, language=language
        )


def load_link(runtime: Runtime) -> AccountLink:
    with runtime.open_unit_of_work() as work:
        [link] = work.session.query(AccountLink).filter(AccountLink.replaced_at.is_(None)).all()
        work.session.expunge(link)
        return link


@pytest.mark.parametrize(("language", "word"), [("fr", "Bonjour Léa Petit,"), ("en", "Hello Léa Petit,")])
def test_an_invitation_is_mailed_once_and_opens_the_door(
    runtime: Runtime, mailbox: Mailbox, admin: Actor, language: str, word: str
) -> None:
    made = invite(runtime, admin, language=language)
    assert made.mailed_to == "lea@valmont.example"
    drain(runtime, Topic.ACCOUNT_LINK)
    drain(runtime, Topic.ACCOUNT_LINK)
    [mail] = mailbox.mails
    text = mail.get_content()
    assert (mail["To"], mail["Content-Language"], word in text) == ("lea@valmont.example", language, True)
    url = re.search(r"https?://\S+/welcome/\S+", text)
    assert url
    assert url[0] == made.url
    link = load_link(runtime)
    assert (link.mail_url, link.mailed_at is not None) == (None, True), "the link itself is forgotten"
    with runtime.open_unit_of_work() as work:
        token = url[0].rpartition("/")[2]
        links.set_password(work, token, "a sentence of my own", SignInClient("192.0.2.1", "tests", ""), SessionKind.API)


def test_a_newer_link_and_a_used_one_are_not_mailed(runtime: Runtime, mailbox: Mailbox, admin: Actor) -> None:
    first = invite(runtime, admin)
    town_id = admin.role_assignments[0].town_id
    assert town_id is not None
    with runtime.open_unit_of_work() as work:
        second = links.create_link(work, admin, first.account.id, town_id)
    drain(runtime, Topic.ACCOUNT_LINK)
    [mail] = mailbox.mails
    assert second.url in mail.get_content()
    assert first.url not in mail.get_content()


def test_a_refusal_is_kept_and_after_the_last_attempt_the_link_is_forgotten(
    runtime: Runtime, mailbox: Mailbox, admin: Actor, clock: ManualClock
) -> None:
    mailbox.refuses = True
    invite(runtime, admin)
    drain(runtime, Topic.ACCOUNT_LINK)
    link = load_link(runtime)
    assert (link.mail_error, link.mail_url is not None) == ("recipient refused (550)", True)
    for _ in range(MAX_ATTEMPTS):
        clock.advance(timedelta(hours=1))
        drain(runtime, Topic.ACCOUNT_LINK)
    link = load_link(runtime)
    assert (link.mail_url, link.mailed_at) == (None, None)
    with runtime.open_unit_of_work() as work:
        assert work.session.query(OutboxRow).filter(OutboxRow.topic == Topic.ACCOUNT_LINK).one().parked_at is not None


@pytest.mark.parametrize("response", ["250 OK", "554 no"])
def test_a_mail_whose_job_passes_to_another_worker_is_left_to_it_and_the_next_one_is_sent(
    runtime: Runtime, mailbox: Mailbox, admin: Actor, response: str
) -> None:
    slow_link = invite(runtime, admin)
    invite(runtime, admin, "bob@valmont.example")

    def send_by_another_worker() -> str:
        send_link_mail(runtime, take_over_job(runtime, Topic.ACCOUNT_LINK))
        return response

    mailbox.meanwhile = send_by_another_worker
    assert drain(runtime, Topic.ACCOUNT_LINK, Claimant("slow")) == 2
    assert [mail["To"] for mail in mailbox.mails] == ["lea@valmont.example", "lea@valmont.example", "bob@valmont.example"]
    with runtime.open_unit_of_work() as work:
        link = work.session.query(AccountLink).filter_by(account_id=slow_link.account.id).one()
        assert (link.mailed_at, link.mail_error) == (work.now, None), "what the slow worker got as a response is not stored"
        assert work.session.query(OutboxRow).filter(OutboxRow.topic == Topic.ACCOUNT_LINK).count() == 0


def test_no_mail_without_an_address_a_mail_server_or_a_person(runtime: Runtime, mailbox: Mailbox, admin: Actor) -> None:
    assert invite(runtime, admin, "lea").mailed_to is None, "the login is no address"
    by_command = replace(SYSTEM, name="operator")
    assert invite_as(runtime, by_command, admin).mailed_to is None, "the command line prints it"
    runtime.settings = runtime.settings.model_copy(update={"smtp_host": ""})
    assert invite(runtime, admin, f"{new_id().hex}@valmont.example").mailed_to is None
    drain(runtime, Topic.ACCOUNT_LINK)
    assert mailbox.mails == []


def invite_as(runtime: Runtime, actor: Actor, admin: Actor) -> NewLink:
    town_id = admin.role_assignments[0].town_id
    assert town_id is not None
    with runtime.open_unit_of_work() as work:
        return links.invite(work, actor, login="bob@valmont.example", display_name="Bob", role=Role.HELPDESK, town_id=town_id)

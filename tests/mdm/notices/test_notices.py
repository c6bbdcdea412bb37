"""Every alarm reaches somebody: by mail over a real SMTP server, by signed webhook, as chosen, in digests, and again after a failure."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from cartable import alarms
from cartable.alarms import AlarmKind, AlarmSeverity
from cartable.clock import ManualClock
from cartable.errors import Forbidden, Invalid, NotFound, ReauthenticationRequired
from cartable.outbox import OutboxRow, Topic
from cartable.outbox_leases import MAX_ATTEMPTS
from cartable.scope import SYSTEM, Actor, Role
from cartable.settings import SmtpSecurity
from cartable.unit_of_work import Runtime
from mdm.accounts.models import Account
from mdm.notices import rules, service
from mdm.notices.errors import UnsafeWebhook
from mdm.notices.models import Notice, NoticeLevel
from mdm.worker.drains import drain
from tests.support.accounts import create_account
from tests.support.mail_server import LOGIN, PASSWORD, Mailbox, WebhookReceiver, start_mail_server, start_webhook_receiver
from tests.support.world import TownFactory, create_actor

CRITICAL, WARNING = AlarmKind.SECOND_FACTOR_GUESSED, AlarmKind.INVITATION_CODES_GUESSED


@pytest.fixture
def mailbox(folder: Path) -> Iterator[Mailbox]:
    with start_mail_server(folder / "chain.pem", folder / "key.pem") as running:
        yield running


class Town:
    """A town with two people who govern it, one in each language, and a mail server."""

    def __init__(self, runtime: Runtime, mailbox: Mailbox, folder: Path) -> None:
        self.runtime = runtime
        update = {
            "smtp_host": "127.0.0.1", "smtp_port": mailbox.port, "smtp_user": LOGIN, "smtp_password": PASSWORD, "smtp_ca": folder / "ca.pem",
            "mail_from": "Cartable <cartable@valmont.example>", "allow_private_addresses": True,
        }  # fmt: skip
        runtime.settings = runtime.settings.model_copy(update=update)
        with runtime.open_unit_of_work() as work:
            self.town = TownFactory(work).create_town("Valmont")
            self.admin = create_actor(Role.TOWN_ADMIN, self.town)
            for login, language in (("ana", "fr"), ("bob", "en")):
                account = create_account(work, self.town.id, Role.TOWN_ADMIN, login)
                account.email, account.language = f"{login}@valmont.example", language
            helper = create_account(work, self.town.id, Role.HELPDESK, "helper")
            helper.email = "helper@valmont.example"

    def raise_alarm(self, kind: AlarmKind = WARNING, town_id: UUID | None = None) -> None:
        with self.runtime.open_unit_of_work() as work:
            alarms.raise_alarm(work, town_id or self.town.id, kind, count=3)
        drain(self.runtime, Topic.ALARM)
        drain(self.runtime, Topic.NOTICE)

    def choose(self, login: str, level: NoticeLevel) -> None:
        with self.runtime.open_unit_of_work() as work:
            account = work.session.scalars(select(Account).where(Account.login == login)).one()
            service.save_choice(work, account, level=level, email=account.email or "", language=account.language)


@pytest.fixture
def town(runtime: Runtime, mailbox: Mailbox, folder: Path) -> Town:
    return Town(runtime, mailbox, folder)


def test_an_alarm_is_in_the_mailbox_of_who_governs_in_their_language(town: Town, mailbox: Mailbox) -> None:
    town.raise_alarm()
    by_recipient = {mail["To"]: mail for mail in mailbox.mails}
    assert set(by_recipient) == {"ana@valmont.example", "bob@valmont.example"}
    english, french = by_recipient["bob@valmont.example"], by_recipient["ana@valmont.example"]
    assert english["Subject"] == "Valmont: alarm. Somebody is guessing invitation codes."
    assert "It happened once, at 23/11/2026 09:00." in english.get_content(), "the clock of the town"
    assert "https://mdm.test:8443" in english.get_content()
    assert french["Subject"].startswith("Valmont : alarme.")
    assert (french["Content-Language"], english["Auto-Submitted"]) == ("fr", "auto-generated")


def test_a_reported_loss_is_in_the_mailbox_of_the_helpdesk(town: Town, mailbox: Mailbox) -> None:
    town.choose("ana", NoticeLevel.CRITICAL)
    town.raise_alarm(AlarmKind.TABLET_REPORTED_LOST)
    assert {mail["To"] for mail in mailbox.mails} == {"bob@valmont.example", "helper@valmont.example"}
    [mail] = [mail for mail in mailbox.mails if mail["To"].startswith("helper")]
    assert "déclare la perte d'une tablette" in mail["Subject"]
    town.choose("helper", NoticeLevel.NONE)
    town.raise_alarm(CRITICAL)
    assert not [mail for mail in mailbox.mails[2:] if mail["To"].startswith("helper")], "what governs the town is not theirs"


def test_each_person_chooses_what_they_are_written_about(town: Town, mailbox: Mailbox) -> None:
    town.choose("ana", NoticeLevel.CRITICAL)
    town.choose("bob", NoticeLevel.NONE)
    town.raise_alarm(WARNING)
    assert mailbox.mails == []
    town.raise_alarm(CRITICAL)
    assert [mail["To"] for mail in mailbox.mails] == ["ana@valmont.example"]
    assert alarms.SEVERITIES[CRITICAL] is AlarmSeverity.CRITICAL


def test_a_mass_of_alarms_of_one_kind_is_one_mail(town: Town, mailbox: Mailbox, clock: ManualClock) -> None:
    town.choose("bob", NoticeLevel.NONE)
    for _ in range(30):
        town.raise_alarm()
        clock.advance(timedelta(seconds=20))
    assert len(mailbox.mails) == 1, "the first at once, the others wait"
    town.raise_alarm(CRITICAL)
    assert len(mailbox.mails) == 2, "another kind does not wait"
    clock.advance(rules.DIGEST_INTERVAL)
    drain(town.runtime, Topic.NOTICE)
    assert len(mailbox.mails) == 3
    assert "29 fois" in mailbox.mails[-1].get_content()
    with town.runtime.open_unit_of_work() as work:
        assert all(row.sent_at for row in work.session.scalars(select(Notice)))
        assert not work.session.scalars(select(OutboxRow).where(OutboxRow.topic == Topic.NOTICE)).all()


def test_addresses_outside_get_every_alarm_and_the_operators_those_of_the_server(town: Town, mailbox: Mailbox) -> None:
    for login in ("ana", "bob"):
        town.choose(login, NoticeLevel.NONE)
    town.runtime.settings = town.runtime.settings.model_copy(
        update={"alarm_emails": ("a@operator.example", "b@operator.example")}
    )
    with town.runtime.open_unit_of_work() as work:
        service.add_address(work, town.admin, town.town.id, "mayor@elsewhere.example", "fr")
        alarms.raise_alarm(work, None, AlarmKind.JOB_PARKED)
    town.raise_alarm()
    assert sorted((mail["To"], mail["Subject"].partition(":")[0].strip()) for mail in mailbox.mails) == [
        ("a@operator.example, b@operator.example", "Valmont"),
        ("a@operator.example, b@operator.example", "tout le serveur"),
        ("mayor@elsewhere.example", "Valmont"),
    ]


def test_a_mail_server_that_refuses_is_asked_again_then_the_notice_is_parked_and_shown(
    town: Town, mailbox: Mailbox, clock: ManualClock
) -> None:
    town.choose("bob", NoticeLevel.NONE)
    mailbox.refuses = True
    town.raise_alarm()
    with town.runtime.open_unit_of_work() as work:
        [(notice, _)] = service.list_notices(work, town.admin, town.town.id).items
        assert (notice.sent_at, notice.last_error, notice.failed_at) == (None, "recipient refused (550)", None)
    mailbox.refuses = False
    clock.advance(timedelta(minutes=1))
    drain(town.runtime, Topic.NOTICE)
    assert len(mailbox.mails) == 1
    mailbox.refuses = True
    town.raise_alarm(CRITICAL)
    for _ in range(MAX_ATTEMPTS):
        clock.advance(timedelta(hours=1))
        drain(town.runtime, Topic.NOTICE)
    with town.runtime.open_unit_of_work() as work:
        [job] = work.session.scalars(select(OutboxRow).where(OutboxRow.topic == Topic.NOTICE))
        assert job.parked_at is not None
        assert [row.failed_at is not None for row, _ in service.list_notices(work, town.admin, town.town.id).items] == [
            True,
            False,
        ]


@pytest.mark.parametrize(
    ("update", "reason"),
    [
        ({"smtp_password": "wrong"}, "SMTPAuthenticationError (535)"),
        ({"smtp_security": SmtpSecurity.NONE, "smtp_user": ""}, "SMTPSenderRefused (530)"),
        ({"smtp_ca": None}, "SSLCertVerificationError"),
        ({"smtp_host": "127.0.0.2", "smtp_port": 1}, "ConnectionRefusedError"),
    ],
)
def test_why_no_mail_goes_out_is_said_without_secrets(town: Town, update: dict[str, object], reason: str) -> None:
    town.runtime.settings = town.runtime.settings.model_copy(update=update)
    town.raise_alarm()
    with town.runtime.open_unit_of_work() as work:
        assert {row.last_error for row in work.session.scalars(select(Notice))} == {reason}


def test_without_a_mail_server_nothing_waits_for_one(town: Town) -> None:
    town.runtime.settings = town.runtime.settings.model_copy(update={"smtp_host": ""})
    town.raise_alarm()
    with town.runtime.open_unit_of_work() as work:
        assert work.session.scalars(select(Notice)).all() == []


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with start_webhook_receiver() as running:
        yield running


def test_a_webhook_is_signed_by_the_standard_and_keeps_its_id_when_it_is_sent_again(
    town: Town, receiver: WebhookReceiver, clock: ManualClock
) -> None:
    with town.runtime.open_unit_of_work() as work:
        secret = service.add_webhook(work, town.admin, town.town.id, receiver.url).secret
    receiver.status = 500
    town.raise_alarm(CRITICAL)
    receiver.status = 204
    clock.advance(timedelta(minutes=1))
    drain(town.runtime, Topic.NOTICE)
    (first, _), (headers, body) = receiver.received
    assert first["webhook-id"] == headers["webhook-id"]
    assert first["webhook-timestamp"] != headers["webhook-timestamp"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, content, sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    data = json.loads(body)["data"]
    assert (data["kind"], data["severity"], data["town_id"]) == (CRITICAL.value, "critical", str(town.town.id))


def test_the_signature_is_that_of_the_standards_example() -> None:
    """The vector that the libraries of Standard Webhooks test with."""
    headers = rules.sign_webhook(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}',
        datetime.fromtimestamp(1614265330, UTC),
    )  # fmt: skip
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_webhook_reaches_no_private_network_unless_the_operator_allows_it(town: Town, receiver: WebhookReceiver) -> None:
    with town.runtime.open_unit_of_work() as work:
        service.add_webhook(work, town.admin, town.town.id, receiver.url.replace("127.0.0.1", "localhost"))
    town.runtime.settings = town.runtime.settings.model_copy(update={"allow_private_addresses": False})
    with town.runtime.open_unit_of_work() as work:
        for url in (
            receiver.url,
            "https://169.254.169.254/",
            "https://[fd00::1]/",
            "https://user:x@a.example",
            "ftp://a.example",
            "nonsense",
        ):
            with pytest.raises(UnsafeWebhook):
                service.add_webhook(work, town.admin, town.town.id, url)
    town.raise_alarm(CRITICAL)
    assert receiver.received == [], "a name that leads into the private network"


def test_only_who_governs_enters_recipients_and_with_the_password(town: Town) -> None:
    with town.runtime.open_unit_of_work() as work:
        stranger = create_actor(Role.TOWN_ADMIN, TownFactory(work).create_town())
        stolen = Actor(town.admin.account_id, "x", town.admin.role_assignments, reauthenticated=False)
        for actor, refusal in ((stranger, Forbidden), (stolen, ReauthenticationRequired)):
            with pytest.raises(refusal):
                service.add_address(work, actor, town.town.id, "a@b.example", "fr")
            with pytest.raises(refusal):
                service.add_webhook(work, actor, town.town.id, "https://a.example")
        for email in ("", "@", "a b@c.example", "nobody"):
            with pytest.raises(Invalid):
                service.add_address(work, town.admin, town.town.id, email, "fr")
        row = service.add_address(work, town.admin, town.town.id, "a@b.example", "fr")
        with pytest.raises(NotFound):
            service.remove_recipient(work, stranger, stranger.role_assignments[0].town_id or town.town.id, row.id)
        service.remove_recipient(work, town.admin, town.town.id, row.id)
        assert service.list_addresses(work, SYSTEM, town.town.id).items == []


def test_notices_are_forgotten_after_a_month(town: Town, mailbox: Mailbox, clock: ManualClock) -> None:
    town.raise_alarm()
    clock.advance(service.KEPT_FOR + timedelta(minutes=1))
    with town.runtime.open_unit_of_work() as work:
        service.purge_notices(work)
        assert work.session.scalars(select(Notice)).all() == []
    assert len(mailbox.mails) == 2

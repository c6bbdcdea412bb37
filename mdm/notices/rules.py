"""What mails and webhooks say, when a digest is due, and the signature of a webhook. Pure."""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from hashlib import sha256
from zoneinfo import ZoneInfo

from cartable.alarms import Alarm, AlarmKind, AlarmSeverity, describe_alarm
from cartable.i18n import Language, Message
from cartable.scope import Permission
from mdm.notices.models import NoticeLevel

#: What those who care for tablets settle: the helpdesk, technicians, administrators. All else is for who governs the town.
FOR_HELPDESK = frozenset({AlarmKind.TABLET_REPORTED_LOST})
#: After a mail about one kind of alarm, further ones of that kind to the same person wait so long and come together.
DIGEST_INTERVAL = timedelta(hours=1)
#: So many instants are listed in a mail.
MAX_LISTED = 20
_SECRET_PREFIX = "whsec_"  # noqa: S105 - the mark of a secret, by the standard
_SUBJECT = Message("{place}: alarm. {sentence}")
_COUNT = Message("It happened once, at {first}.", plural="It happened {count} times, from {first} to {last}.")
_WHAT_TO_DO = Message(
    "Sign in at {url} to see what it is about, and acknowledge it there. If it was none of you, throw the stop switch first."
)
_WHY = Message(
    "You receive this because you look after these tablets. Choose in your account of which alarms you are written to."
)
_WHOLE_SERVER = Message("the whole server")
_INVITATION_SUBJECT = Message("Your account in Cartable: choose a password")
_RESET_SUBJECT = Message("Choose a new password for Cartable")
_GREETING = Message("Hello {name},")
_INVITATION = Message(
    "An account was made for you in Cartable, with which your town looks after its tablets. Choose your password here:"
)
_RESET = Message("Your former password is void. Choose a new one here:")
_LINK_RULES = Message("The link works once, until {until} (UTC). You then sign in as {login}.")
_NOT_EXPECTED = Message("If you do not expect this mail, do not open the link, and tell the administrators of your town.")


def get_recipient_permissions(kind: AlarmKind, *, of_town: bool) -> frozenset[Permission]:
    """Return of which permissions a person needs one to be written to: who governs a town, who helps people in it, or who operates the server."""
    if not of_town:
        return frozenset({Permission.OPERATE})
    return frozenset({Permission.CARE}) if kind in FOR_HELPDESK else frozenset({Permission.GOVERN})


def is_wanted(level: NoticeLevel, severity: AlarmSeverity) -> bool:
    """Return whether a person who has chosen this level is written to."""
    return level is NoticeLevel.ALL or (level is NoticeLevel.CRITICAL and severity is AlarmSeverity.CRITICAL)


def compute_due(now: datetime, last_sent_at: datetime | None, waiting_due_at: datetime | None) -> datetime:
    """Return when the next mail about a kind of alarm goes to a person: at once, or with those that wait already."""
    if waiting_due_at is not None:
        return max(waiting_due_at, now)
    return now if last_sent_at is None else max(now, last_sent_at + DIGEST_INTERVAL)


def build_mail(
    alarms: Sequence[Alarm], *, sender: str, recipients: Sequence[str], language: Language, place: str | None, zone: ZoneInfo, url: str,
    now: datetime,
) -> EmailMessage:  # fmt: skip
    """Return the mail about alarms of one kind. It names no person: details of alarms hold ids, numbers and categories only."""
    times = sorted(alarm.raised_at.astimezone(zone) for alarm in alarms)
    sentence = describe_alarm(alarms[0], language)
    place = place or _WHOLE_SERVER.translate(language)
    lines = [sentence, "", _COUNT.translate(language, count=len(times), first=_format(times[0]), last=_format(times[-1]))]
    if len(times) > 1:
        lines += [f"- {_format(instant)}" for instant in times[:MAX_LISTED]]
        lines += [f"- … ({len(times) - MAX_LISTED})"] if len(times) > MAX_LISTED else []
    lines += ["", _WHAT_TO_DO.translate(language, url=url), "", _WHY.translate(language), ""]
    subject = _SUBJECT.translate(language, place=place, sentence=sentence)
    return build_message(subject, "\n".join(lines), sender, recipients, language, now)


def build_link_mail(
    *, sender: str, recipient: str, language: Language, name: str, login: str, url: str, until: datetime, is_invitation: bool, now: datetime
) -> EmailMessage:  # fmt: skip
    """Return the mail with the link by which a person chooses a password."""
    subject, begin = (_INVITATION_SUBJECT, _INVITATION) if is_invitation else (_RESET_SUBJECT, _RESET)
    lines = [
        _GREETING.translate(language, name=name), "", begin.translate(language), "", url, "",
        _LINK_RULES.translate(language, until=_format(until), login=login), "", _NOT_EXPECTED.translate(language), "",
    ]  # fmt: skip
    return build_message(subject.translate(language), "\n".join(lines), sender, [recipient], language, now)


def build_message(
    subject: str, text: str, sender: str, recipients: Sequence[str], language: Language, now: datetime
) -> EmailMessage:
    """Return a mail that no program answers."""
    mail = EmailMessage()
    mail["Subject"] = " ".join(subject.split())
    mail["From"], mail["To"] = sender, ", ".join(recipients)
    mail["Date"], mail["Message-ID"] = format_datetime(now), make_msgid(domain=sender.rpartition("@")[2].strip("> ") or None)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text)
    mail["Content-Language"] = language.code  # last: setting the content removes the headers about it
    return mail


def build_webhook_body(alarm: Alarm, language: Language) -> bytes:
    """Return the body of a webhook about an alarm."""
    data = {
        "id": str(alarm.id), "kind": alarm.kind.value, "severity": alarm.severity.value, "town_id": str(alarm.town_id) if alarm.town_id else None,
        "sentence": describe_alarm(alarm, language), "details": alarm.details,
    }  # fmt: skip
    return json.dumps(
        {"type": "alarm.raised", "timestamp": alarm.raised_at.isoformat(), "data": data}, ensure_ascii=False
    ).encode()


def sign_webhook(secret: str, message_id: str, body: bytes, now: datetime) -> Mapping[str, str]:
    """Return the headers of a webhook: its id, the time, and the signature over both and the body (Standard Webhooks).

    Without a secret there is no signature.
    """
    timestamp = str(int(now.timestamp()))
    if not secret:
        return {"content-type": "application/json", "webhook-id": message_id, "webhook-timestamp": timestamp}
    key = b64decode(secret.removeprefix(_SECRET_PREFIX))
    signature = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, sha256).digest()
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{b64encode(signature).decode()}",
    }


def spell_secret(key: bytes) -> str:
    """Return a webhook's secret as people copy it."""
    return _SECRET_PREFIX + b64encode(key).decode()


def _format(instant: datetime) -> str:
    return instant.strftime("%d/%m/%Y %H:%M")

"""Labels of identity certificates: whether the key is attested, and how the renewal goes."""

from __future__ import annotations

from datetime import datetime

from cartable.i18n import Language, Message
from mdm.console.times import format_instant
from mdm.reconcile.models import IdentityRenewal, RenewalProblem
from mdm.reconcile.renewals import IdentityStatus

PROBLEMS: dict[RenewalProblem, Message] = {
    RenewalProblem.REFUSED: Message("the tablet refused the profile ({detail})"),
    RenewalProblem.CERTIFICATE_NOT_USED: Message("a new certificate was issued, the tablet does not use it"),
    RenewalProblem.NOT_CARRIED_OUT: Message("the tablet was in contact and did not carry it out"),
}
WAITING = Message("waiting for the tablet to connect")


def attested_label(identity: IdentityStatus | None, language: Language) -> str:
    """Return whether the tablet has attested its key at Apple; a dash when it has no identity."""
    if identity is None:
        return "–"
    return language.gettext("yes") if identity.attested else language.gettext("no")


def renewal_label(identity: IdentityStatus | None, now: datetime, language: Language) -> str:
    """Return how the renewal of the tablet's certificate goes; a dash when it has no identity."""
    if identity is None:
        return "–"
    if identity.expires_at <= now:
        return language.gettext("too late: the certificate has ended, and the tablet must be enrolled again")
    if identity.renewal is None:
        return language.gettext("from {day} on", day=format_instant(identity.renew_from))
    return language.gettext(
        "ordered {instant}, attempt {attempts}: {outcome}",
        instant=format_instant(identity.renewal.ordered_at),
        attempts=identity.renewal.attempts,
        outcome=problem_label(identity.renewal, language),
    )


def problem_label(renewal: IdentityRenewal | None, language: Language) -> str:
    """Return why a renewal has had no success so far."""
    if renewal is None or renewal.problem is None:
        return WAITING.translate(language)
    return PROBLEMS[renewal.problem].translate(language, detail=renewal.problem_detail or "–")
